import { useState } from "preact/hooks";
import type { Alarm, AlarmCause, AnomalyDetail } from "../api/alarm_types";
import * as queries from "../api/alarms";
import { TwinError } from "../api/http";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Needs } from "../components/needs";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { deviceName, pointName, points, zone } from "../state/catalogue";
import { go } from "../state/route";
import { live, setRange } from "../state/time";

const CHANNELS_SHOWN = 6;
const DIRECTIONS: Record<string, "anomaly.high" | "anomaly.low"> = { high: "anomaly.high", low: "anomaly.low" };

/** What a detector found: which channels, since when, when all was still well, and what probably lies behind it. */
export function Explanation({ alarm, detail, done }: { alarm: Alarm; detail: AnomalyDetail; done: () => void }) {
  return (
    <section class="explanation" aria-label={t("anomaly.title")}>
      {detail.cause.map((cause, i) => (
        <Cause key={`${cause.cause} ${cause.where}`} cause={cause} first={i === 0} />
      ))}
      <h3>{t("anomaly.channels")}</h3>
      <ul class="channel-list">
        {detail.channels.slice(0, CHANNELS_SHOWN).map((channel) => {
          const point = points.value.get(channel.id);
          const text = DIRECTIONS[channel.direction];
          return (
            <li key={channel.point}>
              {point ? (
                <Link to={{ view: "point", id: point.id }}>
                  {pointName(point)} <span class="muted">{deviceName(point)}</span>
                </Link>
              ) : (
                <span>{channel.point}</span>
              )}
              <span class="muted">{text ? t(text) : channel.direction}</span>
              <meter min={0} max={1} value={channel.share} aria-label={t("anomaly.share", { share: format.percent(channel.share) })} />
              <span class="num">{format.percent(channel.share)}</span>
            </li>
          );
        })}
      </ul>
      <p class="muted">
        {t("anomaly.score", { score: format.number(detail.score, 1, 1) })}
        {detail.model && ` · ${modelText(detail.model)}`}
      </p>
      {detail.nearest && detail.channels.length > 0 && (
        <button type="button" class="button" onClick={() => compareWith(detail)}>
          <Icon name="compare" size={14} />
          {t("anomaly.nearest", { time: format.shortMoment(Date.parse(detail.nearest.from), zone.value) })}
        </button>
      )}
      {live.value && (
        <Needs right="operate">
          <Feedback id={alarm.id} done={done} />
        </Needs>
      )}
    </section>
  );
}

const modelText = (model: NonNullable<AnomalyDetail["model"]>) => (typeof model === "string" ? model : `${model.id} ${model.version}`);

/** The window of the past that looks most like this one, on the charts of the same points. */
function compareWith({ channels, nearest }: AnomalyDetail): void {
  go({ view: "trends", points: channels.slice(0, CHANNELS_SHOWN).map((one) => one.id) });
  const [from, to] = [Date.parse(nearest!.from), Date.parse(nearest!.to)];
  const around = Math.max(600_000, to - from);
  setRange(from - around, to + around);
}

function Cause({ cause, first }: { cause: AlarmCause; first: boolean }) {
  return (
    <details class="cause" open={first}>
      <summary>
        <strong>{cause.title}</strong> {cause.name && <span class="muted">{cause.name}</span>}
        <span class="num cause-share">{format.percent(cause.p)}</span>
      </summary>
      {cause.evidence.length > 0 && (
        <ul>
          {cause.evidence.map((one, i) => (
            <li key={i}>{typeof one === "string" ? one : one.text}</li>
          ))}
        </ul>
      )}
      {cause.action && (
        <p>
          <strong>{t("alarm.action")}:</strong> {cause.action}
        </p>
      )}
    </details>
  );
}

/** Was it worth ringing? The answer moves the threshold of these streams, within bounds. */
function Feedback({ id, done }: { id: number; done: () => void }) {
  const [said, setSaid] = useState("");
  const say = (verdict: "true" | "false") =>
    queries.feedback(id, verdict).then(
      () => (setSaid(t("anomaly.thanks")), done()),
      (error: unknown) => setSaid(error instanceof TwinError ? error.message : String(error)),
    );
  return (
    <div class="feedback" role="group" aria-label={t("anomaly.worth")}>
      <span>{t("anomaly.worth")}</span>
      <button type="button" class="button" onClick={() => void say("true")}>
        <Icon name="check" size={14} />
        {t("anomaly.useful")}
      </button>
      <button type="button" class="button" onClick={() => void say("false")}>
        <Icon name="close" size={14} />
        {t("anomaly.falseAlarm")}
      </button>
      {said && <span role="status">{said}</span>}
    </div>
  );
}
