import { computed, effect, signal } from "@preact/signals";
import type { Alarm, AlarmState, AlarmStep, Priority } from "../api/alarm_types";
import * as queries from "../api/alarms";
import { isAbort } from "../api/http";
import { alarmSummary } from "./alarms";
import { aheadMs, fixedRange, range, spanMs } from "./time";

/** When each alarm stood, in the range shown: what the time line and the charts mark. */
export interface AlarmSpan {
  alarm: number;
  point: number | null;
  priority: Priority;
  /** what a person calls it when no point does */
  label: string;
  kind: string;
  from: number;
  /** null: it still stands */
  to: number | null;
}

const ALL: readonly AlarmState[] = ["unacknowledged", "returned", "acknowledged", "shelved", "suppressed", "out_of_service", "normal"];
const SETTLE_MS = 300;
const AGAIN_MS_MIN = 5_000;

export const alarmSpans = signal<readonly AlarmSpan[]>([]);
const bySpansPoint = computed(() => {
  const found = new Map<number, AlarmSpan[]>();
  for (const span of alarmSpans.value) if (span.point !== null) found.set(span.point, [...(found.get(span.point) ?? []), span]);
  return found;
});
export const spansOfPoint = (point: number): readonly AlarmSpan[] => bySpansPoint.value.get(point) ?? [];

/** Keep the spans in step with the range, and live with what the twin says of its alarms; at most every few seconds. */
export function followAlarmSpans(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let abort: AbortController | undefined;
  let askedAt = -Infinity;
  let asked = "";
  const ask = async () => {
    askedAt = performance.now();
    abort?.abort();
    abort = new AbortController();
    const { from, to } = range.peek();
    try {
      const [alarms, steps] = await Promise.all([queries.alarms(ALL, "", null, abort.signal), queries.turns(from, to, abort.signal)]);
      alarmSpans.value = spansOf(alarms.items, steps.items, from);
    } catch (error) {
      if (!isAbort(error)) alarmSpans.value = [];
    }
  };
  effect(() => {
    const wanted = fixedRange.value ?? `live ${spanMs.value} ${aheadMs.value}`;
    if (alarmSummary.value.version < 0) return;
    clearTimeout(timer);
    const wait = wanted === asked ? AGAIN_MS_MIN - (performance.now() - askedAt) : 0;
    timer = setTimeout(() => ((asked = wanted), void ask()), Math.max(SETTLE_MS, wait));
  });
}

/** From raised to returned; what was raised before the range and still stands reaches in from its beginning. */
export function spansOf(alarms: readonly Alarm[], steps: readonly AlarmStep[], from: number): AlarmSpan[] {
  const known = new Map(alarms.map((one) => [one.id, one]));
  const open = new Map<number, number>();
  const spans: AlarmSpan[] = [];
  const close = (id: number, start: number, end: number | null) => {
    const alarm = known.get(id);
    if (alarm) spans.push({ alarm: id, point: alarm.point, priority: alarm.priority, label: alarm.label || alarm.key, kind: alarm.kind, from: start, to: end });
  };
  for (const step of [...steps].reverse()) {
    const at = Date.parse(step.at);
    if (step.what === "raised") open.set(step.alarm, open.get(step.alarm) ?? at);
    else {
      close(step.alarm, open.get(step.alarm) ?? from, at);
      open.delete(step.alarm);
    }
  }
  for (const [id, start] of open) close(id, start, null);
  for (const { id, raised, returned } of alarms)
    if (raised && !returned && Date.parse(raised) < from && !open.has(id)) close(id, Date.parse(raised), null);
  return spans.sort((a, b) => a.from - b.from);
}
