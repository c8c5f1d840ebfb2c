import type uPlot from "uplot";
import type { Series } from "../api/types";
import type { AlarmSpan } from "../state/alarm_spans";
import type { Colours } from "./axes";

const BAND_ALPHA = 0.13;
const EDGE_PX = 3;
const SCORE_PX = 6;
/** -log10 p: at six one in a million is as rare. */
const SCORE_FULL = 6;
const SCORE_ALPHA_MIN = 0.06;

/** An alarm of the point, from raised to returned: a tone behind the line and an edge above it. */
export function paintAlarm(plot: uPlot, span: AlarmSpan, colours: Colours): void {
  const { ctx, bbox } = plot;
  const [left, right] = reach(plot, span.from, span.to ?? plot.scales["x"]!.max! * 1000);
  if (right <= left) return;
  ctx.save();
  ctx.fillStyle = span.priority === "critical" || span.priority === "high" ? colours.grave : colours.limit;
  ctx.globalAlpha = BAND_ALPHA;
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.globalAlpha = 1;
  ctx.fillRect(left, bbox.top, right - left, EDGE_PX * devicePixelRatio);
  ctx.restore();
}

/** How unusual the point was, as a strip on the ground line: the darker, the rarer. */
export function paintScore(plot: uPlot, scores: Series | undefined, colours: Colours): void {
  if (!scores) return;
  const { ctx, bbox } = plot;
  const height = SCORE_PX * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = colours.limit;
  for (let i = 0; i + 1 < scores.t.length; i++) {
    const score = scores.v[i];
    if (typeof score !== "number") continue;
    const alpha = Math.min(1, score / SCORE_FULL);
    const [left, right] = reach(plot, scores.t[i]!, scores.t[i + 1]!);
    if (alpha < SCORE_ALPHA_MIN || right <= left) continue;
    ctx.globalAlpha = alpha;
    ctx.fillRect(left, bbox.top + bbox.height - height, right - left, height);
  }
  ctx.restore();
}

/** From and to (ms) in pixels of the canvas, within the plot. */
function reach(plot: uPlot, from: number, to: number): [number, number] {
  const { left, width } = plot.bbox;
  const x = (ms: number) => Math.min(left + width, Math.max(left, plot.valToPos(ms / 1000, "x", true)));
  return [x(from), x(to)];
}
