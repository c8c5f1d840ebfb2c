import { get, post } from "./http";

/** Reports, and the shift log with its handovers. */

export const REPORT_KINDS = ["operations", "alarms", "energy", "construction"] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];

export interface Kept {
  id: number;
  kind: ReportKind;
  day: string;
  language: string;
  made: string;
  file: string;
  mailed: string;
}
export interface Reports {
  planned: { kind: ReportKind; at: string; days: string; languages: string[]; formats: string[]; route: string }[];
  kept: Kept[];
  today: string;
}

export interface ShiftEntry {
  id: number;
  at: string;
  written: string;
  by: string;
  text: string;
  alarms: number[];
  elements: string[];
  corrects: number | null;
}
export interface OpenAlarm {
  id: number;
  state: string;
  priority: string;
  key: string;
  label: string;
  why: string;
}
export interface Snapshot {
  counts: Record<string, number>;
  open: OpenAlarm[];
  shelved: OpenAlarm[];
  out_of_service: OpenAlarm[];
  silent_nodes: string[];
}
export interface Handover {
  id: number;
  at: string;
  giver: string;
  note: string;
  snapshot: Snapshot;
  taken: string | null;
  taker: string;
  remark: string;
}

export const reports = (signal: AbortSignal) => get<Reports>("/reports", {}, signal);
export const reportUrl = (kind: ReportKind, day: string, language: string, format: "html" | "pdf") =>
  `/api/v1/reports/${kind}?${new URLSearchParams({ day, language, format })}`;
export const keptUrl = (id: number) => `/api/v1/reports/kept/${id}`;

export const entries = (q: string, signal: AbortSignal) => get<{ items: ShiftEntry[] }>("/shift", { q }, signal);
export const write = (body: { text: string; alarms: number[]; corrects: number | null }) => post<ShiftEntry>("/shift", body);
export const handovers = (signal: AbortSignal) => get<{ items: Handover[]; now: Snapshot }>("/shift/handovers", {}, signal);
export const give = (note: string) => post<Handover>("/shift/handovers", { note });
export const take = (id: number, remark: string) => post<Handover>(`/shift/handovers/${id}/take`, { remark });
