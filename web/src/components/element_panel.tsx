import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import * as queries from "../api/queries";
import type { ElementDetail, ElementPlan, Point } from "../api/types";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { PLAN_TEXT } from "../i18n/plan";
import { points as catalogue, deviceName, places, pointName, zone } from "../state/catalogue";
import { conditionOf } from "../state/condition";
import { byInterest } from "../state/headlines";
import { useInterest } from "../state/interest";
import { useResource } from "../state/resource";
import { at, live } from "../state/time";
import { useSettled } from "../state/settled";
import { cell } from "../state/values";
import { Breadcrumb } from "../views/place";
import { ConditionMark } from "./condition_mark";
import { Icon, typeIcon } from "./icon";
import { Link } from "./link";
import { ElementPhotos, VerdictHistory } from "./element_scans";
import { Failed, Skeleton } from "./notice";
import { PlanMark } from "./plan_mark";
import { Properties } from "./properties";

const VALUES_MAX = 24;

/** The faceplate beside a model or plan: an element's live values, what the plan says of it, its properties, the way to its page. */
export function ElementPanel({ id, close, children }: { id: string; close: () => void; children?: ComponentChildren }) {
  const instant = useSettled(live.value ? null : at.value);
  const [resource, reload] = useResource(`element ${id} ${instant}`, (signal) => queries.element(id, signal, instant));
  const { data: found, problem } = resource.value;
  // while another instant of the same element is on its way, the last one stands
  const last = useRef<ElementDetail | null>(null);
  if (found) last.current = found;
  const data = last.current?.id === id ? last.current : null;
  return (
    <aside class="element-panel" aria-label={t("element.title")} data-id={id}>
      <button type="button" class="icon-button panel-close" aria-label={t("action.close")} title={`${t("action.close")} (Esc)`} onClick={close}>
        <Icon name="close" />
      </button>
      {data ? (
        <Body element={data}>{children}</Body>
      ) : problem ? (
        <Failed problem={problem} retry={reload} />
      ) : (
        <Skeleton rows={5} />
      )}
    </aside>
  );
}

function Body({ element, children }: { element: ElementDetail; children: ComponentChildren }) {
  const place = places.value.get(element.id) ?? places.value.get(element.space ?? "") ?? places.value.get(element.storey ?? "");
  const around = place && place.node.id !== element.id ? { node: place.node, parents: [...place.parents, place.node] } : place;
  return (
    <>
      <header>
        <Breadcrumb place={around} />
        <h2>
          <Icon name={typeIcon(element.type)} />
          {element.long_name || element.name || element.id}
        </h2>
        <p class="muted facts">
          {element.long_name && element.name !== element.long_name && <span>{element.name}</span>}
          <span>{element.type}</span>
        </p>
        <div class="panel-links">
          {children}
          <Link class="button" to={{ view: "place", id: element.id }}>
            <Icon name="forward" />
            {t("element.open")}
          </Link>
        </div>
      </header>
      <Values element={element} />
      {element.plan && <Plan plan={element.plan} />}
      <VerdictHistory verdicts={element.verdicts ?? []} />
      <ElementPhotos photos={element.photos ?? []} />
      <Properties element={element} />
    </>
  );
}

function Values({ element }: { element: ElementDetail }) {
  const known = catalogue.value;
  const inSpace = element.type === "IfcSpace" ? [...known.values()].filter((point) => point.space === element.id) : [];
  const all = byInterest([...new Map([...element.points, ...inSpace].map((point) => [point.id, point])).values()]);
  const shown = all.slice(0, VALUES_MAX);
  useInterest(shown.map((point) => point.id));
  if (!shown.length) return <p class="muted">{t("place.noPoints")}</p>;
  return (
    <ul class="value-rows" aria-label={t("place.values")}>
      {shown.map((point) => (
        <ValueRow key={point.id} point={point} />
      ))}
    </ul>
  );
}

function ValueRow({ point }: { point: Point }) {
  const reading = cell(point.id).value;
  const condition = conditionOf(point, reading, at.value);
  return (
    <li>
      <Link to={{ view: "point", id: point.id }} class="value-row">
        <span class="value-name">
          {pointName(point)} <span class="muted">{deviceName(point)}</span>
        </span>
        {condition !== "ok" && <ConditionMark condition={condition} compact />}
        <span class="num value-number">{format.brief(reading?.v ?? null)}</span>
        <span class="muted unit">{unitText(point.unit)}</span>
      </Link>
    </li>
  );
}

/** Planned, actual and expected at the instant shown, and the tasks that say so. */
function Plan({ plan }: { plan: ElementPlan }) {
  const day = (iso: string | null | undefined) => (iso ? format.day(Date.parse(iso), zone.value) : "–");
  return (
    <section class="panel-plan" aria-label={t("element.plan")}>
      <h3>{t("element.plan")}</h3>
      <dl class="facts-list">
        {(["planned", "actual", "forecast"] as const).map((set) => (
          <div key={set}>
            <dt>{t(PLAN_TEXT[set])}</dt>
            <dd>
              <PlanMark state={plan[set]} real={set === "actual"} />
            </dd>
          </div>
        ))}
        <div>
          <dt>{t("plan.dates")}</dt>
          <dd class="num">
            {day(plan.start)} – {day(plan.finish)}
          </dd>
        </div>
        {plan.actual_start && (
          <div>
            <dt>{t("plan.realDates")}</dt>
            <dd class="num">
              {day(plan.actual_start)} – {day(plan.actual_finish ?? plan.forecast_finish)}
            </dd>
          </div>
        )}
        {plan.days_late !== null && plan.days_late > 0 && (
          <div>
            <dt>{t("plan.lateBy")}</dt>
            <dd class="num late">
              <Icon name="high" size={12} /> {t("count.days", { n: Math.ceil(plan.days_late) })}
            </dd>
          </div>
        )}
      </dl>
      {plan.tasks.length > 0 && (
        <ul class="chips">
          {plan.tasks.map((task) => (
            <li key={task.id}>
              <Link class="chip" to={{ view: "schedule", task: task.id }} title={task.how}>
                <Icon name="schedule" size={14} />
                {task.name}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
