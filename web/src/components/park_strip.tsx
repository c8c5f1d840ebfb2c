import { useMemo } from "preact/hooks";
import type { Point } from "../api/types";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { unitText } from "../i18n/units";
import { deviceName, points } from "../state/catalogue";
import { conditionOf, QUALITY, RANK, usable, type Condition } from "../state/condition";
import { parkFigures, sumOf, type Figure } from "../state/headlines";
import { TREND_POINTS_MAX } from "../state/route";
import { useSparks } from "../state/sparks";
import { at, live } from "../state/time";
import { cell } from "../state/values";
import { Age } from "./age";
import { ConditionMark } from "./condition_mark";
import { Link } from "./link";
import { Sparkline } from "./sparkline";

const FIGURE_TEXT: Record<Figure, Key> = {
  power: "park.power",
  pv: "park.pv",
  outdoor: "park.outdoor",
  occupancy: "park.occupancy",
};

/** The park in one line, live or at the instant shown: what it draws, what the sun gives, how cold it is, who is in. */
export function ParkStrip() {
  const known = points.value;
  const figures = useMemo(() => parkFigures(known.values()), [known]);
  useSparks(figures.flatMap((one) => (one.points.length === 1 ? one.points[0]!.id : [])));
  if (!figures.length) return null;
  return (
    <section class="park" aria-label={t("park.title")}>
      {figures.map((one) => (
        <Tile key={one.figure} {...one} />
      ))}
    </section>
  );
}

function Tile({ figure, points: own }: { figure: Figure; points: Point[] }) {
  const sum = sumOf(own.map((point) => ({ unit: point.unit, v: numberOf(cell(point.id).value) })));
  const condition = worst(own);
  const only = own.length === 1 ? own[0]! : null;
  return (
    <Link class="figure" to={only ? { view: "point", id: only.id } : { view: "trends", points: own.slice(0, TREND_POINTS_MAX).map((point) => point.id) }}>
      <span class="figure-name">{t(FIGURE_TEXT[figure])}</span>
      <span class="figure-value">
        <span class="number">{format.brief(sum.v)}</span> <span class="unit">{unitText(sum.unit)}</span>
      </span>
      <span class="figure-of">
        {condition === "ok" ? only ? deviceName(only) : t("count.points", { n: own.length }) : <ConditionMark condition={condition} />}
        {only && live.value && historicalAt(only.id) !== null && (
          <>
            {" · "}
            <Age ms={historicalAt(only.id)!} />
          </>
        )}
      </span>
      {only && <Sparkline point={only.id} />}
    </Link>
  );
}

/** A recording that is played in keeps its own time; shown as live it must say how old it is. */
function historicalAt(point: number): number | null {
  const reading = cell(point).value;
  return reading && reading.q & QUALITY.historical ? reading.t : null;
}

function numberOf(reading: ReturnType<typeof cell>["value"]): number | null {
  return reading && typeof reading.v === "number" && usable(reading.q) ? reading.v : null;
}

function worst(own: readonly Point[]): Condition {
  const found = own.map((point) => conditionOf(point, cell(point.id).value, at.value));
  return found.reduce((a, b) => (RANK[b] < RANK[a] ? b : a), "ok" as Condition);
}
