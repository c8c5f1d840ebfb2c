import { useEffect } from "preact/hooks";
import { flight as askFlight } from "../api/drones";
import type { TileSet } from "../api/model_types";
import { poses, watchPoses } from "../state/poses";
import { useResource } from "../state/resource";
import { scene } from "../state/route";
import type { Sheet } from "./sheet";
import { TrackOverlay } from "./track_overlay";

const TRACK_ROWS = 2_000;

/** Drones over the map of the site, and the way of the chosen flight. */
export function MapFlights({ sheet, set }: { sheet: Sheet; set: TileSet }) {
  const { flight } = scene.value;
  const [resource] = useResource(`flight ${flight}`, (signal) => (flight ? askFlight(flight, TRACK_ROWS, signal) : Promise.resolve(null)));
  const chosen = flight ? resource.value.data : null;
  useEffect(watchPoses, []);
  return <TrackOverlay sheet={sheet} track={chosen?.track ?? null} origin={set.origin_m} photos={chosen?.photos ?? []} poses={poses.value} />;
}
