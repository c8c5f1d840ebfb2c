import { useEffect } from "preact/hooks";
import type { TileSet } from "../api/model_types";
import { poses, watchPoses } from "../state/poses";
import { scene } from "../state/route";
import { useFlight } from "../state/use_flight";
import type { Sheet } from "./sheet";
import { TrackOverlay } from "./track_overlay";

/** Drones over the map of the site, and the way of the chosen flight. */
export function MapFlights({ sheet, set }: { sheet: Sheet; set: TileSet }) {
  const chosen = useFlight(scene.value.flight);
  useEffect(watchPoses, []);
  return <TrackOverlay sheet={sheet} track={chosen?.track ?? null} origin={set.origin_m} photos={chosen?.photos ?? []} poses={poses.value} />;
}
