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

/** A line of the list: one point, or a device all of whose `points` say nothing new. */
export interface FindingLine extends Finding {
  points: number;
}

const SEVERAL = 3;
const OF_A_LINK: ReadonlySet<Finding["condition"]> = new Set(["stale", "silent"]);

/** One dead cable is one line: what is stale or silent for the same device stands together, where its first point would. */
export function linesOf(found: readonly Finding[]): FindingLine[] {
  const keyOf = ({ point, condition }: Finding) => (OF_A_LINK.has(condition) ? `${condition} ${point.node}/${point.device}` : null);
  const counts = new Map<string, number>();
  for (const one of found) {
    const key = keyOf(one);
    if (key) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const told = new Set<string>();
  return found.flatMap((one) => {
    const key = keyOf(one);
    const points = key ? counts.get(key)! : 1;
    if (!key || points < SEVERAL) return [{ ...one, points: 1 }];
    if (told.has(key)) return [];
    told.add(key);
    return [{ ...one, points }];
  });
}
