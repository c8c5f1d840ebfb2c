import type { Alarm, AlarmFigures, AlarmPage, AlarmState, AlarmStep } from "./alarm_types";
import { language } from "../state/settings";
import { get, post } from "./http";
import type { Page } from "./types";

export type AlarmAction = "ack" | "shelve" | "unshelve" | "suppress" | "comment";
export interface ActionBody {
  note?: string;
  reason?: string;
  for_s?: number;
}

const ROWS_MAX = 500;
const TURNS_MAX = 2_000;
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

export const alarms = (states: readonly AlarmState[], q: string, at: number | null, signal?: AbortSignal) =>
  get<AlarmPage>("/alarms", { state: states, q, at: iso(at), limit: ROWS_MAX, language: language.peek() }, signal);
export const alarm = (id: number, signal?: AbortSignal) => get<Alarm>(`/alarms/${id}`, { language: language.peek() }, signal);
export const journal = (id: number, signal?: AbortSignal) =>
  get<Page<AlarmStep>>("/alarms/journal", { alarm: id, from: "2000-01-01T00:00:00Z", limit: 50 }, signal);
/** When alarms were raised and returned within a range, newest first. */
export const turns = (from: number, to: number, signal?: AbortSignal) =>
  get<Page<AlarmStep>>("/alarms/journal", { from: iso(from), to: iso(to), what: ["raised", "returned"], limit: TURNS_MAX }, signal);
export const figures = (from: number, to: number, signal?: AbortSignal) => get<AlarmFigures>("/alarms/figures", { from: iso(from), to: iso(to) }, signal);
/** The text of the rules, classes and routes in use. */
export const rules = (signal?: AbortSignal) => get<{ toml: string; of: "change" | "site" | "none" }>("/alarms/rules", {}, signal);
/** Was a detector's alarm worth it? */
export const feedback = (id: number, verdict: "true" | "false") => post<Alarm>(`/alarms/${id}/feedback`, { verdict });
export const act = (ids: readonly number[], action: AlarmAction, body: ActionBody = {}) => post<{ items: Alarm[] }>(`/alarms/${action}`, { ids, ...body });
