import { useEffect, useRef } from "preact/hooks";
import { spark, type Spark } from "../state/sparks";

const HEIGHT = 36;

/** The last hour in one stroke: min and max kept, gaps left open, limits not drawn (the bar above shows them). */
export function Sparkline({ point }: { point: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const trace = spark(point);
  useEffect(() => trace.subscribe((now) => canvas.current && draw(canvas.current, now)), [trace]);
  useEffect(() => {
    const watch = new ResizeObserver(() => canvas.current && draw(canvas.current, trace.peek()));
    if (canvas.current) watch.observe(canvas.current);
    return () => watch.disconnect();
  }, [trace]);
  return <canvas class="sparkline" ref={canvas} height={HEIGHT} aria-hidden="true" />;
}

function draw(canvas: HTMLCanvasElement, { t, v, from, to, gapMs }: Spark): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.width = Math.max(1, width * ratio);
  canvas.height = HEIGHT * ratio;
  const pen = canvas.getContext("2d");
  if (!pen || !t.length) return;
  const [min, max] = extent(v);
  if (min === null || max === null) return;
  const flat = max - min < 1e-9 * Math.max(1, Math.abs(max));
  const x = (ms: number) => 2 + ((ms - from) / (to - from)) * (width - 4);
  const y = (value: number) => (flat ? HEIGHT / 2 : HEIGHT - 4 - ((value - min) / (max - min)) * (HEIGHT - 8));
  pen.scale(ratio, ratio);
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.lineWidth = 1.25;
  pen.lineJoin = "round";
  pen.beginPath();
  let last: number | null = null;
  for (let i = 0; i < t.length; i++) {
    const value = v[i];
    if (value == null) {
      last = null;
      continue;
    }
    if (last === null || t[i]! - last > gapMs) pen.moveTo(x(t[i]!), y(value));
    else pen.lineTo(x(t[i]!), y(value));
    last = t[i]!;
  }
  pen.stroke();
}

function extent(values: readonly (number | null)[]): [number | null, number | null] {
  let min: number | null = null;
  let max: number | null = null;
  for (const value of values) {
    if (value === null) continue;
    if (min === null || value < min) min = value;
    if (max === null || value > max) max = value;
  }
  return [min, max];
}
