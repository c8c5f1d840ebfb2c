import type { Series } from "../api/types";
import { QUALITY, usable } from "../state/condition";

/** One drawn line: times in seconds (what uPlot wants), null where there is a gap or no usable number. */
export interface Line {
  x: number[];
  y: (number | null)[];
  /** times (s) of readings that were left out because of their quality */
  bad: number[];
}

/** A hole this many times longer than the usual distance of readings is a gap. */
const GAP_FACTOR = 4;

/**
 * The longest distance (ms) that still counts as connected: a few times the usual distance of the readings
 * themselves, or of the buckets they were thinned to.
 */
export function gapOf(t: readonly number[], bucketMs: number): number {
  if (t.length < 3) return Infinity;
  const steps: number[] = [];
  for (let i = 1; i < t.length; i++) steps.push(t[i]! - t[i - 1]!);
  steps.sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length * 0.75)]!;
  return Math.max(usual, bucketMs) * GAP_FACTOR;
}

/** A series as a line with its gaps open; nothing is interpolated and no extreme is left out. */
export function lineOf(series: Series, bucketMs: number, period_s: number | null): Line {
  const { t, v, quality } = series;
  const recorded = (i: number) => ((quality[i] ?? 0) & QUALITY.historical) !== 0;
  const limitOf = (own: boolean) => Math.max(gapOf(t.filter((_, i) => recorded(i) === own), bucketMs), (period_s ?? 0) * 1000 * GAP_FACTOR);
  const [liveLimit, recordedLimit] = [limitOf(false), limitOf(true)]; // a recording has a rhythm of its own
  const line: Line = { x: [], y: [], bad: [] };
  for (let i = 0; i < t.length; i++) {
    const ms = t[i]!;
    if (i && ms - t[i - 1]! > (recorded(i - 1) ? recordedLimit : liveLimit)) {
      line.x.push((t[i - 1]! + 1) / 1000);
      line.y.push(null);
    }
    const value = v[i];
    const good = typeof value === "number" && usable(quality[i] ?? 0);
    if (!good) line.bad.push(ms / 1000);
    line.x.push(ms / 1000);
    line.y.push(good ? value : null);
  }
  return line;
}

export interface Span {
  from: number;
  to: number;
  text: string;
  good: boolean;
}

/** Text readings as spans (s): each holds until the next one; equal neighbours become one. */
export function spansOf(series: Series, endMs: number): Span[] {
  const spans: Span[] = [];
  const { t, v, quality } = series;
  for (let i = 0; i < t.length; i++) {
    const text = v[i] == null ? "" : String(v[i]);
    const good = usable(quality[i] ?? 0) && v[i] != null;
    const from = t[i]! / 1000;
    const to = (i + 1 < t.length ? t[i + 1]! : Math.max(endMs, t[i]!)) / 1000;
    const last = spans.at(-1);
    if (last && last.text === text && last.good === good) last.to = to;
    else spans.push({ from, to, text, good });
  }
  return spans;
}

/** Points whose values share an axis: same unit, in the order in which they were added. */
export function byUnit<T extends { unit: string }>(points: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const point of points) {
    const group = groups.get(point.unit);
    if (group) group.push(point);
    else groups.set(point.unit, [point]);
  }
  return [...groups.values()];
}

/** The last drawn value at or before a time; null inside a gap. */
export function valueAt(line: Line | undefined, seconds: number): number | null {
  if (!line?.x.length) return null;
  let [low, high] = [0, line.x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (line.x[middle]! <= seconds) low = middle + 1;
    else high = middle;
  }
  return low ? (line.y[low - 1] ?? null) : null;
}
