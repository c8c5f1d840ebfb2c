import { signal } from "@preact/signals";
import { flights as askFlights, scans as askScans } from "../api/drones";
import type { FlightRow, ScanRow } from "../api/drone_types";
import { isAbort } from "../api/http";

/** Flights and scans that the twin knows, newest first: for their list and for the time line. */
export const flights = signal<readonly FlightRow[]>([]);
export const scans = signal<readonly ScanRow[]>([]);

let loading: AbortController | undefined;

export async function loadFlights(): Promise<void> {
  loading?.abort();
  loading = new AbortController();
  try {
    const [flown, scanned] = await Promise.all([askFlights(loading.signal), askScans(loading.signal)]);
    flights.value = flown.items;
    scans.value = scanned.items;
  } catch (error) {
    if (!isAbort(error)) flights.value = [];
  }
}
