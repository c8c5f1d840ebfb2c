import { effect, signal, untracked, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { isAbort, TwinError } from "../api/http";
import { history } from "../api/queries";
import type { Problem, Series, Value } from "../api/types";
import { fixedRange, live, range, spanMs } from "./time";
import { listen } from "./values";

/** The charts' data: history for the range, then live readings appended, thinned again by the twin before it grows. */
export interface Trends {
  series: ReadonlyMap<number, Series>;
  problem: Problem | null;
  loading: boolean;
}

const APPENDED_MAX = 4_000;
const REFRESH_MS_MIN = 60_000;
const DEBOUNCE_MS = 120;

/** Where the pointer is on any chart, in epoch seconds; all charts and legends follow it. */
export const cursorTime = signal<number | null>(null);

/** The points over the range; with `shiftMs` what they did so much earlier, drawn at the times of now. */
export function useTrends(points: readonly number[], width: number, shiftMs = 0): Signal<Trends> {
  const trends = useMemo(() => signal<Trends>({ series: new Map(), problem: null, loading: true }), []);
  const key = points.join();
  useEffect(() => follow(trends, points, width, shiftMs), [key, width, shiftMs]);
  return trends;
}

function follow(trends: Signal<Trends>, points: readonly number[], width: number, shiftMs: number): () => void {
  let abort: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let appended = 0;

  const load = async () => {
    abort?.abort();
    if (!points.length) {
      trends.value = { series: new Map(), problem: null, loading: false };
      return;
    }
    abort = new AbortController();
    appended = 0;
    trends.value = { ...trends.peek(), loading: true };
    const { from, to } = range.peek();
    // the past ahead of the instant is known: it is there before the live line reaches it
    const ahead = shiftMs && live.peek() ? again() : 0;
    try {
      const answer = await history(points, from - shiftMs, to - shiftMs + ahead, width, abort.signal);
      carryIn(answer.series, from - shiftMs);
      if (shiftMs) for (const one of answer.series) one.t = one.t.map((ms) => ms + shiftMs);
      trends.value = { series: new Map(answer.series.map((one) => [one.point, one])), problem: null, loading: false };
    } catch (error) {
      if (isAbort(error)) return;
      const problem = error instanceof TwinError ? error.problem : { title: String(error), status: 0 };
      trends.value = { ...trends.peek(), problem, loading: false };
    }
    if (live.peek()) later(again());
  };
  const again = () => Math.max(REFRESH_MS_MIN, spanMs.peek() / 20);
  const later = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => void load(), ms);
  };

  const stopRange = effect(() => {
    fixedRange.value;
    if (live.value) spanMs.value;
    untracked(() => later(DEBOUNCE_MS));
  });
  const shown = new Set(points);
  const stopLive = listen((point, reading) => {
    if (shiftMs || !live.peek() || !shown.has(point) || reading.t === null) return;
    const series = trends.peek().series.get(point);
    if (series && append(series, reading.t, reading.v, reading.q) && ++appended === APPENDED_MAX) later(0);
  });
  return () => {
    abort?.abort();
    clearTimeout(timer);
    stopRange();
    stopLive();
  };
}

/** A state holds until the next one: what held when the range began is put at its left end. */
function carryIn(series: readonly Series[], from: number): void {
  for (const { kind, carried, t, v, quality } of series) {
    if (kind !== "state" || !carried) continue;
    t.unshift(from);
    v.unshift(carried.v);
    quality.unshift(carried.quality);
  }
}

/** In place: a chart redraws at its own pace, so that one frame does not copy every line. */
function append(series: Series, t: number, v: Value, q: number): boolean {
  const last = series.t.at(-1);
  if (last !== undefined && t <= last) return false;
  series.t.push(t);
  series.v.push(v);
  series.quality.push(q);
  return true;
}
