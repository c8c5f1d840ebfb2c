import { useSignal, type Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { Age } from "../components/age";
import { ConditionMark, CONDITION_TEXT } from "../components/condition_mark";
import { Icon, type IconName } from "../components/icon";
import { Link } from "../components/link";
import { Failed, Skeleton } from "../components/notice";
import { ParkStrip } from "../components/park_strip";
import { StoreyBoard } from "../components/storey_board";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { loadCatalogue, loadProblem, placeName, placeOf, deviceName, pointName, points, site, unbound, zone } from "../state/catalogue";
import { findings, GROUPS, groupOf, linesOf, type Finding, type FindingLine, type Group } from "../state/findings";
import { useInterest } from "../state/interest";
import { go, type Route } from "../state/route";
import { sinceOf, useSince } from "../state/since";
import { at, future, live, nowMs } from "../state/time";
import { cell, frames } from "../state/values";

const ROWS_FIRST = 100;
const GROUP_TEXT: Record<Group, Key> = {
  range: "condition.range",
  bad: CONDITION_TEXT.bad,
  stale: CONDITION_TEXT.stale,
  silent: CONDITION_TEXT.silent,
  unbound: CONDITION_TEXT.unbound,
};

/** The start page: what needs attention, worst first; nothing abnormal is said plainly too. */
export function OverviewView() {
  useInterest("all");
  const only = useSignal<Group | null>(null);
  const rows = useSignal(ROWS_FIRST);
  // every frame at 1 Hz, and each second because values age
  frames.value;
  const instant = live.value ? nowMs.value : at.value;
  const known = points.value;
  const all = useMemo(
    () => findings(known.values(), (id) => cell(id).peek(), unbound.value, instant),
    [known, unbound.value, instant, frames.value],
  );
  useSince(all.flatMap((one) => (one.condition === "unbound" ? [] : one.point.id)));
  if (loadProblem.value && !site.value) return <Failed problem={loadProblem.value} retry={() => void loadCatalogue()} />;
  if (!site.value) return <Skeleton rows={8} />;
  return (
    <article class="faceplate">
      <header class="view-head">
        <div class="view-title">
          <h1>{t("view.overview")}</h1>
        </div>
        <SiteFacts />
      </header>
      {future.value ? <Ahead /> : <Now all={all} only={only} rows={rows} />}
      {!future.value && <StoreyBoard findings={all} />}
    </article>
  );
}

/** What lies ahead has no readings, so nothing of it is abnormal. */
function Ahead() {
  return (
    <p class="calm" role="status">
      <Icon name="forward" />
      <strong>{t("overview.ahead")}</strong>
      <Link class="button" to={{ view: "schedule", task: null }}>
        {t("view.schedule")}
      </Link>
    </p>
  );
}

function Now({ all, only, rows }: { all: readonly Finding[]; only: Signal<Group | null>; rows: Signal<number> }) {
  const shown = useMemo(() => linesOf(only.value ? all.filter((one) => groupOf(one.condition) === only.value) : all), [all, only.value]);
  return (
    <>
      <ParkStrip />
      {all.length > 0 && <Counters all={all} only={only.value} choose={(group) => (only.value = only.value === group ? null : group)} />}
      {!frames.value && live.value ? (
        <Skeleton rows={6} />
      ) : shown.length ? (
        <FindingsTable rows={shown.slice(0, rows.value)} />
      ) : (
        <p class="calm" role="status">
          <Icon name="ok" />
          <strong>{t("overview.normal")}</strong>
          <span class="muted">{t("overview.normalDetail", { n: points.value.size })}</span>
        </p>
      )}
      {shown.length > rows.value && (
        <button type="button" class="button" onClick={() => (rows.value += 400)}>
          {t("overview.more", { n: shown.length - rows.value })}
        </button>
      )}
    </>
  );
}

function SiteFacts() {
  const { counts, model } = site.value!;
  const facts: [Key, number][] = [
    ["count.storeys", counts.storeys],
    ["count.spaces", counts.spaces],
    ["count.elements", counts.elements],
    ["count.devices", counts.devices],
    ["count.points", counts.points],
    ["count.nodes", counts.nodes],
  ];
  return (
    <p class="muted facts">
      {facts.map(([key, n]) => (
        <span key={key}>{t(key, { n })}</span>
      ))}
      <span>{model ? `${model.file} (${model.schema})` : t("overview.noModel")}</span>
    </p>
  );
}

function Counters({ all, only, choose }: { all: readonly Finding[]; only: Group | null; choose: (group: Group) => void }) {
  const counts = new Map<Group, number>(GROUPS.map((group) => [group, 0]));
  for (const one of all) counts.set(groupOf(one.condition), counts.get(groupOf(one.condition))! + 1);
  return (
    <div class="counters" role="group" aria-label={t("overview.filter")}>
      {GROUPS.map((group) => {
        const n = counts.get(group)!;
        return (
          <button key={group} type="button" class="counter" data-condition={n ? group : "ok"} aria-pressed={only === group} onClick={() => choose(group)}>
            <span class="counter-number num">{format.number(n)}</span>
            <span class="counter-name">
              <Icon name={group as IconName} size={14} />
              {t(GROUP_TEXT[group])}
            </span>
          </button>
        );
      })}
    </div>
  );
}

function FindingsTable({ rows }: { rows: readonly FindingLine[] }) {
  const body = useRef<HTMLTableSectionElement>(null);
  const move = (event: KeyboardEvent) => {
    const by = event.key === "j" || event.key === "ArrowDown" ? 1 : event.key === "k" || event.key === "ArrowUp" ? -1 : 0;
    if (!by) return;
    const links = [...body.current!.querySelectorAll<HTMLElement>("a.row-link")];
    const next = links[links.indexOf(document.activeElement as HTMLElement) + by];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    next.focus();
  };
  return (
    <div class="table-frame panel flush">
      <table class="stacked findings">
        <caption class="visually-hidden">{t("overview.needsAttention")}</caption>
        <thead>
          <tr>
            <th>{t("column.condition")}</th>
            <th>{t("column.point")}</th>
            <th>{t("column.place")}</th>
            <th class="numeric">{t("column.value")}</th>
            <th class="numeric">{t("column.limits")}</th>
            <th class="numeric">{t("column.since")}</th>
            <th class="numeric">{t("column.age")}</th>
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={move}>
          {rows.map((row) => (
            <FindingRow key={row.points > 1 ? `${row.point.node}/${row.point.device} ${row.condition}` : `${row.point.id} ${row.condition}`} row={row} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FindingRow({ row }: { row: FindingLine }) {
  const { point, condition, points: count } = row;
  const to: Route = count > 1 ? { view: "device", node: point.node, device: point.device } : { view: "point", id: point.id };
  const place = placeOf(point);
  const reading = cell(point.id).value;
  const since = sinceOf(point.id);
  return (
    <tr onClick={(event) => (event.target as Element).closest("a") || go(to)}>
      <td data-label={t("column.condition")}>
        <ConditionMark condition={condition} />
      </td>
      <td data-label={t("column.point")}>
        <Link class="row-link" to={to}>
          {count > 1 ? deviceName(point) : pointName(point)}
        </Link>{" "}
        <span class="muted">{count > 1 ? t("count.points", { n: count }) : deviceName(point)}</span>
      </td>
      <td data-label={t("column.place")}>{place ? <Link to={{ view: "place", id: place.node.id }}>{placeName(place.node)}</Link> : <span class="muted">–</span>}</td>
      <td data-label={t("column.value")} class="numeric num">
        {count > 1 ? "–" : format.value(reading?.v ?? null)} <span class="muted">{count > 1 ? "" : unitText(point.unit)}</span>
      </td>
      <td data-label={t("column.limits")} class="numeric num muted">
        {count > 1 ? "–" : limits(point.low, point.high)}
      </td>
      <td data-label={t("column.since")} class="numeric num">
        {since === null || condition === "unbound" ? <span class="muted">–</span> : <time dateTime={new Date(since).toISOString()}>{format.sinceMoment(since, nowMs.peek(), zone.value)}</time>}
      </td>
      <td data-label={t("column.age")} class="numeric">
        {row.t === null ? "–" : live.value ? <Age ms={row.t} /> : <span class="num">{format.shortMoment(row.t, zone.value)}</span>}
      </td>
    </tr>
  );
}

function limits(low: number | null, high: number | null): string {
  if (low === null && high === null) return "–";
  if (low === null) return `≤ ${format.value(high)}`;
  if (high === null) return `≥ ${format.value(low)}`;
  return `${format.value(low)} … ${format.value(high)}`;
}
