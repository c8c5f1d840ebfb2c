import { useComputed } from "@preact/signals";
import type { Point } from "../api/types";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { placeName, placeOf, deviceName, pointName, zone } from "../state/catalogue";
import { conditionOf, remarks } from "../state/condition";
import { go, route, toggleTrend, trendPoints } from "../state/route";
import { at, live } from "../state/time";
import { cell } from "../state/values";
import { Age } from "./age";
import { ConditionMark } from "./condition_mark";
import { Icon } from "./icon";
import { Link } from "./link";
import { RangeBar } from "./range_bar";
import { Sparkline } from "./sparkline";

/** One point as a value block: name, number with unit, where it lies in its range, the last hour, quality and age. */
export function ValueTile({ point, device = true }: { point: Point; device?: boolean }) {
  const source = cell(point.id);
  const condition = useComputed(() => conditionOf(point, source.value, at.value)).value;
  const reading = source.value;
  const number = typeof reading?.v === "number" ? reading.v : null;
  return (
    <article class="tile" data-condition={condition}>
      <header>
        <h3>
          <Link to={{ view: "point", id: point.id }}>{pointName(point)}</Link>
        </h3>
        <TrendToggle point={point} />
      </header>
      {device && <p class="tile-device">{[under(point), deviceName(point)].filter(Boolean).join(" · ")}</p>}
      <p class="tile-value" data-text={typeof reading?.v === "string" || undefined}>
        <span class="number">{format.value(reading?.v ?? null)}</span>
        {point.unit && <span class="unit">{unitText(point.unit)}</span>}
      </p>
      {point.kind === "value" && <RangeBar point={point} value={number} />}
      {point.kind === "value" && <Sparkline point={point.id} />}
      <footer>
        {condition === "ok" ? <span class="muted">{t("condition.ok")}</span> : <ConditionMark condition={condition} />}
        {remarks(reading?.q ?? 0).map((flag) => (
          <Remark key={flag} flag={flag} />
        ))}
        <span class="spacer" />
        {reading?.t != null && (live.value ? <Age ms={reading.t} /> : <span class="muted num">{format.clock(reading.t, zone.value)}</span>)}
      </footer>
    </article>
  );
}

/** The place, when the tile is not on that place's own faceplate. */
function under(point: Point): string | undefined {
  const now = route.value;
  const place = placeOf(point);
  return now.view === "place" && place && now.id !== place.node.id ? placeName(place.node) : undefined;
}

export function Remark({ flag }: { flag: ReturnType<typeof remarks>[number] }) {
  const text = { timeSuspect: "remark.timeSuspect", simulated: "remark.simulated", historical: "remark.historical", substituted: "remark.substituted" } as const;
  return <span class="remark">{t(text[flag])}</span>;
}

export function TrendToggle({ point }: { point: Point }) {
  const on = trendPoints.value.includes(point.id);
  return (
    <button
      type="button"
      class="icon-button"
      aria-pressed={on}
      aria-label={t(on ? "trend.remove" : "trend.add", { name: pointName(point) })}
      title={t(on ? "trend.remove" : "trend.add", { name: pointName(point) })}
      onClick={() => toggleTrend(point.id)}
    >
      <Icon name={on ? "check" : "trends"} />
    </button>
  );
}

/** All of these points on the trend page. */
export function TrendAll({ points }: { points: readonly Point[] }) {
  if (!points.length) return null;
  return (
    <button type="button" class="button" onClick={() => go({ view: "trends", points: points.slice(0, 12).map((point) => point.id) })}>
      <Icon name="trends" />
      {t("trend.openAll")}
    </button>
  );
}
