import type { Point } from "../api/types";
import { conditionOf, RANK, type Condition } from "./condition";
import type { Reading } from "./condition";

export interface Finding {
  point: Point;
  condition: Condition | "unbound";
  t: number | null;
}

export type Group = "range" | "bad" | "stale" | "silent" | "unbound";
export const GROUPS: readonly Group[] = ["range", "bad", "stale", "silent", "unbound"];

export const groupOf = (condition: Finding["condition"]): Group =>
  condition === "high" || condition === "low" || condition === "range" || condition === "ok" ? "range" : condition;

/** What is abnormal among all points at an instant: worst first, then newest first. An unbound point is listed once per wrong thing. */
export function findings(
  points: Iterable<Point>,
  read: (point: number) => Reading | null,
  unbound: ReadonlySet<number>,
  atMs: number,
): Finding[] {
  const found: Finding[] = [];
  for (const point of points) {
    const reading = read(point.id);
    const condition = conditionOf(point, reading, atMs);
    if (condition !== "ok") found.push({ point, condition, t: reading?.t ?? null });
    if (unbound.has(point.id)) found.push({ point, condition: "unbound", t: reading?.t ?? null });
  }
  return found.sort((a, b) => rank(a) - rank(b) || (b.t ?? 0) - (a.t ?? 0) || a.point.id - b.point.id);
}

const rank = ({ condition }: Finding) => (condition === "unbound" ? 5 : RANK[condition]);
