import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { at, live, nowMs, seek } from "../state/time";
import "../styles/gantt.css";
import { Bars } from "./bars";
import type { GanttRow } from "./gantt_rows";
import { Links } from "./links";
import { msAt, ticksOf, widthOf, xOf, type Scale } from "./scale";

const OVERSCAN = 6;
const HEAD_PX = 30;
const LABEL_PX = 40;

interface GanttProps {
  rows: readonly GanttRow[];
  scale: Scale;
  selected: string | null;
  choose: (row: GanttRow) => void;
  toggle: (key: string) => void;
}

/** The plan as bars over time: only the rows in sight exist, the names stay at the left, the dates on top. */
export function Gantt({ rows, scale, selected, choose, toggle }: GanttProps) {
  const host = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 600, row: 30 });
  useEffect(() => {
    const element = host.current!;
    const measure = () => setSeen((old) => ({ ...old, height: element.clientHeight, row: parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 30 }));
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => bringToSight(host.current!, rows, selected, scale), [selected, rows.length > 0, scale.px_per_day]);
  const first = Math.max(0, Math.floor(seen.top / seen.row) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / seen.row) + OVERSCAN);
  const width = widthOf(scale);
  const chosen = rows.findIndex((row) => row.key === selected);
  const move = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    const row = by ? rows[Math.min(rows.length - 1, Math.max(0, chosen + by))] : undefined;
    const here = rows[chosen];
    if (row) choose(row);
    else if (here && (event.key === "ArrowRight" || event.key === "ArrowLeft") && here.open === (event.key === "ArrowLeft")) toggle(here.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="gantt"
      ref={host}
      tabIndex={0}
      role="treegrid"
      aria-label={t("gantt.label")}
      aria-rowcount={rows.length}
      onScroll={(event) => setSeen({ ...seen, top: event.currentTarget.scrollTop })}
      onKeyDown={move}
    >
      <div class="gantt-paper" role="presentation" style={{ height: `${HEAD_PX + rows.length * seen.row}px`, "--wide": `${width}px` }}>
        <Head scale={scale} />
        <Lines scale={scale} />
        {rows.slice(first, last).map((row, i) => (
          <div
            key={row.key}
            class="gantt-row"
            role="row"
            aria-level={row.depth + 1}
            aria-expanded={row.open}
            aria-selected={row.key === selected}
            style={{ top: `${HEAD_PX + (first + i) * seen.row}px` }}
            onClick={() => choose(row)}
          >
            <Name row={row} toggle={toggle} />
            <Bars row={row} scale={scale} />
          </div>
        ))}
        <Links rows={rows} chosen={chosen} scale={scale} row_px={seen.row} head_px={HEAD_PX} />
      </div>
    </div>
  );
}

function Name({ row, toggle }: { row: GanttRow; toggle: (key: string) => void }) {
  return (
    <div class="gantt-name" role="gridcell" data-part={row.open !== undefined || undefined} style={{ paddingInlineStart: `${6 + Math.min(8, row.depth) * 12}px` }} title={row.name}>
      <span
        class="twist"
        data-open={row.open}
        onClick={(event) => {
          if (row.open === undefined) return;
          event.stopPropagation();
          toggle(row.key);
        }}
      >
        {row.open !== undefined && <Icon name="chevron" size={12} />}
      </span>
      <span class="gantt-text">{row.name}</span>
      {row.critical && row.open === undefined && <span class="critical-mark" title={t("gantt.critical")} aria-label={t("gantt.critical")} role="img" />}
    </div>
  );
}

/** The dates; a click shows that moment everywhere. */
function Head({ scale }: { scale: Scale }) {
  const ticks = useMemo(() => ticksOf(scale, zone.value), [scale, zone.value, t("age.now")]);
  return (
    <div class="gantt-head" role="presentation">
      <div class="gantt-corner">{t("gantt.task")}</div>
      <div class="gantt-dates" title={t("gantt.seek")} onClick={(event) => seek(msAt(scale, event.clientX - event.currentTarget.getBoundingClientRect().left))}>
        {ticks.filter((tick) => tick.x < widthOf(scale) - LABEL_PX).map((tick) => (
          <span key={tick.x} data-major={tick.major || undefined} style={{ insetInlineStart: `${tick.x}px` }}>
            {tick.text}
          </span>
        ))}
      </div>
    </div>
  );
}

/** The calendar's lines, now, and the instant shown. */
function Lines({ scale }: { scale: Scale }) {
  const ticks = useMemo(() => ticksOf(scale, zone.value), [scale, zone.value]);
  const now = xOf(scale, nowMs.value);
  const shown = xOf(scale, at.value);
  const inside = (x: number) => x >= 0 && x <= widthOf(scale);
  return (
    <div class="gantt-lines" aria-hidden="true">
      {ticks.map((tick) => (
        <i key={tick.x} data-major={tick.major || undefined} style={{ insetInlineStart: `${tick.x}px` }} />
      ))}
      {inside(now) && <i class="line-now" style={{ insetInlineStart: `${now}px` }} title={t("age.now")} />}
      {!live.value && inside(shown) && <i class="line-at" style={{ insetInlineStart: `${shown}px` }} title={format.day(at.value, zone.value)} />}
    </div>
  );
}

/** Scroll so that the chosen task is seen, else so that now is. */
function bringToSight(host: HTMLElement, rows: readonly GanttRow[], selected: string | null, scale: Scale): void {
  const row = rows.findIndex((one) => one.key === selected);
  const size = parseFloat(getComputedStyle(host).getPropertyValue("--row")) || 30;
  const names = host.querySelector<HTMLElement>(".gantt-corner")?.offsetWidth ?? 0;
  const wide = host.clientWidth - names;
  const start = row >= 0 ? (rows[row]!.dates.planned[0] ?? rows[row]!.dates.real[0]) : at.peek();
  const x = start === null ? 0 : xOf(scale, start);
  if (x < host.scrollLeft || x > host.scrollLeft + wide) host.scrollLeft = Math.max(0, x - wide / 3);
  if (row < 0) return;
  const top = row * size;
  if (top < host.scrollTop) host.scrollTop = top;
  else if (top + size > host.scrollTop + host.clientHeight - HEAD_PX) host.scrollTop = top + size - host.clientHeight + HEAD_PX;
}
