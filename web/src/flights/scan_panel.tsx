import { useState } from "preact/hooks";
import * as api from "../api/drones";
import type { Reason, ScanRow, Verdict, VerdictRow } from "../api/drone_types";
import { Icon } from "../components/icon";
import { VERDICT_TEXT, VerdictMark } from "../components/legend_rows";
import { Link } from "../components/link";
import { Empty, Failed, Skeleton } from "../components/notice";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { placeName, places, zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { go, NO_SCENE } from "../state/route";
import { useSettled } from "../state/settled";
import { ofVerdict } from "../state/verdicts";

const ROWS = 200;
/** By verdict, or by what is off the plan. */
const FILTERS: { verdict: "" | Verdict; off: "" | "late" | "early"; text: Key }[] = [
  { verdict: "", off: "", text: "gantt.all" },
  { verdict: "", off: "late", text: "verdict.late" },
  { verdict: "", off: "early", text: "verdict.early" },
  { verdict: "built", off: "", text: "verdict.built" },
  { verdict: "not built", off: "", text: "scan.notBuilt" },
  { verdict: "unknown", off: "", text: "verdict.unknown" },
];

/** What one scan says: how well it fits, or what to measure; then element by element. */
export function ScanPanel({ id }: { id: string }) {
  const [resource, reload] = useResource(`scan ${id}`, (signal) => api.scan(id, signal));
  const { data, problem } = resource.value;
  const close = () => go({ view: "flights", id: null, scan: true });
  if (!data) return <section class="panel flight-panel">{problem ? <Failed problem={problem} retry={reload} /> : <Skeleton rows={6} />}</section>;
  return (
    <section class="panel flight-panel" aria-label={data.name || id} data-id={id}>
      <header>
        <div>
          <h2>{data.name || id}</h2>
          <p class="muted">
            {format.moment(Date.parse(data.at), zone.value)}
            {data.simulated && ` · ${t("remark.simulated")}`}
          </p>
        </div>
        <button type="button" class="icon-button" aria-label={t("action.close")} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="ways">
        <Link class="button primary" to={{ view: "model", ...NO_SCENE, shade: "verdict", scan: id }}>
          <Icon name="model" size={14} />
          {t("scan.inModel")}
        </Link>
        {data.accepted && (
          <a class="button" href={api.bcfUrl(id)} download>
            <Icon name="download" size={14} /> BCF
          </a>
        )}
        {data.flight && (
          <Link class="button" to={{ view: "flights", id: data.flight, scan: false }}>
            <Icon name="drone" size={14} />
            {t("flights.flight")}
          </Link>
        )}
      </div>
      {data.accepted === false && <Refusal reasons={data.reasons} />}
      <Fit scan={data} />
      {(data.warnings ?? []).map((text) => (
        <p key={text} class="flight-warning">
          <Icon name="high" size={12} /> {text}
        </p>
      ))}
      <Verdicts id={id} />
    </section>
  );
}

/** Why nothing was judged, and what to measure so that it can be. */
function Refusal({ reasons }: { reasons: readonly Reason[] }) {
  return (
    <div class="refusal" role="status">
      <h3>
        <Icon name="bad" size={14} /> {t("scan.refusedWhy")}
      </h3>
      <ul>
        {reasons.map((reason) => (
          <li key={reason.code}>
            <p>{reason.text}</p>
            {reason.fix && (
              <p>
                <strong>{t("scan.measure")}</strong> {reason.fix}
              </p>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Fit({ scan }: { scan: ScanRow }) {
  const share = (value: number | null) => (value === null || value === undefined ? "–" : format.percent(value));
  const rows: [Key, string][] = [
    ["scan.residual", scan.residual_m === null ? "–" : `${format.number(scan.residual_m * 1000, 1)} mm`],
    ["scan.overlap", share(scan.overlap)],
    ["scan.decided", share(scan.decided_share)],
    ["scan.points", scan.points === null ? "–" : format.number(scan.points)],
  ];
  return (
    <dl class="facts-list">
      {rows.map(([key, value]) => (
        <div key={key}>
          <dt>{t(key)}</dt>
          <dd class="num">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Verdicts({ id }: { id: string }) {
  const [filter, setFilter] = useState(FILTERS[0]!);
  const [words, setWords] = useState("");
  const [limit, setLimit] = useState(ROWS);
  const q = useSettled(words);
  const [resource, reload] = useResource(`verdicts ${id} ${filter.text} ${q} ${limit}`, (signal) => api.verdicts(id, { verdict: filter.verdict, off: filter.off, q }, limit, 0, signal));
  const { data, problem } = resource.value;
  return (
    <section class="verdicts">
      <div class="verdict-tools">
        <div class="segments" role="group" aria-label={t("scan.filter")}>
          {FILTERS.map((one) => (
            <button key={one.text} type="button" aria-pressed={filter === one} onClick={() => setFilter(one)}>
              {t(one.text)}
            </button>
          ))}
        </div>
        <input type="search" aria-label={t("scan.search")} placeholder={t("scan.search")} value={words} onInput={(event) => setWords(event.currentTarget.value)} />
      </div>
      {problem && !data && <Failed problem={problem} retry={reload} />}
      {!data && !problem && <Skeleton rows={5} />}
      {data && !data.items.length && <Empty icon="scan" title={t("scan.noRows")} />}
      {data && data.items.length > 0 && (
        <div class="table-frame">
          <table class="stacked">
            <thead>
              <tr>
                <th>{t("scan.element")}</th>
                <th>{t("scan.verdict")}</th>
                <th class="numeric">{t("scan.probability")}</th>
                <th class="numeric">{t("scan.deviation")}</th>
              </tr>
            </thead>
            <tbody>
              {data.items.map((row) => (
                <VerdictLine key={row.global_id} scan={id} row={row} />
              ))}
            </tbody>
          </table>
          {data.total > data.items.length && (
            <button type="button" class="button" onClick={() => setLimit(limit + ROWS)}>
              {t("overview.more", { n: data.total - data.items.length })}
            </button>
          )}
        </div>
      )}
    </section>
  );
}

function VerdictLine({ scan, row }: { scan: string; row: VerdictRow }) {
  const shade = ofVerdict(row);
  const storey = row.storey ? places.value.get(row.storey) : undefined;
  return (
    <tr>
      <td class="flight-name">
        <Link class="row-link" to={{ view: "model", ...NO_SCENE, shade: "verdict", scan, element: row.global_id }}>
          {row.name || row.type}
        </Link>
        <span class="muted">
          {row.type.replace(/^Ifc/, "")}
          {storey && ` · ${placeName(storey.node)}`}
        </span>
      </td>
      <td data-label={t("scan.verdict")}>
        <span class="verdict-word">
          <VerdictMark shade={shade} /> {t(VERDICT_TEXT[shade])}
        </span>
      </td>
      <td data-label={t("scan.probability")} class="numeric num">{row.p_built === null ? "–" : format.percent(row.p_built)}</td>
      <td data-label={t("scan.deviation")} class="numeric num">{typeof row.deviation_mm?.mean === "number" ? `${format.number(row.deviation_mm.mean, 0)} mm` : "–"}</td>
    </tr>
  );
}
