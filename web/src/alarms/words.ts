import type { Alarm, AlarmState, Priority } from "../api/alarm_types";
import type { IconName } from "../components/icon";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { pointName, points } from "../state/catalogue";

/** Priority is a shape and a word before it is a colour. */
export const PRIORITY_ICON: Record<Priority, IconName> = { critical: "bad", high: "high", medium: "range", low: "point" };
export const PRIORITY_TEXT: Record<Priority, Key> = {
  critical: "alarm.critical",
  high: "alarm.high",
  medium: "alarm.medium",
  low: "alarm.low",
};
export const STATE_TEXT: Record<AlarmState, Key> = {
  unacknowledged: "alarm.stateUnacknowledged",
  returned: "alarm.stateReturned",
  acknowledged: "alarm.stateAcknowledged",
  shelved: "alarm.stateShelved",
  suppressed: "alarm.stateSuppressed",
  out_of_service: "alarm.stateOutOfService",
  normal: "alarm.stateNormal",
};
const KIND_TEXT: Record<string, Key> = {
  high_high: "alarm.kindHighHigh",
  high: "alarm.kindHigh",
  low: "alarm.kindLow",
  low_low: "alarm.kindLowLow",
  bad: "alarm.kindBad",
  stale: "alarm.kindStale",
  state: "alarm.kindState",
  offline: "alarm.kindOffline",
  silent: "alarm.kindSilent",
  partly: "alarm.kindPartly",
  alike_high: "alarm.kindAlikeHigh",
  alike_low: "alarm.kindAlikeLow",
  certificate: "alarm.kindCertificate",
  clock: "alarm.kindClock",
  config: "alarm.kindConfig",
  software: "alarm.kindSoftware",
  twice: "alarm.kindTwice",
  gap: "alarm.kindGap",
  late: "alarm.kindLate",
  anomaly: "alarm.kindAnomaly",
  scan_late: "alarm.kindScanLate",
  scan_early: "alarm.kindScanEarly",
};
const STEP_TEXT: Record<string, Key> = {
  raised: "alarm.didRaise",
  returned: "alarm.didReturn",
  acknowledged: "alarm.didAcknowledge",
  shelved: "alarm.didShelve",
  unshelved: "alarm.didUnshelve",
  suppressed: "alarm.didSuppress",
  unsuppressed: "alarm.didUnsuppress",
  out_of_service: "alarm.didTakeOut",
  in_service: "alarm.didPutBack",
  comment: "alarm.didComment",
  retired: "alarm.didRetire",
};

/** What the alarm is about: a point by its name, else what it names itself. */
export function subject(alarm: Alarm): string {
  const point = alarm.point === null || alarm.source === "device" ? undefined : points.value.get(alarm.point);
  return point ? pointName(point) : alarm.label || alarm.key;
}

/** What is wrong, with value and limit in their unit. */
export function finding(alarm: Alarm): string {
  const unit = unitText(alarm.unit);
  const quantity = (value: Alarm["value"]) => (value === null ? "" : `${format.value(value)}${unit && typeof value === "number" ? ` ${unit}` : ""}`);
  const kind = KIND_TEXT[alarm.kind];
  const known = { value: quantity(alarm.value), limit: quantity(alarm.limit) };
  if (alarm.kind === "stale" && typeof alarm.limit === "number") known.limit = format.duration(alarm.limit);
  return kind ? t(kind, known).trim() : alarm.kind;
}

export const stepText = (what: string) => (STEP_TEXT[what] ? t(STEP_TEXT[what]) : what);
