import { effect, untracked } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { zone } from "../state/catalogue";
import { theme } from "../state/settings";
import { at, live, nowMs, range, zoomOut, zoomTo } from "../state/time";
import { cursorTime } from "../state/trends";
import { coloursOf, timeAxis, valueAxis, zoned, type Colours } from "./axes";
import { valueRange } from "./axes_range";

const REDRAW_MS_MIN = 200;
const BRUSH_PX_MIN = 6;

export interface PlotProps {
  height: number;
  /** changes when the plot must be made anew (other series) */
  identity: string;
  lanes?: boolean;
  limits?: readonly (number | null)[];
  series: (colours: Colours) => uPlot.Series[];
  /** the data to draw now; called at most five times a second */
  data: () => uPlot.AlignedData;
  /** subscribe to what changes the data */
  watch: () => void;
  paint?: (plot: uPlot, colours: Colours) => void;
  /** drawn before the lines, under them */
  ground?: (plot: uPlot, colours: Colours) => void;
  label: string;
}

/** A uPlot under the page's one time control: same range, same cursor, brush to zoom, double-click to go back. */
export function Plot(props: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const element = host.current!;
    let stopPlot = () => {};
    const stop = effect(() => {
      theme.value;
      zone.value;
      untracked(() => {
        stopPlot();
        stopPlot = mount(element, latest);
      });
    });
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const again = () => {
      stopPlot();
      stopPlot = mount(element, latest);
    };
    scheme.addEventListener("change", again);
    return () => {
      scheme.removeEventListener("change", again);
      stop();
      stopPlot();
    };
  }, [props.identity, props.height]);
  return <div class="plot" ref={host} role="img" aria-label={props.label} style={{ height: `${props.height}px` }} />;
}

function mount(host: HTMLDivElement, latest: { current: PlotProps }): () => void {
  const colours = coloursOf(host);
  const plot = new uPlot(options(host, colours, latest), latest.current.data(), host);
  plot.over.addEventListener("dblclick", zoomOut);
  const stopTouch = followTouch(plot);
  const resize = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: latest.current.height }));
  resize.observe(host);

  let timer: ReturnType<typeof setTimeout> | undefined;
  let drawnAt = 0;
  const draw = () => {
    timer = undefined;
    drawnAt = performance.now();
    if (document.hidden) return;
    const { from, to } = range.peek();
    const data = latest.current.data();
    if (data.length !== plot.series.length) return; // other series are about to be mounted
    plot.batch(() => {
      plot.setData(data, false);
      plot.setScale("x", { min: from / 1000, max: to / 1000 });
    });
  };
  const stopData = effect(() => {
    latest.current.watch();
    range.value;
    at.value;
    if (live.value) nowMs.value;
    untracked(() => {
      timer ??= setTimeout(draw, Math.max(0, REDRAW_MS_MIN - (performance.now() - drawnAt)));
    });
  });
  return () => {
    clearTimeout(timer);
    stopData();
    stopTouch();
    resize.disconnect();
    plot.destroy();
  };
}

function options(host: HTMLDivElement, colours: Colours, latest: { current: PlotProps }): uPlot.Options {
  const { lanes = false, height } = latest.current;
  return {
    width: Math.max(50, host.clientWidth),
    height,
    padding: [8, 12, 0, 0],
    tzDate: zoned(zone.peek()),
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [range.peek().from / 1000, range.peek().to / 1000] },
      y: { range: (_, min, max) => (lanes ? [0, 1] : valueRange(min, max, latest.current.limits ?? [])) },
    },
    axes: [timeAxis(colours, zone.peek()), valueAxis(colours, !lanes)],
    cursor: {
      // the pointer is shared, the brush is not: one drag is one zoom
      sync: { key: "time", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      drag: { x: true, y: false, setScale: false },
      points: { show: !lanes, size: 6 },
    },
    series: [{}, ...latest.current.series(colours)],
    hooks: {
      setCursor: [(plot) => publish(plot)],
      setSelect: [(plot) => brush(plot)],
      drawClear: [(plot) => latest.current.ground?.(plot, colours)],
      draw: [
        (plot) => {
          latest.current.paint?.(plot, colours);
          if (!live.peek()) markInstant(plot, colours);
        },
      ],
    },
  };
}

function publish(plot: uPlot): void {
  const left = plot.cursor.left ?? -1;
  const next = left < 0 ? null : plot.posToVal(left, "x");
  if (next !== cursorTime.peek()) cursorTime.value = next;
}

function brush(plot: uPlot): void {
  const { left, width } = plot.select;
  if (width < BRUSH_PX_MIN) return;
  const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoomTo(from * 1000, to * 1000);
}

/** The instant shown, in the colour of the history frame. */
function markInstant(plot: uPlot, colours: Colours): void {
  const x = plot.valToPos(at.peek() / 1000, "x", true);
  const { ctx, bbox } = plot;
  if (x < bbox.left || x > bbox.left + bbox.width + 1) return;
  ctx.save();
  ctx.strokeStyle = colours.at;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** The cursor follows a finger; moving up and down still scrolls the page. */
function followTouch(plot: uPlot): () => void {
  const move = (event: TouchEvent) => {
    const touch = event.touches[0];
    if (!touch) return;
    const box = plot.over.getBoundingClientRect();
    plot.setCursor({ left: touch.clientX - box.left, top: touch.clientY - box.top });
  };
  plot.over.addEventListener("touchstart", move, { passive: true });
  plot.over.addEventListener("touchmove", move, { passive: true });
  return () => {
    plot.over.removeEventListener("touchstart", move);
    plot.over.removeEventListener("touchmove", move);
  };
}
