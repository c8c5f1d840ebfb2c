import type { Point, Value } from "../api/types";

/** One reading as a cell holds it; `stale` is what the twin itself said, `asOf` marks one that history mode put there. */
export interface Reading {
  t: number | null;
  v: Value;
  q: number;
  stale: boolean;
  asOf?: true;
}

export const QUALITY = {
  notANumber: 1,
  outOfRange: 2,
  timeSuspect: 4,
  bad: 8,
  stale: 16,
  simulated: 32,
  historical: 64,
  substituted: 128,
} as const;

/** What is wrong with a point, worst first. Everything else is normal and stays grey. */
export type Condition = "high" | "low" | "range" | "bad" | "stale" | "silent" | "ok";
export const RANK: Record<Condition, number> = { high: 0, low: 0, range: 0, bad: 1, stale: 2, silent: 3, ok: 9 };

/** The twin's rule, applied between its frames: so many periods without news, and a grace, make a value stale. */
const PERIODS_MISSED = 3;
const GRACE_S = 2;

type Judged = Pick<Point, "low" | "high" | "period_s"> & Partial<Pick<Point, "kind" | "writable" | "point_class">>;

/** A computed value means nothing while its condition does not hold; what is wrong with its inputs shows at them. */
const isComputed = (point: Judged) => point.point_class === "derived";

/** Poses come by a way of their own, and a command says nothing until somebody gives it: neither is missed. */
const speaks = (point: Judged) => point.kind !== "pose" && !isComputed(point) && !(point.kind === "state" && point.writable && point.period_s === null);

/** The condition of a point's reading at an instant; pure, so that it can be asked for any instant. */
export function conditionOf(point: Judged, reading: Reading | null, atMs: number): Condition {
  if (!reading || reading.t === null) return speaks(point) ? "silent" : "ok";
  const { v, q } = reading;
  if (q & (QUALITY.bad | QUALITY.notANumber)) return isComputed(point) ? "ok" : "bad";
  if (typeof v === "number") {
    if (point.high !== null && v > point.high) return "high";
    if (point.low !== null && v < point.low) return "low";
  }
  if (q & QUALITY.outOfRange) return "range";
  return isStale(point.period_s, reading, atMs) ? "stale" : "ok";
}

export function isStale(period_s: number | null, reading: Reading, atMs: number): boolean {
  if (reading.stale || reading.q & QUALITY.stale) return true;
  if (period_s === null || reading.t === null || reading.q & QUALITY.historical) return false;
  return (atMs - reading.t) / 1000 > period_s * PERIODS_MISSED + GRACE_S;
}

/** Neutral remarks about a reading: worth knowing, nothing to act on. */
export function remarks(q: number): ("timeSuspect" | "simulated" | "historical" | "substituted")[] {
  return (["timeSuspect", "simulated", "historical", "substituted"] as const).filter((flag) => q & QUALITY[flag]);
}

/** May this row be drawn and averaged as a number? */
export const usable = (q: number) => !(q & (QUALITY.bad | QUALITY.notANumber));
