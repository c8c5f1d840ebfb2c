import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { SchedulePage, Task } from "../api/plan_types";
import { ChangeDialog } from "../components/change_dialog";
import { whyNot } from "../components/needs";
import { may } from "../state/session";
import { Icon } from "../components/icon";
import { Empty, Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import { zone } from "../state/catalogue";
import * as format from "../i18n/format";
import { useResource } from "../state/resource";
import { replace, route } from "../state/route";
import { matches, words } from "../state/search";
import { hasPlan, header, horizon, loadSchedule, scheduleAt, tasks } from "../state/schedule";
import { useSettled } from "../state/settled";
import { at, live, twinNow } from "../state/time";
import "../styles/schedule.css";
import { Counts } from "./counts";
import { Gantt } from "./gantt";
import { closedAtFirst, rowsOf, treeOf, type GanttRow } from "./gantt_rows";
import { LateList } from "./late_list";
import type { Scale } from "./scale";
import { SCurve } from "./s_curve";
import { TaskPanel } from "./task_panel";

const OPEN_ROWS_MAX = 60;
const LIVE_STEP_MS = 60_000;
const DAY_MS = 86_400_000;
const MARGIN_SHARE = 0.02;
const ZOOM = 1.6;
const PX_PER_DAY_MAX = 80;
const NAMES_PX = 300;
const SCROLLBAR_PX = 16;

/** The 4D board: the plan as bars, what was done against it, what is late at the instant shown. */
export default function ScheduleView() {
  const [changing, setChanging] = useState(false);
  return (
    <article class="faceplate schedule">
      <header class="view-head">
        <div class="view-title">
          <Icon name="schedule" size={20} />
          <h1>{t("view.schedule")}</h1>
          <button type="button" class="button" disabled={!may("change")} title={whyNot("change")} onClick={() => setChanging(true)}>
            <Icon name="upload" />
            {t("change.open")}
          </button>
        </div>
        <Facts />
      </header>
      <Board />
      {changing && <ChangeDialog kinds={["schedule", "links", "model"]} close={() => setChanging(false)} changed={() => void loadSchedule()} />}
    </article>
  );
}

function Facts() {
  const info = header.value?.schedule;
  if (!info) return null;
  return (
    <p class="muted facts">
      <span>{info.name || info.file}</span>
      <span>{info.format}</span>
      <span>{t("count.tasks", { n: info.tasks })}</span>
      <span>{t("count.links", { n: info.links })}</span>
      {info.data_date && <span>{t("schedule.dataDate", { day: format.day(Date.parse(info.data_date), zone.value) })}</span>}
      <span>{t("schedule.revision", { n: info.revision })}</span>
    </p>
  );
}

function Board() {
  const instant = useSettled(live.value ? null : at.value);
  const minute = live.value ? Math.floor(at.value / LIVE_STEP_MS) : 0;
  const [page, reload] = useResource(`schedule ${header.value?.schedule?.revision}`, () => Promise.resolve(header.peek()));
  const [now] = useResource(`schedule at ${instant} ${minute} ${header.value?.schedule?.revision}`, (signal) => scheduleAt(instant, signal));
  const shown = useKept(now.value.data) ?? page.value.data ?? header.value;
  if (hasPlan.value === false)
    return (
      <Empty icon="schedule" title={t("schedule.none")}>
        {t("schedule.noneFix")}
      </Empty>
    );
  if (now.value.problem && !shown) return <Failed problem={now.value.problem} retry={reload} />;
  if (!shown || !tasks.value.length) return <Skeleton rows={8} />;
  return <Loaded page={shown} />;
}

/** The last answer stays while the next is on its way. */
function useKept(page: SchedulePage | null): SchedulePage | null {
  const [kept, setKept] = useState(page);
  if (page && page !== kept) setKept(page);
  return page ?? kept;
}

function Loaded({ page }: { page: SchedulePage }) {
  const selected = route.value.view === "schedule" ? route.value.task : null;
  const choose = (task: string | null) => replace({ view: "schedule", task });
  return (
    <>
      <Counts page={page} />
      <div class="schedule-middle" data-panel={selected !== null || undefined}>
        <Chart selected={selected} choose={choose} />
        {selected !== null && <TaskPanel id={selected} choose={choose} />}
      </div>
      <div class="schedule-low">
        <SCurve curve={page.s_curve} />
        <LateList page={page} choose={choose} />
      </div>
    </>
  );
}

type Only = "all" | "critical" | "late";

function Chart({ selected, choose }: { selected: string | null; choose: (task: string | null) => void }) {
  const all = tasks.value;
  const tree = useMemo(() => treeOf(all, twinNow()), [all]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => closedAtFirst(tree, OPEN_ROWS_MAX));
  const [text, setText] = useState("");
  const [only, setOnly] = useState<Only>("all");
  const [zoom, setZoom] = useState(1);
  const instant = useSettled(at.value, 500);
  const rows = useMemo(() => rowsOf(tree, closed, wantedTask(text, only, instant)), [tree, closed, text, only, only === "late" ? instant : 0]);
  const frame = useRef<HTMLElement>(null);
  const room = useRoom(frame);
  const scale = useMemo(() => scaleOf(zoom, room), [zoom, room, horizon.value]);
  const toggle = (key: string) => setClosed((old) => (old.has(key) ? new Set([...old].filter((one) => one !== key)) : new Set(old).add(key)));
  const press = (row: GanttRow) => (row.task ? choose(row.key) : toggle(row.key));
  return (
    <section class="panel flush gantt-panel" ref={frame} aria-label={t("gantt.label")}>
      <header class="gantt-tools">
        <div class="field">
          <Icon name="search" />
          <input type="search" aria-label={t("gantt.search")} placeholder={t("gantt.search")} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </div>
        <div class="segments" role="group" aria-label={t("gantt.show")}>
          {(["all", "critical", "late"] as const).map((one) => (
            <button key={one} type="button" aria-pressed={only === one} onClick={() => setOnly(one)}>
              {t(one === "all" ? "gantt.all" : one === "critical" ? "gantt.critical" : "plan.late")}
            </button>
          ))}
        </div>
        <span class="spacer" />
        <button type="button" class="icon-button" aria-label={t("gantt.zoomOut")} title={t("gantt.zoomOut")} onClick={() => setZoom(Math.max(1, zoom / ZOOM))}>
          <Icon name="zoomOut" />
        </button>
        <button type="button" class="icon-button" aria-label={t("gantt.zoomIn")} title={t("gantt.zoomIn")} onClick={() => setZoom(zoom * ZOOM)}>
          <Icon name="zoomIn" />
        </button>
      </header>
      {rows.length ? <Gantt rows={rows} scale={scale} selected={selected} choose={press} toggle={toggle} /> : <p class="muted gantt-empty">{t("gantt.nothing")}</p>}
    </section>
  );
}

/** The pixels beside the names. */
function useRoom(frame: { current: HTMLElement | null }): number {
  const [room, setRoom] = useState(600);
  useEffect(() => {
    const element = frame.current!;
    const measure = () => setRoom(element.clientWidth - (element.querySelector<HTMLElement>(".gantt-corner")?.offsetWidth ?? NAMES_PX) - SCROLLBAR_PX);
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return room;
}

/** The whole plan in that room, times the zoom. */
function scaleOf(zoom: number, room: number): Scale {
  const { from, to } = horizon.value ?? { from: 0, to: DAY_MS };
  const margin = (to - from) * MARGIN_SHARE;
  const fit = Math.max(160, room) / ((to - from + 2 * margin) / DAY_MS);
  return { from: from - margin, to: to + margin, px_per_day: Math.min(Math.max(fit, PX_PER_DAY_MAX), fit * zoom) };
}

function wantedTask(text: string, only: Only, instant: number): ((task: Task) => boolean) | null {
  const wanted = words(text);
  if (!wanted.length && only === "all") return null;
  return (task) => {
    if (!matches(wanted, task.name, task.code, task.wbs)) return false;
    if (only === "critical") return task.critical;
    return only === "all" || isLate(task, instant);
  };
}

/** Due by the instant shown and not finished by it. */
function isLate(task: Task, instant: number): boolean {
  const due = Date.parse(task.planned_finish ?? "");
  const done = Date.parse(task.actual_finish ?? "");
  return due <= instant && !(done <= instant) && !task.is_summary;
}
