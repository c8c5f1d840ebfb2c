import { useEffect } from "preact/hooks";
import { get } from "../api/http";
import type { TaskDetail, TaskLink } from "../api/plan_types";
import { Icon } from "../components/icon";
import { Failed, Skeleton } from "../components/notice";
import { PlanMark } from "../components/plan_mark";
import { t } from "../i18n";
import { PLAN_TEXT } from "../i18n/plan";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { highlight } from "../state/highlight";
import { useResource } from "../state/resource";
import { go, NO_SCENE, scene } from "../state/route";
import { useSettled } from "../state/settled";
import { at, live } from "../state/time";

/** A task: its three sets of dates, what it waits for, what waits for it, and its elements in the model. */
export function TaskPanel({ id, choose }: { id: string; choose: (task: string | null) => void }) {
  const instant = useSettled(live.value ? null : at.value);
  const params = { at: instant === null ? null : new Date(instant).toISOString() };
  const [resource, reload] = useResource(`task ${id} ${instant}`, (signal) => get<TaskDetail>(`/tasks/${encodeURIComponent(id)}`, params, signal));
  const { data, problem } = resource.value;
  useEffect(() => {
    if (data) highlight.value = { ids: data.element_ids, name: data.name, task: data.id };
  }, [data]);
  return (
    <aside class="panel task-panel" aria-label={t("task.title")}>
      <button type="button" class="icon-button panel-close" aria-label={t("action.close")} onClick={() => choose(null)}>
        <Icon name="close" />
      </button>
      {data ? <Body task={data} choose={choose} /> : problem ? <Failed problem={problem} retry={reload} /> : <Skeleton rows={5} />}
    </aside>
  );
}

function Body({ task, choose }: { task: TaskDetail; choose: (task: string) => void }) {
  const show = (view: "model" | "plan") => go({ view, ...NO_SCENE, storey: view === "plan" ? scene.value.storey : null, shade: "plan" });
  return (
    <>
      <header>
        <h2>{task.name}</h2>
        <p class="muted facts">
          {(task.code || task.wbs) && <span>{task.code || task.wbs}</span>}
          {task.critical && (
            <span>
              <span class="critical-mark" aria-hidden="true" /> {t("gantt.critical")}
            </span>
          )}
          {task.percent !== null && <span>{format.percent(task.percent / 100)}</span>}
        </p>
      </header>
      <dl class="task-dates">
        {(["planned", "actual", "forecast"] as const).map((set) => (
          <div key={set}>
            <dt>{t(PLAN_TEXT[set])}</dt>
            <dd>
              <PlanMark state={task[set]} real={set === "actual"} />
              {task[`${set}_start`] && (
                <span class="num muted">
                  {day(task[`${set}_start`])} – {day(task[`${set}_finish`])}
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
      {task.float_h !== null && (
        <p class="muted">
          {t("task.float")} <span class="num">{t("count.days", { n: Math.round(task.float_h / 8) })}</span>
        </p>
      )}
      <Others title={t("task.before")} links={task.links_in} choose={choose} />
      <Others title={t("task.after")} links={task.links_out} choose={choose} />
      <section>
        <h3>
          {t("schedule.elements")} <span class="count num">{format.number(task.element_ids.length)}</span>
        </h3>
        {task.element_ids.length > 0 ? (
          <div class="panel-links">
            <button type="button" class="button primary" onClick={() => show("model")}>
              <Icon name="model" />
              {t("element.show")}
            </button>
            <button type="button" class="button" onClick={() => show("plan")}>
              <Icon name="storey" />
              {t("scene.plan")}
            </button>
          </div>
        ) : (
          <p class="muted">{t("task.noElements")}</p>
        )}
      </section>
    </>
  );
}

const day = (iso: string | null) => (iso ? format.day(Date.parse(iso), zone.value) : "–");

function Others({ title, links, choose }: { title: string; links: readonly TaskLink[]; choose: (task: string) => void }) {
  if (!links.length) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul class="task-links">
        {links.map((link) => (
          <li key={`${link.task} ${link.type}`}>
            <button type="button" class="text-button" onClick={() => choose(link.task)}>
              {link.name || link.task}
            </button>
            <span class="muted num">
              {link.type}
              {link.lag_h ? ` ${link.lag_h > 0 ? "+" : "−"}${t("count.hours", { n: Math.abs(link.lag_h) })}` : ""}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
