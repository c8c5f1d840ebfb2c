import { effect, signal, untracked, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isAbort } from "../api/http";
import { history } from "../api/queries";
import type { Series } from "../api/types";
import { gapOf } from "../charts/align";
import { usable } from "./condition";
import { fixedRange, live, nowMs, range, spanMs } from "./time";
import { listen } from "./values";

/** The short traces of the tiles: one history request a view, then the live readings, in bounded rings. */
export interface Spark {
  t: number[];
  v: (number | null)[];
  from: number;
  to: number;
  gapMs: number;
}

const BUCKETS = 120;
const SAMPLES_MAX = 400;
const POINTS_PER_CALL = 60;
const EMPTY: Spark = { t: [], v: [], from: 0, to: 1, gapMs: Infinity };
const traces = new Map<number, Signal<Spark>>();
const TRACES_MAX = 500;

export function spark(point: number): Signal<Spark> {
  let found = traces.get(point);
  if (!found) {
    if (traces.size >= TRACES_MAX) traces.delete(traces.keys().next().value!);
    found = signal(EMPTY);
    traces.set(point, found);
  }
  return found;
}

/** Load and follow the traces of these points while the view is open. */
export function useSparks(points: readonly number[]): void {
  const key = points.join();
  useEffect(() => {
    if (!points.length) return;
    let abort: AbortController | undefined;
    const stopRange = effect(() => {
      fixedRange.value;
      if (live.value) spanMs.value;
      abort?.abort();
      abort = new AbortController();
      const stop = abort.signal;
      untracked(() => void load(points, stop));
    });
    const shown = new Set(points);
    const stopLive = listen((point, reading) => {
      if (live.peek() && shown.has(point) && reading.t !== null) append(point, reading.t, reading.v, reading.q);
    });
    return () => {
      stopRange();
      stopLive();
      abort?.abort();
    };
  }, [key]);
}

async function load(points: readonly number[], stop: AbortSignal): Promise<void> {
  const { from, to } = range.peek();
  try {
    for (let i = 0; i < points.length; i += POINTS_PER_CALL) {
      const { series } = await history(points.slice(i, i + POINTS_PER_CALL), from, to, BUCKETS, stop);
      for (const one of series) if (one.kind === "value") spark(one.point).value = traceOf(one, from, to);
    }
  } catch (error) {
    if (!isAbort(error)) for (const point of points) spark(point).value = EMPTY;
  }
}

function traceOf(series: Series, from: number, to: number): Spark {
  const v = series.v.map((value, i) => (typeof value === "number" && usable(series.quality[i] ?? 0) ? value : null));
  return { t: series.t, v, from, to, gapMs: gapOf(series.t, (to - from) / BUCKETS) };
}

function append(point: number, t: number, value: unknown, quality: number): void {
  const target = spark(point);
  const old = target.peek();
  const lastT = old.t.at(-1);
  if (lastT !== undefined && t <= lastT) return;
  const to = Math.max(t, nowMs.peek());
  const from = to - spanMs.peek();
  let first = 0;
  while (first < old.t.length && (old.t[first]! < from || old.t.length - first >= SAMPLES_MAX)) first++;
  const v = typeof value === "number" && usable(quality) ? value : null;
  target.value = { t: [...old.t.slice(first), t], v: [...old.v.slice(first), v], from, to, gapMs: old.gapMs };
}
