import { effect, untracked } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { SchedulePage } from "../api/plan_types";
import { coloursOf, timeAxis, zoned, type Colours } from "../charts/axes";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { theme } from "../state/settings";
import { at, seek } from "../state/time";

const HEIGHT_PX = 220;
const FONT = "12px system-ui, sans-serif";
const SETS = [
  { name: "planned", text: "plan.planned", dash: [6, 4], width: 1.5 },
  { name: "actual", text: "plan.actual", dash: [], width: 2.5 },
  { name: "forecast", text: "plan.forecast", dash: [2, 3], width: 2 },
] as const;

/** The share of the work that was to be done, was done and is expected, over the whole plan; a click shows that moment. */
export function SCurve({ curve }: { curve: SchedulePage["s_curve"] }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (curve.times.length < 2) return;
    let stop = () => {};
    const draw = () => (stop(), (stop = mount(host.current!, curve)));
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    const follow = effect(() => {
      theme.value;
      zone.value;
      untracked(draw);
    });
    return () => (scheme.removeEventListener("change", draw), follow(), stop());
  }, [curve]);
  return (
    <section class="panel s-curve">
      <h2>{t("schedule.curve")}</h2>
      <ul class="curve-legend">
        {SETS.map(({ name, text, dash }) => (
          <li key={name}>
            <svg width="26" height="8" viewBox="0 0 26 8" aria-hidden="true" data-set={name}>
              <path d="M1 4h24" stroke="currentColor" stroke-width="2.5" stroke-dasharray={dash.join(" ") || undefined} />
            </svg>
            {t(text)} <strong class="num">{share(curve, name)}</strong>
          </li>
        ))}
      </ul>
      <div class="plot" ref={host} role="img" aria-label={t("schedule.curve")} style={{ height: `${HEIGHT_PX}px` }} />
    </section>
  );
}

/** A set's share at the instant shown, between the two nearest points of the curve; after the last report, that one. */
function share(curve: SchedulePage["s_curve"], name: "planned" | "actual" | "forecast"): string {
  const shown = at.value;
  const times = curve.times.map((iso) => Date.parse(iso));
  const after = times.findIndex((ms) => ms >= shown);
  const i = after < 0 ? times.length - 1 : after;
  const [b, a] = [curve[name][i] ?? null, curve[name][Math.max(0, i - 1)] ?? null];
  if (b === null || a === null || after < 0) {
    const last = curve[name].slice(0, i + 1).findLast((one) => one !== null);
    return last == null ? "–" : format.percent(last);
  }
  const wide = times[i]! - times[Math.max(0, i - 1)]!;
  return format.percent(wide ? a + ((b - a) * (shown - times[Math.max(0, i - 1)]!)) / wide : b);
}

function mount(host: HTMLDivElement, curve: SchedulePage["s_curve"]): () => void {
  const colours = coloursOf(host);
  const style = getComputedStyle(host);
  const stroke = { planned: colours.text, actual: style.getPropertyValue("--plan-progress").trim(), forecast: style.getPropertyValue("--future").trim() };
  const data: uPlot.AlignedData = [curve.times.map((iso) => Date.parse(iso) / 1000), ...SETS.map(({ name }) => curve[name] as (number | null)[])];
  const plot = new uPlot(
    {
      width: Math.max(50, host.clientWidth),
      height: HEIGHT_PX,
      padding: [8, 12, 0, 0],
      tzDate: zoned(zone.peek()),
      legend: { show: false },
      scales: { x: { time: true }, y: { range: [0, 1] } },
      axes: [timeAxis(colours, zone.peek()), { ...axis(colours), values: (_, splits) => splits.map((v) => format.percent(v)) }],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      series: [{}, ...SETS.map(({ name, dash, width }) => ({ stroke: stroke[name], dash: [...dash], width, points: { show: false } }))],
      hooks: { draw: [(u) => markAt(u, colours)] },
    },
    data,
    host,
  );
  plot.over.addEventListener("click", () => plot.cursor.left != null && plot.cursor.left >= 0 && seek(plot.posToVal(plot.cursor.left, "x") * 1000));
  const resize = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: HEIGHT_PX }));
  resize.observe(host);
  const stop = effect(() => {
    at.value;
    untracked(() => plot.redraw(false));
  });
  return () => {
    stop();
    resize.disconnect();
    plot.destroy();
  };
}

const axis = (colours: Colours): uPlot.Axis => ({ stroke: colours.text, font: FONT, size: 48, grid: { stroke: colours.grid, width: 1 }, ticks: { show: false } });

function markAt({ ctx, bbox, valToPos }: uPlot, colours: Colours): void {
  const x = valToPos(at.peek() / 1000, "x", true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colours.at;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
