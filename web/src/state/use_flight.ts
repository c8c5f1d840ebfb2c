import { useEffect, useRef } from "preact/hooks";
import { flight as askFlight } from "../api/drones";
import type { FlightDetail } from "../api/drone_types";
import { useResource } from "./resource";

const TRACK_ROWS = 2_000;
/** A flight that goes on is asked for again so often. */
const AGAIN_MS = 5_000;

/** A flight with its track; one in the air grows while it is shown. */
export function useFlight(id: string | null): FlightDetail | null {
  const [resource, reload] = useResource(`flight ${id}`, (signal) => (id ? askFlight(id, TRACK_ROWS, signal) : Promise.resolve(null)));
  const data = id ? resource.value.data : null;
  const open = data !== null && data.end === null;
  const again = useRef(reload);
  again.current = reload;
  useEffect(() => {
    if (!open) return;
    const timer = setInterval(() => document.hidden || again.current(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [open]);
  return data;
}
