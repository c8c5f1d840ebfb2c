import { useEffect } from "preact/hooks";
import * as queries from "../api/queries";
import type { NodeRow, SourceHealth } from "../api/types";
import { Age } from "../components/age";
import { Icon } from "../components/icon";
import { Empty, Failed, Skeleton } from "../components/notice";
import { CertificateRow, EnrolButton } from "../fleet/certificate";
import { RemoteRow } from "../fleet/remote";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { useResource } from "../state/resource";
import { Rollouts } from "./rollouts";

const REFRESH_MS = 5_000;
const CLOCK_OFF_S_MAX = 5;

/** The gateways: who is there, how far behind, how much waits in the spool, and why one is silent. */
export function NodesView() {
  const [resource, reload] = useResource("nodes", queries.nodes);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  const { data, problem } = resource.value;
  return (
    <article class="faceplate">
      <header class="view-head">
        <div class="view-title">
          <Icon name="nodes" size={20} />
          <h1>{t("view.nodes")}</h1>
        </div>
        <p class="muted">{t("node.about")}</p>
        <EnrolButton reload={reload} />
      </header>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {!data && !problem && <Skeleton rows={4} />}
      {data && !data.items.length && (
        <Empty icon="nodes" title={t("node.none")}>
          {t("node.noneFix")}
        </Empty>
      )}
      {data?.items.map((node) => (
        <NodeCard key={node.node} node={node} reload={reload} />
      ))}
      <Rollouts />
    </article>
  );
}

function NodeCard({ node, reload }: { node: NodeRow; reload: () => void }) {
  const sources = Object.entries(node.sources ?? {});
  const spool = node.spool ?? {};
  const silent = node.online ? sources.filter(isTroubled).length : 0; // each says why in the table below
  return (
    <section class="panel node" data-online={node.online}>
      <header class="node-head">
        <h2>{node.node}</h2>
        <span class="condition" data-condition={node.online ? "ok" : "silent"}>
          <Icon name={node.online ? "ok" : "silent"} size={14} />
          {t(node.online ? "node.online" : "node.offline")}
        </span>
      </header>
      {node.why_silent && (
        <p class="why">
          <Icon name="silent" size={14} />
          {silent > WHY_NAMED_MAX ? t("node.sourcesSilent", { n: silent, all: sources.length }) : t("node.whySilent", { why: node.why_silent })}
        </p>
      )}
      <CertificateRow node={node} reload={reload} />
      <RemoteRow node={node.node} />
      <dl class="measures">
        <Measure name={t("node.lastSeen")}>{node.last_seen ? <Age ms={Date.parse(node.last_seen)} /> : "–"}</Measure>
        <Measure name={t("node.lag")} abnormal={(node.lag_records ?? 0) > 100}>
          {node.lag_records === null ? "–" : t("node.records", { n: node.lag_records })}
        </Measure>
        <Measure name={t("node.spool")}>{bytes(spool["pending_bytes"] ?? spool["bytes"] ?? null)}</Measure>
        <Measure name={t("node.oldest")}>{spool["oldest_pending_us"] ? <Age ms={spool["oldest_pending_us"] / 1000} /> : "–"}</Measure>
        <Measure name={t("node.refused")} abnormal={(spool["refused"] ?? 0) > 0}>
          {format.value(spool["refused"] ?? null)}
        </Measure>
        <Measure name={t("node.epochs")}>{format.value(node.epochs)}</Measure>
        {typeof node.clock_ahead_s === "number" && (
          <Measure name={t("node.clock")} abnormal={Math.abs(node.clock_ahead_s) > CLOCK_OFF_S_MAX}>
            {Math.abs(node.clock_ahead_s) < 1 ? t("node.clockRight") : t(node.clock_ahead_s > 0 ? "node.clockAhead" : "node.clockBehind", { age: format.duration(Math.abs(node.clock_ahead_s)) })}
          </Measure>
        )}
        <Measure name={t("node.agent")}>{node.agent || "–"}</Measure>
      </dl>
      {sources.length > 0 && <Sources sources={sources} />}
    </section>
  );
}

function Measure({ name, abnormal = false, children }: { name: string; abnormal?: boolean; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="num" data-abnormal={abnormal || undefined}>
        {abnormal && <Icon name="high" size={12} />}
        {children}
      </dd>
    </div>
  );
}

const MANY_SOURCES = 8;
const WHY_NAMED_MAX = 2;
const errorsOf = (source: SourceHealth) => Object.values(source.errors ?? {}).reduce((sum, n) => sum + n, 0);
const isTroubled = ([, source]: [string, SourceHealth]) => source.state !== "running" || Boolean(source.why);

/** The sources of a gateway: of many, those in trouble are seen at once and the others when asked for. */
function Sources({ sources }: { sources: [string, SourceHealth][] }) {
  const troubled = sources.filter(isTroubled);
  if (sources.length <= MANY_SOURCES) return <SourceTable sources={sources} />;
  return (
    <>
      {troubled.length > 0 && <SourceTable sources={troubled.slice(0, MANY_SOURCES)} />}
      <details class="node-sources">
        <summary>{t("node.sourcesRun", { n: sources.length - troubled.length, all: sources.length })}</summary>
        <SourceTable sources={sources} />
      </details>
    </>
  );
}

function SourceTable({ sources }: { sources: readonly [string, SourceHealth][] }) {
  return (
    <div class="table-frame">
      <table class="stacked">
        <thead>
          <tr>
            <th>{t("node.source")}</th>
            <th>{t("node.state")}</th>
            <th class="numeric">{t("node.received")}</th>
            <th class="numeric">{t("node.discarded")}</th>
            <th class="numeric">{t("node.errors")}</th>
            <th>{t("node.why")}</th>
          </tr>
        </thead>
        <tbody>
          {sources.map(([name, source]) => {
            const errors = errorsOf(source);
            return (
              <tr key={name}>
                <td data-label={t("node.source")}>{name}</td>
                <td data-label={t("node.state")}>{source.state ?? "–"}</td>
                <td data-label={t("node.received")} class="numeric num">{format.value(source.received ?? null)}</td>
                <td data-label={t("node.discarded")} data-empty={!source.discarded || undefined} class="numeric num">{format.value(source.discarded ?? null)}</td>
                <td data-label={t("node.errors")} data-empty={!errors || undefined} class="numeric num">{format.value(errors)}</td>
                <td data-label={t("node.why")} data-empty={!source.why || undefined} class="muted">{source.why || "–"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function bytes(size: number | null): string {
  if (size === null) return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  let left = size;
  while (left >= 1024 && at < units.length - 1) (left /= 1024), at++;
  return `${format.number(left, at ? 1 : 0)} ${units[at]}`;
}
