import type { PlanState } from "../api/types";
import type { SchedulePage } from "../api/plan_types";
import { t } from "../i18n";
import { PLAN_TEXT, STATE_TEXT } from "../i18n/plan";
import * as format from "../i18n/format";
import { openLate } from "./late_list";
import { future } from "../state/time";

const STATES: readonly PlanState[] = ["finished", "in_progress", "not_started", "unknown"];

/** Elements and tasks by state at the instant shown: what was agreed beside what is. */
export function Counts({ page }: { page: SchedulePage }) {
  // where nobody reports, what is expected stands for what is
  const reported = STATES.slice(0, 3).some((state) => page.tasks_counts.actual[state] > 0);
  const real = future.value || !reported ? "forecast" : "actual";
  const { coverage } = page;
  const late = openLate(page).length;
  return (
    <section class="plan-counts" aria-label={t("schedule.now")}>
      <Stack name={t("schedule.elements")} rows={[["planned", page.counts.planned], [real, page.counts[real]]]} known={coverage.linked} />
      <Stack name={t("schedule.tasks")} rows={[["planned", page.tasks_counts.planned], [real, page.tasks_counts[real]]]} />
      <div class="figure">
        <span class="figure-name">{t("schedule.late")}</span>
        <span class="figure-value">
          <span class="number" data-late={late > 0 || undefined}>
            {format.number(late)}
          </span>
        </span>
        <span class="figure-of">{t("schedule.lateOf", { n: page.schedule?.tasks ?? 0 })}</span>
      </div>
      <div class="figure">
        <span class="figure-name">{t("schedule.coverage")}</span>
        <span class="figure-value">
          <span class="number">{format.percent(coverage.elements ? coverage.linked / coverage.elements : 0)}</span>
        </span>
        <span class="figure-of">{t("schedule.unlinked", { n: coverage.unlinked })}</span>
      </div>
    </section>
  );
}

/** One bar a set of dates, its parts in the colours of the model; what no task builds is left out. */
function Stack({ name, rows, known }: { name: string; rows: readonly (readonly ["planned" | "actual" | "forecast", Record<PlanState, number>])[]; known?: number }) {
  const total = Math.max(1, ...rows.map(([, counts]) => STATES.slice(0, 3).reduce((sum, state) => sum + (counts[state] ?? 0), 0)));
  return (
    <div class="figure stack-figure">
      <span class="figure-name">
        {name} {known !== undefined && <span class="num">{format.number(known)}</span>}
      </span>
      {rows.map(([set, counts]) => (
        <div class="stack" key={set}>
          <span class="muted">{t(PLAN_TEXT[set])}</span>
          <span class="stack-bar" role="img" aria-label={STATES.slice(0, 3).map((state) => `${t(STATE_TEXT[state])} ${format.number(counts[state] ?? 0)}`).join(", ")}>
            {STATES.slice(0, 3).map((state) => (
              <i key={state} data-state={state} style={{ width: `${((counts[state] ?? 0) / total) * 100}%` }} title={`${t(STATE_TEXT[state])}: ${format.number(counts[state] ?? 0)}`} />
            ))}
          </span>
          <span class="num">{format.percent((counts.finished ?? 0) / total)}</span>
        </div>
      ))}
    </div>
  );
}
