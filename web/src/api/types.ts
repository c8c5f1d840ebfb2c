/** What the twin says, field by field: the page's side of the HTTP and WebSocket contract. */

import type { AlarmSummary } from "./alarm_types";
import type { ElementVerdict, FlightPhoto, Pose } from "./drone_types";

export type PointKind = "value" | "state" | "pose";
export type Value = number | string | null;

export interface Site {
  name: string;
  title: string;
  crs: string | null;
  bounds: [number, number, number, number] | null;
  frame?: { true_north_deg?: number | null; crs?: string | null; vertical_datum?: string | null; origin?: { latitude_deg: number; longitude_deg: number } | null } | null;
  basemap?: BasemapFacts | null;
  time_zone: string;
  languages: string[];
  counts: Record<"points" | "bound_points" | "elements" | "spaces" | "storeys" | "devices" | "nodes" | "readings", number>;
  model: { file: string; schema: string; sha256: string } | null;
  schedule?: { revision: number | null; problem: string | null } | null;
  time: { first: string | null; last: string | null; now: string };
  version: string;
}

/** Map tiles that the site ships, as one PMTiles archive; `bounds` is west, south, east, north. */
export interface BasemapFacts {
  url: string;
  kind: "vector" | "raster";
  zoom_min: number;
  zoom_max: number;
  bounds: [number, number, number, number];
  attribution: string;
}

export interface Binding {
  how: string;
  confidence: number;
  detail: string;
}

export interface Point {
  id: number;
  key: string;
  node: string;
  device: string;
  metric: string;
  label: string;
  kind: PointKind;
  unit: string;
  point_class: string;
  low: number | null;
  high: number | null;
  writable: boolean;
  period_s: number | null;
  element: string | null;
  space: string | null;
  binding: Binding | null;
  lifecycle: string;
}

export interface PointDetail extends Point {
  declared: string;
  meta: Record<string, unknown>;
  last: { ts: string; value: Value; quality: number } | null;
}

export interface Page<T> {
  items: T[];
  total: number;
  next: number | null;
}

export interface StateRow {
  point: number;
  ts: string | null;
  value: Value;
  quality: number;
  age_s: number | null;
  stale: boolean;
  since: string | null;
}

export interface StatePage extends Page<StateRow> {
  at: string;
  known_at: string | null;
  drones?: Pose[];
}

export interface Series {
  point: number;
  unit: string;
  kind: PointKind;
  t: number[];
  v: Value[];
  quality: number[];
  source_rows: number;
  downsampled: boolean;
  carried: { t: number; v: Value; quality: number } | null;
}

export interface History {
  from: string;
  to: string;
  series: Series[];
}

export interface ElementRow {
  id: string;
  type: string;
  name: string;
  long_name: string | null;
  storey: string | null;
  space: string | null;
  points: number;
  plan?: ElementPlan | null;
}

export type PlanState = "not_started" | "in_progress" | "finished" | "unknown";

/** What the plan says about an element at the instant asked for. */
export interface ElementPlan {
  planned: PlanState;
  actual: PlanState;
  forecast: PlanState;
  start: string | null;
  finish: string | null;
  actual_start?: string | null;
  actual_finish?: string | null;
  forecast_finish?: string | null;
  days_late: number | null;
  tasks: { id: string; name: string; how: string; confidence: number; decides?: boolean }[];
}

export interface ElementDetail extends Omit<ElementRow, "points"> {
  properties: Record<string, Record<string, unknown>>;
  quantities: Record<string, unknown>;
  parent: string | null;
  children: string[];
  points: Point[];
  documents: unknown[];
  /** what each scan said of it, the newest first, and the photos that see it */
  verdicts?: ElementVerdict[];
  photos?: FlightPhoto[];
}

export interface TreeNode {
  id: string;
  type: string;
  name: string;
  children: TreeNode[];
  points: number[];
}

export interface Tree {
  roots: TreeNode[];
  unbound: number[];
  devices: { node: string; device: string; points: number[] }[];
}

export interface NodeRow {
  node: string;
  online: boolean;
  since: string | null;
  agent: string | null;
  boot: string | null;
  last_seen: string | null;
  lag_records: number | null;
  spool: Record<string, number | null> | null;
  sources: Record<string, SourceHealth> | null;
  epochs: number;
  /** seconds by which its clock is ahead of the twin's */
  clock_ahead_s?: number | null;
  why_silent: string | null;
  certificate?: Certificate;
}

export interface Certificate {
  subject: string | null;
  serial: string | null;
  not_before: string | null;
  not_after: string | null;
  renew_at: string | null;
  state: "valid" | "expiring" | "expired" | "revoked" | "none";
}

export interface SourceHealth {
  received?: number;
  sent?: number;
  discarded?: number;
  errors?: Record<string, number>;
  state?: string;
  last_us?: number | null;
  why?: string | null;
}

export interface CommandRow {
  id: string;
  point: string;
  value: number | boolean | string;
  issued: string;
  expires: string;
  by: string;
  status: "sent" | "accepted" | "refused" | "done" | "failed" | "expired";
  detail: string;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  field?: string;
  fix?: string;
}

export interface HelloFrame {
  type: "hello";
  now: string;
  site: string;
}

export interface StateFrame {
  type: "state";
  connected: boolean;
  degraded: string | null;
  nodes: Record<string, unknown>;
  alarms?: AlarmSummary;
}

export interface ValuesFrame {
  type: "values";
  view: string;
  ts: string | number;
  p: number[];
  t: (number | null)[];
  v: Value[];
  q: number[];
  dropped: number;
}

/** Where drones are now; only of those that moved. */
export interface PosesFrame {
  type: "poses";
  items: Pose[];
}

export type ServerFrame = PosesFrame | HelloFrame | StateFrame | ValuesFrame | { type: "pong" } | { type: "error"; detail?: string };
