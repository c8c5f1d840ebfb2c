import type { GanttRow } from "./gantt_rows";
import { xOf, type Scale } from "./scale";

interface LinksProps {
  rows: readonly GanttRow[];
  chosen: number;
  scale: Scale;
  row_px: number;
  head_px: number;
}

/** Arrows from what the chosen task waits for, and to what waits for it. */
export function Links({ rows, chosen, scale, row_px, head_px }: LinksProps) {
  const task = rows[chosen]?.task;
  if (!task) return null;
  const place = new Map(rows.map((row, i) => [row.key, i]));
  const before = task.predecessors.flatMap((id) => place.get(id) ?? []);
  const after = rows.flatMap((row, i) => (row.task?.predecessors.includes(task.id) ? [i] : []));
  const y = (i: number) => head_px + (i + 0.5) * row_px;
  const ends = (i: number) => {
    const { planned, real } = rows[i]!.dates;
    return { start: xOf(scale, planned[0] ?? real[0] ?? scale.from), finish: xOf(scale, planned[1] ?? real[1] ?? scale.from) };
  };
  const arrow = (from: number, to: number) => {
    const [x0, x1] = [ends(from).finish, ends(to).start];
    const out = Math.max(x0 + 8, Math.min(x1 - 6, x0 + 8));
    const bend = x1 > x0 + 14 ? `H${out}V${y(to)}H${x1}` : `H${x0 + 8}V${(y(from) + y(to)) / 2}H${x1 - 8}V${y(to)}H${x1}`;
    return `M${x0} ${y(from)}${bend}`;
  };
  const paths = [...before.map((i) => arrow(i, chosen)), ...after.map((i) => arrow(chosen, i))];
  return (
    <svg class="gantt-links" aria-hidden="true">
      <defs>
        <marker id="gantt-arrow" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto">
          <path d="M0 0 6 3 0 6Z" />
        </marker>
      </defs>
      {paths.map((d) => (
        <path key={d} d={d} marker-end="url(#gantt-arrow)" />
      ))}
    </svg>
  );
}
