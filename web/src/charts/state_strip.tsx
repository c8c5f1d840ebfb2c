import type { Signal } from "@preact/signals";
import type uPlot from "uplot";
import type { Point } from "../api/types";
import { Link } from "../components/link";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { deviceName, pointName, zone } from "../state/catalogue";
import { at, live, range } from "../state/time";
import { cursorTime, type Trends } from "../state/trends";
import { spansOf, type Span } from "./align";
import type { Colours } from "./axes";
import { RemoveButton } from "./legend";
import { Plot } from "./plot";

const HEIGHT = 72;

interface StateStripProps {
  point: Point;
  trends: Signal<Trends>;
  onRemove?: (point: number) => void;
}

/** A text point over time: each state a labelled span, told apart by shade and by its words. */
export function StateStrip({ point, trends, onRemove }: StateStripProps) {
  const spans = () => {
    const series = trends.peek().series.get(point.id);
    return series ? spansOf(series, live.peek() ? range.peek().to : Math.min(range.peek().to, Date.now())) : [];
  };
  trends.value;
  const seconds = cursorTime.value ?? at.value / 1000;
  const now = spans().findLast((span) => span.from <= seconds);
  return (
    <section class="chart">
      <header class="legend">
        <span class="legend-unit">{t("chart.state")}</span>
        <ul>
          <li>
            <Link to={{ view: "point", id: point.id }}>
              {pointName(point)} <span class="muted">{deviceName(point)}</span>
            </Link>
            <output>{now?.text || "–"}</output>
            {onRemove && <RemoveButton point={point} onRemove={onRemove} />}
          </li>
        </ul>
        <span class="muted num legend-time">{now && t("chart.since", { time: format.shortMoment(now.from * 1000, zone.value) })}</span>
      </header>
      <Plot
        identity={String(point.id)}
        height={HEIGHT}
        lanes
        label={t("chart.label", { names: pointName(point) })}
        watch={() => void trends.value}
        data={() => dataOf(spans())}
        series={() => [{ paths: () => null, points: { show: false } }]}
        paint={(plot, colours) => paintSpans(plot, spans(), colours)}
      />
    </section>
  );
}

function dataOf(spans: readonly Span[]): uPlot.AlignedData {
  return [spans.map((span) => span.from), spans.map(() => 0.5)];
}

function paintSpans(plot: uPlot, spans: readonly Span[], colours: Colours): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const texts = [...new Set(spans.map((span) => span.text))];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const span of spans) {
    const left = Math.max(bbox.left, plot.valToPos(span.from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(span.to, "x", true));
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.globalAlpha = span.good ? 0.16 + 0.12 * (texts.indexOf(span.text) % 4) : 1;
    ctx.fillStyle = span.good ? colours.series[texts.indexOf(span.text) % colours.series.length]! : colours.bad;
    ctx.fillRect(left, bbox.top, Math.max(ratio, right - left - ratio), bbox.height);
    ctx.globalAlpha = 1;
    label(ctx, span.text, left + 6 * ratio, bbox.top + bbox.height / 2, right - left - 10 * ratio, span.good ? colours.text : colours.surface);
  }
  ctx.restore();
}

function label(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, room: number, colour: string): void {
  if (ctx.measureText(text).width > room) return;
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}
