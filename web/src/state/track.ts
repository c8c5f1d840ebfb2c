import type { Pose, Track } from "../api/drone_types";

/** One known place of a track: metres of the model, epoch ms (NaN where the log has no time). */
export interface Placed {
  at: number;
  x: number;
  y: number;
  z: number;
  row: number;
}

/** The rows of a track that have a place in the model, in order of time. */
export function placesOf(track: Track): Placed[] {
  const { ts_ms, x, y, z } = track;
  return x.flatMap((px, row) => {
    const [py, pz, at] = [y[row], z[row], ts_ms[row]];
    return typeof px === "number" && typeof py === "number" ? [{ at: at ?? NaN, x: px, y: py, z: pz ?? 0, row }] : [];
  });
}

/**
 * Where the vehicle was at an instant, between two rows of its track; null before it began and after it ended. A log
 * without headings is taken to fly nose first; true north lies `north_deg` clockwise of the model's y axis.
 */
export function poseAt(track: Track, device: string, flight: string, ms: number, north_deg = 0): Pose | null {
  const places = placesOf(track);
  const next = places.findIndex((one) => one.at >= ms);
  const [a, b] = [places[next - 1] ?? places[next], places[next]];
  if (next < 0 || !a || !b || ms < places[0]!.at) return null;
  const share = b.at > a.at ? (ms - a.at) / (b.at - a.at) : 0;
  const ahead = Math.hypot(b.x - a.x, b.y - a.y) > 0 ? (Math.atan2(b.x - a.x, b.y - a.y) * 180) / Math.PI - north_deg : null;
  const between = (from: number, to: number) => from + (to - from) * share;
  const column = (values: readonly (number | null)[]) => values[a.row] ?? null;
  return {
    device, flight, ts: new Date(ms).toISOString(), x: between(a.x, b.x), y: between(a.y, b.y), z: between(a.z, b.z),
    lat_deg: column(track.lat_deg), lon_deg: column(track.lon_deg), alt_m: column(track.alt_m), datum: "",
    yaw_deg: column(track.yaw_deg) ?? ahead, pitch_deg: column(track.pitch_deg), roll_deg: column(track.roll_deg), mode: "", armed: null, battery: null, age_s: 0,
  };
}
