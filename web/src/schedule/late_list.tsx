import type { LateTask, SchedulePage } from "../api/plan_types";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";

const ROWS_MAX = 100;

/** What is late and not done; what was finished late is only counted. */
export const openLate = (page: SchedulePage): LateTask[] => page.late.filter((one) => one.why !== "finished_late");

/** The tasks behind their plan at the instant shown, the worst first. */
export function LateList({ page, choose }: { page: SchedulePage; choose: (task: string) => void }) {
  const late = openLate(page);
  const past = (page.late_total ?? page.late.length) - late.length;
  const day = (iso: string | null) => (iso ? format.day(Date.parse(iso), zone.value) : "–");
  return (
    <section class="panel late-list">
      <h2>{t("schedule.late")}</h2>
      {late.length ? (
        <div class="table-frame">
          <table class="stacked">
            <thead>
              <tr>
                <th>{t("gantt.task")}</th>
                <th class="numeric">{t("plan.lateBy")}</th>
                <th>{t("schedule.due")}</th>
                <th>{t("schedule.expected")}</th>
                <th class="numeric">{t("schedule.elements")}</th>
              </tr>
            </thead>
            <tbody>
              {late.slice(0, ROWS_MAX).map((one) => (
                <tr key={one.task}>
                  <td data-label={t("gantt.task")}>
                    <button type="button" class="text-button row-link" onClick={() => choose(one.task)}>
                      {one.critical && <span class="critical-mark" title={t("gantt.critical")} role="img" aria-label={t("gantt.critical")} />}
                      {one.name}
                    </button>
                  </td>
                  <td data-label={t("plan.lateBy")} class="numeric num late">
                    <Icon name="high" size={12} /> {t("count.days", { n: Math.max(1, Math.round(one.days_late)) })}
                  </td>
                  <td data-label={t("schedule.due")} class="num">
                    {day(one.planned_finish)}
                  </td>
                  <td data-label={t("schedule.expected")} class="num">
                    {day(one.forecast_finish)}
                  </td>
                  <td data-label={t("schedule.elements")} class="numeric num">
                    {format.number(one.elements)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="calm-line">
          <Icon name="ok" /> {t("schedule.onTime")}
        </p>
      )}
      {past > 0 && <p class="muted past-late">{t("schedule.finishedLate", { n: past })}</p>}
    </section>
  );
}
