import type { PlanState } from "../api/types";
import type { Key } from ".";

/** Words for the sets of dates, and for what an element or task is in at an instant. */
export const PLAN_TEXT: Record<"planned" | "actual" | "forecast", Key> = { planned: "plan.planned", actual: "plan.actual", forecast: "plan.forecast" };
export const STATE_TEXT: Record<PlanState, Key> = {
  finished: "plan.finished",
  in_progress: "plan.progress",
  not_started: "plan.ahead",
  unknown: "plan.unlinked",
};
