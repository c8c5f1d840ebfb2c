import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { Point } from "../api/types";
import { t } from "../i18n";
import { unitText } from "../i18n/units";
import { alarmSpans, spansOfPoint } from "../state/alarm_spans";
import { pointName } from "../state/catalogue";
import { range } from "../state/time";
import type { Trends } from "../state/trends";
import { lineOf, type Line } from "./align";
import { DASHES, type Colours } from "./axes";
import { paintAlarm, paintScore } from "./bands";
import { Legend } from "./legend";
import { Plot } from "./plot";

const GHOST_DASH = [3, 3];
const NULLS_RETAINED = 1;
/** A gap of one line stays open however often another line was read meanwhile. */
const NULLS_EXPANDED = 2;

interface LineChartProps {
  points: readonly Point[];
  trends: Signal<Trends>;
  width: number;
  height?: number;
  onRemove?: (point: number) => void;
  /** the same points at another time; empty when nothing is compared */
  ghosts: Signal<Trends>;
  scores: Signal<Trends>;
}

/** Points of one unit on one axis, with limits, gaps, bad readings, alarms and the past beside them visible. */
export function LineChart({ points, trends, ghosts, scores, width, height = 220, onRemove }: LineChartProps) {
  const unit = unitText(points[0]?.unit ?? "");
  const lines = useMemo(() => lineCache(points, trends, width), [points, trends, width]);
  const past = useMemo(() => lineCache(points, ghosts, width), [points, ghosts, width]);
  const compared = ghosts.value.series.size > 0;
  const limits = points.length === 1 ? [points[0]!.low, points[0]!.high] : [];
  return (
    <section class="chart">
      <Legend points={points} trends={trends} lines={lines} {...(compared ? { past } : {})} unit={unit} {...(onRemove ? { onRemove } : {})} />
      <Plot
        identity={`${points.map((point) => point.id).join()} ${compared}`}
        height={height}
        limits={limits}
        label={t("chart.label", { names: points.map(pointName).join(", ") })}
        watch={() => void (trends.value, ghosts.value, scores.value, alarmSpans.value)}
        data={() => joined([...lines().values(), ...(compared ? past().values() : [])])}
        series={(colours) => [...points.map((point, i) => lineSeries(point, i, colours)), ...(compared ? points.map((point, i) => ghostSeries(point, i, colours)) : [])]}
        ground={(plot, colours) => {
          for (const point of points) {
            for (const span of spansOfPoint(point.id)) paintAlarm(plot, span, colours);
            paintScore(plot, scores.peek().series.get(point.id), colours);
          }
        }}
        paint={(plot, colours) => {
          for (const limit of limits) if (limit !== null) paintLimit(plot, limit, colours);
          for (const line of lines().values()) paintBad(plot, line.bad, colours);
        }}
      />
    </section>
  );
}

function lineSeries(point: Point, i: number, colours: Colours): uPlot.Series {
  return {
    label: pointName(point),
    stroke: colours.series[i % colours.series.length]!,
    width: 1.5,
    dash: DASHES[i % DASHES.length]!,
    spanGaps: false,
    points: { size: 4 },
  };
}

/** The same point at the other time: the same colour, fainter and thinner. */
const ghostSeries = (point: Point, i: number, colours: Colours): uPlot.Series => ({
  ...lineSeries(point, i, colours),
  stroke: `color-mix(in srgb, ${colours.series[i % colours.series.length]!} 70%, ${colours.surface})`,
  width: 1,
  dash: GHOST_DASH,
  points: { show: false },
});

/** Lines are made again only when their series grew or were replaced. */
function lineCache(points: readonly Point[], trends: Signal<Trends>, width: number): () => Map<number, Line> {
  const made = new Map<number, { rows: readonly number[]; length: number; line: Line }>();
  return () => {
    const lines = new Map<number, Line>();
    const { from, to } = range.peek();
    for (const point of points) {
      const series = trends.peek().series.get(point.id);
      if (!series) continue;
      let found = made.get(point.id);
      if (found?.rows !== series.t || found.length !== series.t.length) {
        found = { rows: series.t, length: series.t.length, line: lineOf(series, (to - from) / width, point.period_s) };
        made.set(point.id, found);
      }
      lines.set(point.id, found.line);
    }
    return points.reduce((all, { id }) => all.set(id, lines.get(id) ?? { x: [], y: [], bad: [] }), new Map<number, Line>());
  };
}

function joined(lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map((line): uPlot.AlignedData => [line.x, line.y]);
  return tables.length === 1 ? tables[0]! : uPlot.join(tables, tables.map(() => [NULLS_RETAINED, NULLS_EXPANDED]));
}

function paintLimit(plot: uPlot, limit: number, colours: Colours): void {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(limit, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.strokeStyle = colours.limit;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/** Readings without a usable number: small diamonds on the ground line, where the gap is. */
function paintBad(plot: uPlot, times: readonly number[], colours: Colours): void {
  const { ctx, bbox } = plot;
  const size = 4 * devicePixelRatio;
  const y = bbox.top + bbox.height - size;
  ctx.save();
  ctx.fillStyle = colours.bad;
  for (const time of times) {
    const x = plot.valToPos(time, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, y - size);
    ctx.lineTo(x + size, y);
    ctx.lineTo(x, y + size);
    ctx.lineTo(x - size, y);
    ctx.fill();
  }
  ctx.restore();
}
