import { computed } from "@preact/signals";
import type { Priority } from "../api/alarm_types";
import type { Route } from "./route";
import { alarmSpans } from "./alarm_spans";
import { flights, scans } from "./flights";
import { milestones } from "./schedule";
import { range } from "./time";

/** Something that happened, or is planned, at an instant of the time line; a flight lasts. */
export interface Mark {
  kind: "alarm" | "flight" | "scan" | "milestone";
  id: string;
  at: number;
  /** null: it still lasts */
  to: number | null;
  name: string;
  priority?: Priority;
  point?: number | null;
  view: Route | null;
}

const RANK: Record<Priority, number> = { critical: 0, high: 1, medium: 2, low: 3 };
/** What stands closer than this share of the line is one mark; those that say how many they are need room for it. */
const NEAR = 0.012;
const NEAR_COUNTED = 0.04;

const alarmMarks = computed<Mark[]>(() =>
  alarmSpans.value.map(({ alarm, point, priority, label, from }) => ({
    kind: "alarm", id: `alarm ${alarm} ${from}`, at: from, to: from, name: label, priority, point, view: { view: "alarms" },
  })),
);
const flightMarks = computed<Mark[]>(() =>
  flights.value.flatMap(({ id, start, end, file, device }) =>
    start ? [{ kind: "flight" as const, id: `flight ${id}`, at: Date.parse(start), to: end ? Date.parse(end) : null, name: file || device, view: { view: "flights" as const, id, scan: false } }] : [],
  ),
);
const scanMarks = computed<Mark[]>(() =>
  scans.value.map((one) => ({ kind: "scan", id: `scan ${one.id}`, at: Date.parse(one.at), to: Date.parse(one.at), name: one.name ?? one.id, view: { view: "flights", id: one.id, scan: true } })),
);
const milestoneMarks = computed<Mark[]>(() => milestones.value.map(({ id, name, at }) => ({ kind: "milestone", id: `task ${id}`, at, to: at, name, view: { view: "schedule", task: id } })));

/** Marks so close to each other that they are drawn as one; the worst and newest first. */
export interface MarkGroup {
  kind: Mark["kind"];
  at: number;
  to: number | null;
  marks: readonly Mark[];
}

export const markGroups = computed<readonly MarkGroup[]>(() => {
  const { from, to } = range.value;
  return [alarmMarks, flightMarks, scanMarks, milestoneMarks].flatMap((marks) => grouped(marks.value, from, to));
});

/** Groups of one kind within a range. */
export function grouped(marks: readonly Mark[], from: number, to: number): MarkGroup[] {
  const groups: { at: number; last: number; to: number | null; marks: Mark[] }[] = [];
  for (const mark of [...marks].sort((a, b) => a.at - b.at)) {
    if (mark.at > to || (mark.to ?? to) < from) continue;
    const open = groups.at(-1);
    if (open && mark.at - open.last < (to - from) * (mark.kind === "milestone" ? NEAR : NEAR_COUNTED)) {
      open.marks.push(mark);
      open.last = mark.at;
      open.to = open.to === null || mark.to === null ? null : Math.max(open.to, mark.to);
    } else groups.push({ at: mark.at, last: mark.at, to: mark.to, marks: [mark] });
  }
  return groups.map((group) => ({
    kind: group.marks[0]!.kind,
    at: group.at,
    to: group.to,
    marks: group.marks.sort((a, b) => RANK[a.priority ?? "low"] - RANK[b.priority ?? "low"] || b.at - a.at),
  }));
}
