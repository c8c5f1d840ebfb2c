import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Alarm, AlarmState } from "../api/alarm_types";
import * as queries from "../api/alarms";
import { Icon } from "../components/icon";
import { whyNot } from "../components/needs";
import { Empty, Failed, Skeleton } from "../components/notice";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { alarmSummary, sound } from "../state/alarms";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { at, live } from "../state/time";
import { may } from "../state/session";
import "../styles/alarms.css";
import { Detail } from "./detail";
import { FiguresPanel } from "./figures";
import { AlarmRows } from "./rows";
import { RulesChange } from "./rules_change";
import { ShelveDialog } from "./shelve_dialog";
import { STATE_TEXT } from "./words";

const FILTERS: readonly AlarmState[] = ["unacknowledged", "returned", "acknowledged", "shelved", "suppressed", "out_of_service"];
const USUAL: readonly AlarmState[] = ["unacknowledged", "returned", "acknowledged"];
const MINUTE_MS = 60_000;

const shown = signal<readonly AlarmState[]>(USUAL);
const words = signal("");
const chosen = signal<number | null>(null);
const ruling = signal(false);
const shelving = signal<readonly number[] | null>(null);

/** The alarm list: what rings, what was seen, what is silent and why; at any moment of the past, too. */
export default function AlarmsView() {
  const moment = live.value ? null : Math.floor(at.value / MINUTE_MS) * MINUTE_MS;
  const key = `alarms ${shown.value.join()} ${words.value} ${moment ?? alarmSummary.value.version}`;
  const [resource, reload] = useResource(key, (abort) => queries.alarms(shown.value, words.value, moment, abort));
  const { data, problem } = resource.value;
  const [last, counts] = useLast(data?.items ?? null, data?.counts ?? alarmSummary.value.counts);
  const rows = data?.items ?? last;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event, rows ?? [], reload);
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [rows, reload]);
  const ringing = (rows ?? []).filter((alarm) => alarm.state === "unacknowledged" || alarm.state === "returned");
  const act = live.value && may("operate");
  return (
    <article class="alarms" data-chosen={chosen.value !== null || undefined}>
      <header class="view-head">
        <div class="view-title">
          <Icon name="alarm" size={20} />
          <h1>{t("view.alarms")}</h1>
          {moment !== null && <span class="muted num">{format.shortMoment(moment, zone.value)}</span>}
        </div>
        <div class="alarm-tools">
          <button type="button" class="button" aria-pressed={sound.value} onClick={() => (sound.value = !sound.value)}>
            <Icon name={sound.value ? "sound" : "mute"} size={14} />
            {t(sound.value ? "alarm.soundOn" : "alarm.soundOff")}
          </button>
          <button type="button" class="button" disabled={!may("change")} title={whyNot("change")} onClick={() => (ruling.value = true)}>
            {t("alarm.rules")}
          </button>
          {act && (
            <button type="button" class="button primary" disabled={!ringing.length} onClick={() => void acknowledge(ringing, reload)}>
              <Icon name="check" size={14} />
              {t("alarm.ackAll", { n: ringing.length })}
            </button>
          )}
        </div>
      </header>
      <div class="alarm-filters">
        <Filters counts={counts} />
        <input
          type="search"
          aria-label={t("alarm.search")}
          placeholder={t("alarm.search")}
          value={words.value}
          onInput={(event) => (words.value = event.currentTarget.value)}
        />
      </div>
      {problem && !rows && <Failed problem={problem} retry={reload} />}
      {!rows && !problem && <Skeleton rows={5} />}
      <div class="alarm-body">
        {rows && !rows.length && (
          <Empty icon="ok" title={t(words.value ? "alarm.noneFound" : "alarm.none")}>
            {t("alarm.watched", { n: alarmSummary.value.watched })}
          </Empty>
        )}
        {rows && rows.length > 0 && (
          <AlarmRows
            rows={rows}
            chosen={chosen.value}
            choose={(id) => (chosen.value = chosen.value === id ? null : id)}
            acknowledge={act ? (alarm) => void acknowledge([alarm], reload) : null}
            shelve={act ? (alarm) => (shelving.value = [alarm.id]) : null}
          />
        )}
        {chosen.value !== null && (
          <Detail key={chosen.value} id={chosen.value} changed={reload} close={() => (chosen.value = null)} shelve={(id) => (shelving.value = [id])} />
        )}
      </div>
      <FiguresPanel />
      {ruling.value && <RulesChange close={() => (ruling.value = false)} changed={reload} />}
      {shelving.value && <ShelveDialog ids={shelving.value} close={() => (shelving.value = null)} done={reload} />}
    </article>
  );
}

function Filters({ counts }: { counts: Partial<Record<AlarmState, number>> }) {
  const toggle = (state: AlarmState) => (shown.value = shown.value.includes(state) ? shown.value.filter((one) => one !== state) : [...shown.value, state]);
  return (
    <div class="chips" role="group" aria-label={t("alarm.filter")}>
      {FILTERS.map((state) => (
        <button key={state} type="button" class="chip" data-state={state} aria-pressed={shown.value.includes(state)} onClick={() => toggle(state)}>
          {t(STATE_TEXT[state])}
          <span class="num">{counts[state] ?? 0}</span>
        </button>
      ))}
    </div>
  );
}

/** Rows stay while the next ones are on their way. */
const lastRows = signal<{ rows: Alarm[] | null; counts: Partial<Record<AlarmState, number>> }>({ rows: null, counts: {} });
function useLast(rows: Alarm[] | null, counts: Partial<Record<AlarmState, number>>): [Alarm[] | null, Partial<Record<AlarmState, number>>] {
  useEffect(() => {
    if (rows) lastRows.value = { rows, counts };
  }, [rows]);
  return [lastRows.value.rows, rows ? counts : lastRows.value.counts];
}

async function acknowledge(alarms: readonly Alarm[], reload: () => void): Promise<void> {
  const ids = alarms.filter((alarm) => alarm.state === "unacknowledged" || alarm.state === "returned").map((alarm) => alarm.id);
  try {
    if (ids.length) await queries.act(ids, "ack");
  } finally {
    reload();
  }
}

/** j/k choose, a acknowledges, s shelves what is chosen. */
function onKey(event: KeyboardEvent, rows: readonly Alarm[], reload: () => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target instanceof HTMLElement && event.target.matches("input, select, textarea")) return;
  const place = rows.findIndex((alarm) => alarm.id === chosen.value);
  const alarm = rows[place];
  if (event.key === "ArrowDown" || event.key === "j") chosen.value = rows[Math.min(place + 1, rows.length - 1)]?.id ?? null;
  else if (event.key === "ArrowUp" || event.key === "k") chosen.value = rows[Math.max(place - 1, 0)]?.id ?? null;
  else if (event.key === "a" && alarm && live.value) void acknowledge([alarm], reload);
  else if (event.key === "s" && alarm && live.value) shelving.value = [alarm.id];
  else if (event.key === "Escape" && chosen.value !== null) chosen.value = null;
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}
