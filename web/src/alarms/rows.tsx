import type { Alarm } from "../api/alarm_types";
import { Age } from "../components/age";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import { deviceName, placeName, places, points } from "../state/catalogue";
import { finding, PRIORITY_ICON, PRIORITY_TEXT, STATE_TEXT, subject } from "./words";

interface RowsProps {
  rows: readonly Alarm[];
  chosen: number | null;
  choose: (id: number) => void;
  acknowledge: ((alarm: Alarm) => void) | null;
  shelve: ((alarm: Alarm) => void) | null;
}

export function AlarmRows({ rows, chosen, choose, acknowledge, shelve }: RowsProps) {
  return (
    <div class="table-frame panel alarm-table">
      <table class="stacked">
        <thead>
          <tr>
            <th>{t("alarm.priority")}</th>
            <th>{t("alarm.what")}</th>
            <th>{t("alarm.where")}</th>
            <th>{t("alarm.since")}</th>
            <th>{t("alarm.state")}</th>
            <th>
              <span class="visually-hidden">{t("alarm.actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((alarm) => (
            <Row key={alarm.id} alarm={alarm} chosen={chosen === alarm.id} choose={choose} acknowledge={acknowledge} shelve={shelve} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ alarm, chosen, choose, acknowledge, shelve }: Omit<RowsProps, "rows" | "chosen"> & { alarm: Alarm; chosen: boolean }) {
  const rings = alarm.state === "unacknowledged" || alarm.state === "returned";
  const raised = alarm.raised ? Date.parse(alarm.raised) : null;
  return (
    <tr data-alarm={alarm.key} data-state={alarm.state} data-priority={alarm.priority} data-chosen={chosen || undefined}>
      <td data-label={t("alarm.priority")}>
        <PriorityMark alarm={alarm} />
      </td>
      <td data-label={t("alarm.what")}>
        <button type="button" class="row-link alarm-name" aria-expanded={chosen} onClick={() => choose(alarm.id)}>
          {subject(alarm)} <span class="muted alarm-device">{deviceText(alarm)}</span>
        </button>
        <span class="alarm-finding num">{finding(alarm)}</span>
        {alarm.first_out && rings && (
          <span class="first-out" title={t("alarm.firstOutAbout")}>
            {t("alarm.firstOut")}
          </span>
        )}
      </td>
      <td data-label={t("alarm.where")} class="muted">
        {placeText(alarm)}
      </td>
      <td data-label={t("alarm.since")}>{raised === null ? "–" : <Age ms={raised} />}</td>
      <td data-label={t("alarm.state")}>
        <span class="alarm-state">{t(STATE_TEXT[alarm.state])}</span>
        <SilentWhy alarm={alarm} />
      </td>
      <td class="alarm-actions">
        {rings && acknowledge && (
          <button type="button" class="button small" aria-label={t("alarm.ackOne", { name: subject(alarm) })} onClick={() => acknowledge(alarm)}>
            {t("alarm.ack")}
          </button>
        )}
        {alarm.state !== "shelved" && alarm.state !== "suppressed" && shelve && (
          <button type="button" class="button small quiet" aria-label={t("alarm.shelveOne", { name: subject(alarm) })} onClick={() => shelve(alarm)}>
            {t("alarm.shelve")}
          </button>
        )}
      </td>
    </tr>
  );
}

export function PriorityMark({ alarm }: { alarm: Alarm }) {
  return (
    <span class="priority" data-priority={alarm.priority} data-rings={alarm.state === "unacknowledged" || undefined}>
      <Icon name={PRIORITY_ICON[alarm.priority]} size={14} />
      {t(PRIORITY_TEXT[alarm.priority])}
    </span>
  );
}

function SilentWhy({ alarm }: { alarm: Alarm }) {
  const why = alarm.suppressed_why || alarm.shelved_why || alarm.out_of_service_why;
  return why ? <span class="muted alarm-why">{why}</span> : null;
}

/** Of which device a point is; of fifty alarms of temperatures nobody else would know. */
function deviceText(alarm: Alarm): string {
  const point = alarm.point === null || alarm.source === "device" ? undefined : points.value.get(alarm.point);
  return point ? deviceName(point) : "";
}

function placeText(alarm: Alarm): string {
  const place = places.value.get(alarm.space ?? alarm.element ?? "");
  if (place) return placeName(place.node);
  return alarm.point_key.split("/").slice(0, 2).join(" / ");
}
