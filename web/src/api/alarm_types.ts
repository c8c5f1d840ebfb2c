import type { Page, Value } from "./types";

export type AlarmState = "unacknowledged" | "returned" | "acknowledged" | "shelved" | "suppressed" | "out_of_service" | "normal";
export type Priority = "critical" | "high" | "medium" | "low";

export interface Alarm {
  id: number;
  key: string;
  state: AlarmState;
  priority: Priority;
  kind: string;
  source: string;
  point: number | null;
  point_key: string;
  label: string;
  unit: string;
  element: string | null;
  space: string | null;
  lifecycle: string;
  value: Value;
  limit: Value;
  text: string;
  consequence: string;
  action: string;
  respond_min: number | null;
  first_out: boolean;
  raised: string | null;
  returned: string | null;
  changed: string | null;
  occurrences: number;
  owner: string;
  shelved_until: string | null;
  shelved_by: string;
  shelved_why: string;
  suppressed_why: string;
  out_of_service_why: string;
  /** what its watcher found; of class "anomaly" an AnomalyDetail */
  detail?: Record<string, unknown>;
}

export interface AlarmCause {
  cause: string;
  title: string;
  p: number;
  where: string;
  name: string;
  evidence: (string | { text: string })[];
  action: string;
}

/** A detector's finding: its score (−log10 p), the channels with their share of it, and the most alike normal window. */
export interface AnomalyDetail {
  score: number;
  since: string;
  channels: { point: string; id: number; share: number; score: number; direction: string }[];
  nearest: { from: string; to: string } | null;
  cause: AlarmCause[];
  model: string | { id: string; version: string } | null;
}

export interface AlarmPage extends Page<Alarm> {
  counts: Partial<Record<AlarmState, number>>;
  version: number;
}

export interface AlarmStep {
  alarm: number;
  at: string;
  what: string;
  state: AlarmState;
  before: AlarmState;
  by: string;
  note: string;
  value: Value;
}

export interface AlarmFigures {
  raised: number;
  per_hour: number;
  acceptable_per_hour: number;
  peak_10_min: number;
  flood_share: number;
  priorities: Record<Priority, number>;
  most_frequent: { alarm: number; count: number; key: string }[];
  chattering: number[];
  standing_over_a_day: number[];
  median_s_to_acknowledge: number | null;
}

/** What the live socket says of alarms: a new version means that the list is worth asking for. */
export interface AlarmSummary {
  version: number;
  counts: Partial<Record<AlarmState, number>>;
  watched: number;
}
