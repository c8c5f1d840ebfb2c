/** Flights, scans and drones as the twin tells of them. Times are ISO 8601 UTC, x, y, z metres of the model. */

import type { Problem } from "./types";

export type UploadState = "receiving" | "queued" | "reading" | "registering" | "judging" | "done" | "refused" | "failed";

/** Why something was refused, and what to do or to measure. */
export interface Reason {
  code: string;
  text: string;
  fix: string;
}

export interface Upload {
  id: string;
  name: string;
  state: UploadState;
  progress: number;
  kind: string;
  flight: string | null;
  scan: string | null;
  problem: Partial<Problem> | null;
  reasons?: readonly Reason[];
  group?: string | null;
  by: string;
  at: string;
}

export interface FlightEvent {
  ts: string | null;
  kind: string;
  message: string;
  /** as syslog counts: 0 emergency … 7 debug */
  severity: number;
}

export interface FlightRow {
  id: string;
  device: string;
  source: "live" | "upload";
  kind: string;
  file: string;
  start: string | null;
  end: string | null;
  duration_s: number | null;
  distance_m: number;
  positions: number;
  bounds: [number, number, number, number] | null;
  height_datum: string | null;
  height_max_m: number | null;
  battery: { start: number | null; end: number | null } | null;
  events: readonly FlightEvent[];
  warnings: readonly string[];
  photos: number;
  scan: string | null;
}

/** Columns of equal length; null where something is not known, x, y, z also without a site frame. */
export type Track = Record<"ts_ms" | "lat_deg" | "lon_deg" | "alt_m" | "x" | "y" | "z" | "yaw_deg" | "pitch_deg" | "roll_deg", (number | null)[]>;

export interface FlightPhoto {
  id: string;
  name: string;
  ts: string | null;
  x: number | null;
  y: number | null;
  z: number | null;
  yaw_deg: number | null;
  pitch_deg: number | null;
  footprint: [number, number, number][] | null;
  elements: number;
}

export interface FlightDetail extends Omit<FlightRow, "photos"> {
  track: Track;
  photos: readonly FlightPhoto[];
}

export type Verdict = "built" | "not built" | "unknown";

export interface ScanRow {
  id: string;
  at: string;
  accepted: boolean | null;
  state?: UploadState;
  name?: string;
  residual_m: number | null;
  overlap: number | null;
  reasons: readonly Reason[];
  counts: Record<"built" | "not_built" | "unknown", number>;
  decided_share: number | null;
  points: number | null;
  /** elements that should stand and do not, and those that stand before their time */
  late: number;
  early: number;
  warnings?: readonly string[];
  simulated: boolean;
  flight?: string | null;
}

/** What one scan said of an element; its history is in the faceplate. */
export interface ElementVerdict {
  scan: string;
  at: string | null;
  accepted: boolean;
  simulated: boolean;
  verdict: Verdict;
  p_built: number | null;
  seen: number;
  supported: number;
  pierced: number;
  occluded: number;
  deviation_mm: Deviation | null;
  late: boolean;
  early: boolean;
}

export interface Deviation {
  mean: number | null;
  p95: number | null;
  n: number;
}

export interface VerdictRow {
  global_id: string;
  name: string;
  type: string;
  storey: string | null;
  verdict: Verdict;
  p_built: number | null;
  seen: number;
  supported: number;
  pierced: number;
  occluded: number;
  planned: string;
  deviation_mm: Deviation | null;
  late: boolean;
  early: boolean;
}

/** Where a drone is, live or as of an instant. */
export interface Pose {
  device: string;
  ts: string;
  lat_deg: number | null;
  lon_deg: number | null;
  alt_m: number | null;
  datum: string;
  x: number | null;
  y: number | null;
  z: number | null;
  roll_deg: number | null;
  pitch_deg: number | null;
  yaw_deg: number | null;
  mode: string;
  armed: boolean | null;
  battery: number | null;
  flight: string | null;
  age_s: number | null;
}

export interface CloudLevels {
  version: number;
  points: number;
  /** x0, y0, z0, x1, y1, z1 of the model's axes, relative to the tile set's origin */
  bounds_m: [number, number, number, number, number, number];
  scale_m: number | number[];
  levels: readonly { file: string; points: number; spacing_m: number }[];
}
