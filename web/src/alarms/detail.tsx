import { useState } from "preact/hooks";
import type { Alarm, AlarmStep, AnomalyDetail } from "../api/alarm_types";
import * as queries from "../api/alarms";
import { TwinError } from "../api/http";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Needs } from "../components/needs";
import { Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { alarmSummary } from "../state/alarms";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { go, NO_SCENE } from "../state/route";
import { live, seek, setRange, twinNow } from "../state/time";
import { Explanation } from "./explanation";
import { PriorityMark } from "./rows";
import { finding, stepText, subject } from "./words";

const BEFORE_MS = 30 * 60_000;
const AFTER_MS = 10 * 60_000;
const JUST_BEFORE_MS = 60_000;
const SETTLED_MS = 2_000; // so that the end is history already

/** One alarm: what it means, what to do, where to look, and everything that happened to it. */
export function Detail({ id, changed, close, shelve }: { id: number; changed: () => void; close: () => void; shelve: (id: number) => void }) {
  const version = alarmSummary.value.version;
  const [resource, reload] = useResource(`alarm ${id} ${version}`, async (abort) => {
    const [alarm, journal] = await Promise.all([queries.alarm(id, abort), queries.journal(id, abort)]);
    return { alarm, steps: journal.items };
  });
  const { data, problem } = resource.value;
  if (!data) return <section class="panel alarm-detail">{problem ? <Failed problem={problem} retry={reload} /> : <Skeleton rows={5} />}</section>;
  const { alarm, steps } = data;
  const raised = alarm.raised ? Date.parse(alarm.raised) : null;
  const after = () => (reload(), changed());
  const anomaly = anomalyOf(alarm);
  return (
    <section class="panel alarm-detail" aria-label={subject(alarm)}>
      <header>
        <div>
          <h2>{subject(alarm)}</h2>
          <p class="num">{finding(alarm)}</p>
          <PriorityMark alarm={alarm} />
        </div>
        <button type="button" class="icon-button" aria-label={t("action.close")} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="alarm-ways">
        {alarm.point !== null && (
          <button type="button" class="button" onClick={() => openTrend(alarm.point as number, raised)}>
            <Icon name="trends" size={14} />
            {t("alarm.seeTrend")}
          </button>
        )}
        {raised !== null && (
          <button type="button" class="button" onClick={() => seek(raised - JUST_BEFORE_MS)}>
            <Icon name="back" size={14} />
            {t("alarm.seeBefore")}
          </button>
        )}
        {alarm.element && (
          <Link to={{ view: "model", ...NO_SCENE, element: alarm.element, shade: "condition" }} class="button">
            <Icon name="model" size={14} />
            {t("alarm.seeModel")}
          </Link>
        )}
        {alarm.source === "task" && (
          <Link to={{ view: "schedule", task: alarm.key.split(":")[1] ?? null }} class="button">
            <Icon name="schedule" size={14} />
            {t("alarm.seePlan")}
          </Link>
        )}
      </div>
      <dl class="alarm-meaning">
        {alarm.consequence && <Meaning name={t("alarm.consequence")} text={alarm.consequence} />}
        {alarm.action && <Meaning name={t("alarm.action")} text={alarm.action} />}
        {alarm.respond_min !== null && <Meaning name={t("alarm.respond")} text={format.duration(alarm.respond_min * 60)} />}
        {alarm.owner && <Meaning name={t("alarm.owner")} text={alarm.owner} />}
        {alarm.shelved_until && <Meaning name={t("alarm.shelvedUntil")} text={`${format.shortMoment(Date.parse(alarm.shelved_until), zone.value)} · ${alarm.shelved_by}`} />}
      </dl>
      {anomaly && <Explanation alarm={alarm} detail={anomaly} done={after} />}
      {live.value && (
        <Needs right="operate">
          <Deeds id={id} state={alarm.state} done={after} shelve={() => shelve(id)} />
        </Needs>
      )}
      <h3>{t("alarm.journal")}</h3>
      <ol class="alarm-journal">
        {steps.map((step) => (
          <Step key={`${step.at} ${step.what}`} step={step} />
        ))}
      </ol>
    </section>
  );
}

/** What a detector found, where the alarm comes from one. */
function anomalyOf({ detail }: Alarm): AnomalyDetail | null {
  return Array.isArray(detail?.["channels"]) && Array.isArray(detail["cause"]) ? (detail as unknown as AnomalyDetail) : null;
}

function openTrend(point: number, raised: number | null): void {
  go({ view: "trends", points: [point] });
  if (raised !== null) setRange(raised - BEFORE_MS, Math.min(raised + AFTER_MS, twinNow() - SETTLED_MS));
}

function Meaning({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </div>
  );
}

function Deeds({ id, state, done, shelve }: { id: number; state: string; done: () => void; shelve: () => void }) {
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState("");
  const act = (action: queries.AlarmAction, body: queries.ActionBody = {}) =>
    queries.act([id], action, body).then(
      () => (setNote(""), setProblem(""), done()),
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  const out = state === "out_of_service";
  return (
    <form class="alarm-deeds" onSubmit={(event) => (event.preventDefault(), void act("comment", { note }))}>
      <div class="alarm-ways">
        {(state === "unacknowledged" || state === "returned") && (
          <button type="button" class="button primary" onClick={() => void act("ack", { note })}>
            {t("alarm.ack")}
          </button>
        )}
        {state === "shelved" ? (
          <button type="button" class="button" onClick={() => void act("unshelve")}>
            {t("alarm.unshelve")}
          </button>
        ) : (
          <button type="button" class="button" onClick={shelve}>
            {t("alarm.shelve")}
          </button>
        )}
        <button type="button" class="button quiet" disabled={!out && !note.trim()} title={out ? undefined : t("alarm.takeOutAbout")} onClick={() => void act("suppress", { reason: out ? "" : note })}>
          {t(out ? "alarm.putBack" : "alarm.takeOut")}
        </button>
      </div>
      <label>
        <span class="muted">{t("alarm.note")}</span>
        <span class="alarm-note">
          <input type="text" maxLength={2_000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
          <button type="submit" class="button" disabled={!note.trim()}>
            {t("alarm.comment")}
          </button>
        </span>
      </label>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

function Step({ step }: { step: AlarmStep }) {
  return (
    <li>
      <time class="num muted" dateTime={step.at}>
        {format.shortMoment(Date.parse(step.at), zone.value)}
      </time>
      <span>
        {stepText(step.what)}
        {step.value !== null && <span class="num"> {format.value(step.value)}</span>}
        {step.by && <span class="muted"> · {step.by}</span>}
        {step.note && <q>{step.note}</q>}
      </span>
    </li>
  );
}
