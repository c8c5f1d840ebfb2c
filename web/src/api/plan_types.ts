import type { PlanState } from "./types";

/** The work schedule as the twin tells it. Times are ISO 8601 UTC. */

export type Counts = Record<PlanState, number>;

export interface Task {
  id: string;
  code: string;
  name: string;
  wbs: string;
  is_summary: boolean;
  is_milestone: boolean;
  is_umbrella: boolean;
  planned_start: string | null;
  planned_finish: string | null;
  actual_start: string | null;
  actual_finish: string | null;
  forecast_start: string | null;
  forecast_finish: string | null;
  percent: number | null;
  critical: boolean;
  float_h: number | null;
  planned: PlanState;
  actual: PlanState;
  forecast: PlanState;
  elements: number;
  predecessors: string[];
}

export interface LateTask {
  task: string;
  name: string;
  why?: string;
  planned_finish: string | null;
  forecast_finish: string | null;
  days_late: number;
  elements: number;
  critical: boolean;
}

export interface SchedulePage {
  at: string;
  known_at: string | null;
  schedule: { revision: number; file: string; format: string; name: string; tasks: number; links: number; activated_at: string | null; data_date?: string | null; problems?: string[] } | null;
  counts: Record<"planned" | "actual" | "forecast", Counts>;
  tasks_counts: Record<"planned" | "actual" | "forecast", Counts>;
  coverage: { elements: number; linked: number; unlinked: number; umbrella_tasks: string[] };
  s_curve: { times: string[]; planned: number[]; actual: (number | null)[]; forecast: (number | null)[] };
  late: LateTask[];
  late_total?: number;
  items: Task[];
  total: number;
  next: number | null;
}

export interface TaskLink {
  task: string;
  name: string;
  type: string;
  lag_h: number;
  lag_kind: string;
}

export interface TaskDetail extends Task {
  links_in: TaskLink[];
  links_out: TaskLink[];
  element_ids: string[];
}

export interface DiffRow {
  op: string;
  path: string;
  old: unknown;
  new: unknown;
}

export interface Change {
  id: number;
  kind: string;
  state: string;
  diff: DiffRow[];
  problems: (string | { detail?: string; problem?: string; fix?: string })[];
  note?: string;
  by: string;
  at: string;
}
