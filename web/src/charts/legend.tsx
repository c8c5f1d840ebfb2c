import type { Signal } from "@preact/signals";
import type { Point } from "../api/types";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { spansOfPoint } from "../state/alarm_spans";
import { deviceName, pointName, zone } from "../state/catalogue";
import { at, live } from "../state/time";
import { cursorTime, type Trends } from "../state/trends";
import { valueAt, type Line } from "./align";
import { DASHES } from "./axes";

interface LegendProps {
  points: readonly Point[];
  trends: Signal<Trends>;
  lines: () => Map<number, Line>;
  /** the same points at the compared time */
  past?: () => Map<number, Line>;
  unit: string;
  onRemove?: (point: number) => void;
}

/** Names, line samples and the values under the shared cursor (else at the instant shown). */
export function Legend({ points, trends, lines, past, unit, onRemove }: LegendProps) {
  const seconds = cursorTime.value ?? at.value / 1000;
  const { series } = trends.value;
  const drawn = lines();
  const before = past?.();
  const rings = points.flatMap((point) => spansOfPoint(point.id).filter((span) => span.from <= seconds * 1000 && (span.to ?? Infinity) >= seconds * 1000));
  return (
    <header class="legend">
      <span class="legend-unit">{unit || t("chart.noUnit")}</span>
      <ul>
        {points.map((point, i) => (
          <li key={point.id}>
            <Swatch index={i} />
            <Link to={{ view: "point", id: point.id }}>
              {pointName(point)} <span class="muted">{deviceName(point)}</span>
            </Link>
            <output class="num">{format.value(valueAt(drawn.get(point.id), seconds))}</output>
            {before && <span class="num muted legend-past">{format.value(valueAt(before.get(point.id), seconds))}</span>}
            {onRemove && <RemoveButton point={point} onRemove={onRemove} />}
          </li>
        ))}
      </ul>
      {rings.length > 0 && (
        <Link to={{ view: "alarms" }} class="legend-alarm">
          <Icon name="high" size={12} /> {t("mark.standing", { n: rings.length })}
        </Link>
      )}
      <span class="muted num legend-time">
        {(cursorTime.value !== null || !live.value) && format.moment(seconds * 1000, zone.value)}
        {cursorTime.value === null && live.value && resolution(points, series)}
      </span>
    </header>
  );
}

/** Is every reading drawn, or the extremes of how many? */
function resolution(points: readonly Point[], series: Trends["series"]): string {
  const known = points.flatMap((point) => series.get(point.id) ?? []);
  if (!known.length) return "";
  const rows = known.reduce((sum, one) => sum + one.source_rows, 0);
  return t(known.some((one) => one.downsampled) ? "chart.thinned" : "chart.raw", { n: rows });
}

export function RemoveButton({ point, onRemove }: { point: Point; onRemove: (point: number) => void }) {
  const text = t("trend.remove", { name: pointName(point) });
  return (
    <button type="button" class="icon-button" aria-label={text} title={text} onClick={() => onRemove(point.id)}>
      <Icon name="close" size={14} />
    </button>
  );
}

function Swatch({ index }: { index: number }) {
  return (
    <svg class="swatch" width="26" height="8" viewBox="0 0 26 8" aria-hidden="true" style={{ color: `var(--series-${(index % 6) + 1})` }}>
      <path d="M1 4h24" stroke="currentColor" stroke-width="2.5" stroke-dasharray={DASHES[index % DASHES.length]!.join(" ") || undefined} />
    </svg>
  );
}
