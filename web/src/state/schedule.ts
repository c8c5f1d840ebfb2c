import { computed, signal } from "@preact/signals";
import { get, isAbort } from "../api/http";
import type { SchedulePage, Task } from "../api/plan_types";

/** The work schedule: its tasks with their dates, loaded once; what is late at an instant is asked of the twin. */

const TASKS_PAGE = 2_000;
const TASKS_MAX = 40_000;

export const header = signal<SchedulePage | null>(null);
export const tasks = signal<readonly Task[]>([]);
/** null until it was asked, then whether there is a plan at all */
export const hasPlan = signal<boolean | null>(null);

let loading: AbortController | undefined;

export async function loadSchedule(): Promise<void> {
  loading?.abort();
  loading = new AbortController();
  const stop = loading.signal;
  try {
    const found: Task[] = [];
    let first: SchedulePage | null = null;
    for (let offset: number | null = 0; offset !== null && offset < TASKS_MAX; ) {
      const page: SchedulePage = await get<SchedulePage>("/schedule", { limit: TASKS_PAGE, offset }, stop);
      first ??= page;
      found.push(...page.items);
      offset = page.next;
    }
    tasks.value = found;
    header.value = first;
    hasPlan.value = first?.schedule != null;
  } catch (error) {
    if (!isAbort(error)) hasPlan.value = false;
  }
}

/** The schedule as it is seen from an instant: counts, late list, S-curve. */
export const scheduleAt = (at: number | null, signal?: AbortSignal) =>
  get<SchedulePage>("/schedule", { at: at === null ? null : new Date(at).toISOString(), limit: 1 }, signal);

const time = (iso: string | null) => (iso ? Date.parse(iso) : null);

/** The dates of a task in epoch ms. `real` is what was reported, and where nothing was, what is expected. */
export interface TaskDates {
  planned: [number | null, number | null];
  actual: [number | null, number | null];
  real: [number | null, number | null];
}

/**
 * What was not reported by now has not happened: expectation begins now, whatever the file says. A task of which nobody
 * reports (`actual` unknown) is expected as the file says.
 */
export function datesOf(task: Task, now: number): TaskDates {
  const earliest = task.actual === "unknown" ? -Infinity : now;
  const planned: TaskDates["planned"] = [time(task.planned_start), time(task.planned_finish)];
  const actual: TaskDates["actual"] = [time(task.actual_start), time(task.actual_finish)];
  const later = (iso: string | null, fallback: number | null) => {
    const ms = time(iso) ?? fallback;
    return ms === null ? null : Math.max(ms, earliest);
  };
  const start = actual[0] ?? later(task.forecast_start, planned[0]);
  const finish = actual[1] ?? later(task.forecast_finish, planned[1]);
  return { planned, actual, real: [start, finish] };
}

/** Everything from the first date of the plan to its last, the forecast's included. */
export const horizon = computed<{ from: number; to: number } | null>(() => {
  let from = Infinity;
  let to = -Infinity;
  for (const task of tasks.value)
    for (const iso of [task.planned_start, task.planned_finish, task.actual_start, task.actual_finish, task.forecast_finish]) {
      const ms = time(iso);
      if (ms === null || Number.isNaN(ms)) continue;
      from = Math.min(from, ms);
      to = Math.max(to, ms);
    }
  return from < to ? { from, to } : null;
});

export interface Milestone {
  id: string;
  name: string;
  at: number;
}

export const milestones = computed<readonly Milestone[]>(() =>
  tasks.value
    .flatMap((task) => {
      const at = task.is_milestone ? time(task.actual_finish ?? task.forecast_finish ?? task.planned_finish) : null;
      return at === null ? [] : [{ id: task.id, name: task.name, at }];
    })
    .sort((a, b) => a.at - b.at),
);
