import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { state } from "../api/queries";
import { live } from "./time";

/** When the present condition of a point began, as the twin remembers it; asked for the points that are abnormal. */
const known = signal<ReadonlyMap<number, number>>(new Map());
const SETTLE_MS = 400;
const POINTS_MAX = 200;

export const sinceOf = (point: number): number | null => known.value.get(point) ?? null;

export function useSince(points: readonly number[]): void {
  const isLive = live.value;
  const key = isLive ? points.slice(0, POINTS_MAX).join() : "";
  useEffect(() => {
    if (!key) {
      known.value = new Map();
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      state(null, key.split(",").map(Number), abort.signal).then(
        ({ rows }) => (known.value = new Map(rows.flatMap((row) => (row.since ? [[row.point, Date.parse(row.since)]] : [])))),
        () => undefined, // the column stays empty; the conditions themselves are shown from the live values
      );
    }, SETTLE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
}
