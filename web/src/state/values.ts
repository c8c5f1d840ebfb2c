import { batch, signal, type Signal } from "@preact/signals";
import type { StateRow, ValuesFrame } from "../api/types";
import type { Reading } from "./condition";

/** One signal a point: a frame touches only the cells whose points it carries. */
const cells = new Map<number, Signal<Reading | null>>();
type Listener = (point: number, reading: Reading) => void;
const listeners = new Set<Listener>();

export function cell(point: number): Signal<Reading | null> {
  let found = cells.get(point);
  if (!found) {
    found = signal<Reading | null>(null);
    cells.set(point, found);
  }
  return found;
}

/** Counts the frames that were taken in, for whoever must look at many cells at once. */
export const frames = signal(0);
/** Rows that the twin had to leave out for this page since it was opened. */
export const droppedRows = signal(0);

/** A live frame. An older reading is never written over a newer one, but any live one over what history showed. */
export function takeFrame(frame: ValuesFrame): void {
  batch(() => {
    for (let i = 0; i < frame.p.length; i++) {
      const target = cell(frame.p[i]!);
      const t = frame.t[i] ?? null;
      const old = target.peek();
      if (old && !old.asOf && old.t !== null && t !== null && t < old.t) continue;
      const reading: Reading = { t, v: frame.v[i] ?? null, q: frame.q[i] ?? 0, stale: false };
      if (old && old.t === t && old.v === reading.v && old.q === reading.q && !old.asOf) continue;
      target.value = reading;
      if (t !== null) for (const listener of listeners) listener(frame.p[i]!, reading);
    }
    if (frame.dropped) droppedRows.value += frame.dropped;
    frames.value++;
  });
}

/** An as-of answer: what every asked cell showed at that instant; a point without a row had no value yet. */
export function takeState(rows: readonly StateRow[], asked: readonly number[] | "all"): void {
  batch(() => {
    const missing = new Set(asked === "all" ? cells.keys() : asked);
    for (const row of rows) {
      missing.delete(row.point);
      cell(row.point).value = { t: row.ts === null ? null : Date.parse(row.ts), v: row.value, q: row.quality, stale: row.stale, asOf: true };
    }
    for (const point of missing) cell(point).value = null;
    frames.value++;
  });
}

/** Hear every live reading of the page's subscription until the returned function is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
