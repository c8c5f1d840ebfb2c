import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { at } from "../state/time";
import type { GanttRow } from "./gantt_rows";
import { xOf, type Scale } from "./scale";

const WIDE_PX_MIN = 3;

type Span = readonly [number | null, number | null];

/** What was agreed above, what happened and what is expected below it; late is what lies beyond the agreed end. */
export function Bars({ row, scale }: { row: GanttRow; scale: Scale }) {
  const { planned, real } = row.dates;
  if (row.task?.is_milestone) return <Milestone row={row} scale={scale} />;
  const part = row.open !== undefined;
  return (
    <div class="gantt-bars" role="gridcell" data-part={part || undefined}>
      <Bar kind="planned" span={planned} scale={scale} text={t("plan.planned")} />
      <Real row={row} real={real} due={planned[1]} scale={scale} />
    </div>
  );
}

/** Reported up to the instant shown is solid, the rest hatched. */
function Real({ row, real: [start, finish], due, scale }: { row: GanttRow; real: Span; due: number | null; scale: Scale }) {
  if (start === null || finish === null) return null;
  const shown = at.value;
  const late = due !== null && finish > due + 3_600_000 && shown > due;
  const state = finish <= shown ? "finished" : late ? "late" : start <= shown ? "progress" : "ahead";
  const done = Math.min(finish, Math.max(start, shown));
  return (
    <>
      {done > start && <Bar kind="done" state={state} span={[start, done]} scale={scale} text={t("plan.actual")} />}
      {finish > done && <Bar kind="rest" state={state} span={[done, finish]} scale={scale} text={`${t("plan.forecast")}${row.task?.percent ? ` · ${format.percent(row.task.percent / 100)}` : ""}`} />}
    </>
  );
}

function Bar({ kind, state, span: [start, finish], scale, text }: { kind: string; state?: string; span: Span; scale: Scale; text: string }) {
  if (start === null || finish === null) return null;
  const left = xOf(scale, start);
  const width = Math.max(WIDE_PX_MIN, xOf(scale, finish) - left);
  return (
    <span
      class="bar"
      data-kind={kind}
      data-state={state}
      style={{ insetInlineStart: `${left}px`, width: `${width}px` }}
      title={`${text}: ${format.day(start, zone.value)} – ${format.day(finish, zone.value)}`}
    />
  );
}

function Milestone({ row, scale }: { row: GanttRow; scale: Scale }) {
  const agreed = row.dates.planned[1] ?? row.dates.planned[0];
  const real = row.dates.real[1] ?? agreed;
  if (real === null) return <div class="gantt-bars" role="gridcell" />;
  const late = agreed !== null && real > agreed + 86_400_000;
  const state = real <= at.value ? "finished" : late ? "late" : "ahead";
  return (
    <div class="gantt-bars" role="gridcell">
      {agreed !== null && late && <span class="diamond" data-kind="planned" style={{ insetInlineStart: `${xOf(scale, agreed)}px` }} title={`${t("plan.planned")}: ${format.day(agreed, zone.value)}`} />}
      <span class="diamond" data-state={state} style={{ insetInlineStart: `${xOf(scale, real)}px` }} title={`${row.name}: ${format.day(real, zone.value)}`} />
    </div>
  );
}
