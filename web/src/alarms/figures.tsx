import { useState } from "preact/hooks";
import * as queries from "../api/alarms";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { alarmSummary } from "../state/alarms";
import { useResource } from "../state/resource";
import { live, nowMs, range } from "../state/time";

const DAY_MS = 86_400_000;
const FLOOD = 10;

/** How well the alarms serve people, after EEMUA 191: opened when asked for. */
export function FiguresPanel() {
  const [open, setOpen] = useState(false);
  return (
    <details class="panel alarm-figures" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("alarm.figures")}</summary>
      {open && <Figures />}
    </details>
  );
}

function Figures() {
  const hour = Math.ceil(nowMs.value / 3_600_000) * 3_600_000;
  const [from, to] = live.value ? [hour - DAY_MS, hour] : [range.value.from, range.value.to];
  const [resource] = useResource(`figures ${from} ${to} ${alarmSummary.value.version}`, (abort) => queries.figures(from, to, abort));
  const found = resource.value.data;
  if (!found) return null;
  const { per_hour, acceptable_per_hour, median_s_to_acknowledge: answer } = found;
  return (
    <>
      <dl class="measures">
        <Figure name={t("alarm.perHour")} text={format.number(per_hour, 1)} bad={per_hour > acceptable_per_hour} />
        <Figure name={t("alarm.peak")} text={format.number(found.peak_10_min)} bad={found.peak_10_min > FLOOD} />
        <Figure name={t("alarm.floodShare")} text={format.percent(found.flood_share)} bad={found.flood_share > 0.01} />
        <Figure name={t("alarm.chattering")} text={format.number(found.chattering.length)} bad={found.chattering.length > 0} />
        <Figure name={t("alarm.standing")} text={format.number(found.standing_over_a_day.length)} bad={found.standing_over_a_day.length > 10} />
        <Figure name={t("alarm.answer")} text={answer === null ? "–" : format.duration(answer)} bad={false} />
      </dl>
      {found.most_frequent.length > 0 && (
        <ol class="alarm-frequent">
          {found.most_frequent.map((one) => (
            <li key={one.alarm}>
              <span class="num">{format.number(one.count)}×</span> {one.key}
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

function Figure({ name, text, bad }: { name: string; text: string; bad: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="num" data-abnormal={bad || undefined}>
        {bad && <Icon name="high" size={12} />}
        {text}
      </dd>
    </div>
  );
}
