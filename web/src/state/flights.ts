import { signal, type Signal } from "@preact/signals";
import { flights as askFlights, scans as askScans } from "../api/drones";
import type { FlightRow, ScanRow } from "../api/drone_types";
import { isAbort } from "../api/http";

/** Flights and scans that the twin knows, newest first: for their list and for the time line. */
export const flights = signal<readonly FlightRow[]>([]);
export const scans = signal<readonly ScanRow[]>([]);
/** Counts the times that both were loaded: what was judged may have changed. */
export const loadedScans = signal(0);

let loading: AbortController | undefined;

/** Ask for both lists; one that cannot be had leaves the other. */
export async function loadFlights(): Promise<void> {
  loading?.abort();
  loading = new AbortController();
  const { signal: stop } = loading;
  const take = <T>(asked: Promise<{ items: readonly T[] }>, into: Signal<readonly T[]>) =>
    asked.then(
      ({ items }) => (into.value = items),
      (error: unknown) => isAbort(error) || (into.value = []),
    );
  await Promise.all([take(askFlights(stop), flights), take(askScans(stop), scans)]);
  if (!stop.aborted) loadedScans.value++;
}
