import { batch, computed, signal } from "@preact/signals";

/** The one time control of the page: everything shown, shows this instant and this range. */

export type Mode = "live" | "paused" | "playing";
export const SPEEDS = [1, 5, 10, 60, 300, 600] as const;
export const SPANS_S = [300, 900, 3_600, 21_600, 86_400, 604_800, 2_592_000] as const;
const SPAN_MS_USUAL = 3_600_000;
const SPAN_MS_MIN = 2_000;
const SPAN_MS_MAX = 20 * 365 * 86_400_000;
const ZOOMS_MAX = 30;

export const mode = signal<Mode>("live");
export const speed = signal<number>(60);
export const spanMs = signal<number>(SPAN_MS_USUAL);
/** Difference between the twin's clock and this browser's. */
export const clockSkewMs = signal(0);
/** Ticks once a second: what ages and the live range depend on. */
export const nowMs = signal(Date.now());

const fixed = signal<{ from: number; to: number; at: number }>({ from: 0, to: 0, at: 0 });
const zooms: { from: number; to: number }[] = [];

export const live = computed(() => mode.value === "live");
/** The instant shown; live means now. */
export const at = computed(() => (live.value ? nowMs.value : fixed.value.at));
export const range = computed(() =>
  live.value ? { from: nowMs.value - spanMs.value, to: nowMs.value } : { from: fixed.value.from, to: fixed.value.to },
);
/** A range that moves only when it has to be asked for again: live, that is never; fixed, with every change. */
export const fixedRange = computed(() => (live.value ? null : `${fixed.value.from}-${fixed.value.to}`));

export const twinNow = () => Date.now() + clockSkewMs.peek();

export function goLive(): void {
  batch(() => {
    zooms.length = 0;
    nowMs.value = twinNow();
    mode.value = "live";
  });
}

export function pause(): void {
  if (mode.value === "live") freeze();
  mode.value = "paused";
}

/** Play from the instant shown. From live there is nothing ahead: start at the left end of the range. */
export function play(): void {
  batch(() => {
    if (mode.value === "live") {
      freeze();
      fixed.value = { ...fixed.value, at: fixed.value.from };
    } else if (fixed.value.at >= fixed.value.to) fixed.value = { ...fixed.value, at: fixed.value.from };
    mode.value = "playing";
  });
}

export const togglePlay = () => (mode.value === "playing" ? pause() : play());

/** Show one instant. The range moves along when the instant lies outside; a future instant means live. */
export function seek(ms: number): void {
  if (ms >= twinNow()) return goLive();
  batch(() => {
    if (mode.value === "live") freeze();
    const { from, to } = fixed.value;
    const shift = ms < from ? ms - from : ms > to ? ms - to : 0;
    fixed.value = { from: from + shift, to: to + shift, at: ms };
    if (mode.value === "live") mode.value = "paused";
  });
}

/** One step of a hundredth of the range, rounded to a whole second, minute or hour. */
export function step(direction: 1 | -1, big = false): void {
  const { from, to } = range.value;
  seek(at.value + direction * stepMs(to - from) * (big ? 10 : 1));
}

export function stepMs(span: number): number {
  const wanted = span / 100;
  const nice = [1, 2, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 21_600, 86_400].map((s) => s * 1000);
  return nice.reduce((best, ms) => (Math.abs(ms - wanted) < Math.abs(best - wanted) ? ms : best));
}

/** Choose how much time is shown; in history mode around the instant shown. */
export function setSpan(ms: number): void {
  const span = Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, ms));
  batch(() => {
    spanMs.value = span;
    if (live.value) return;
    const now = twinNow();
    const to = Math.min(now, Math.max(fixed.value.at, fixed.value.at + span / 2));
    fixed.value = { from: to - span, to, at: fixed.value.at };
  });
}

/** Zoom to a range (brush); remembered for `zoomOut`. */
export function zoomTo(from: number, to: number): void {
  if (to - from < 1) return;
  batch(() => {
    zooms.push({ ...range.value });
    if (zooms.length > ZOOMS_MAX) zooms.shift();
    setRange(from, Math.max(to, from + SPAN_MS_MIN));
  });
}

export function zoomOut(): void {
  const back = zooms.pop();
  const { from, to } = back ?? widened();
  setRange(from, to);
}

/** Show exactly this range, at its right end when the instant shown lies outside. */
export function setRange(from: number, to: number): void {
  const end = Math.min(to, twinNow());
  batch(() => {
    const now = at.value;
    fixed.value = { from, to: end, at: !live.value && now >= from && now <= end ? now : end };
    spanMs.value = end - from;
    if (mode.value === "live") mode.value = "paused";
  });
}

/** Called a few times a second: moves the clock, and the instant shown while playing. */
export function tick(elapsedMs: number): void {
  if (mode.value === "playing") {
    const next = fixed.value.at + elapsedMs * speed.value;
    if (next >= twinNow()) goLive();
    else if (next >= fixed.value.to) batch(() => ((fixed.value = { ...fixed.value, at: fixed.value.to }), (mode.value = "paused")));
    else fixed.value = { ...fixed.value, at: next };
  }
}

/** A park that was just started has minutes to show: the shortest range that holds them, up to the usual hour. */
export function fitSpan(firstMs: number): void {
  const age = (twinNow() - firstMs) / 1000;
  const fitting = SPANS_S.find((s) => s >= age);
  if (live.value && spanMs.value === SPAN_MS_USUAL && fitting && fitting * 1000 < SPAN_MS_USUAL) spanMs.value = fitting * 1000;
}

/** `from,to,at` for the address; nothing while live with the default range. */
export function toParams(): Record<string, string> {
  if (live.value) return spanMs.value === SPAN_MS_USUAL ? {} : { span: String(Math.round(spanMs.value / 1000)) };
  const { from, to, at: shown } = fixed.value;
  const iso = (ms: number) => new Date(Math.round(ms)).toISOString();
  return { from: iso(from), to: iso(to), at: iso(shown) };
}

/** Take the control's state from an address. What is not a time is ignored. */
export function fromParams(params: URLSearchParams): void {
  const read = (name: string) => Date.parse(params.get(name) ?? "");
  const [from, to, shown] = [read("from"), read("to"), read("at")];
  const span = Number(params.get("span"));
  if (span > 0) spanMs.value = Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, span * 1000));
  if (Number.isNaN(from) && Number.isNaN(shown)) return;
  const end = Number.isNaN(to) ? (Number.isNaN(shown) ? from + spanMs.value : shown) : to;
  const start = Number.isNaN(from) ? end - spanMs.value : from;
  if (start >= end) return;
  batch(() => {
    fixed.value = { from: start, to: end, at: Number.isNaN(shown) ? end : Math.min(Math.max(shown, start), end) };
    spanMs.value = end - start;
    mode.value = "paused";
  });
}

function freeze(): void {
  const now = twinNow();
  fixed.value = { from: now - spanMs.value, to: now, at: now };
}

function widened(): { from: number; to: number } {
  const { from, to } = range.value;
  const half = (to - from) / 2;
  return { from: from - half, to: to + half };
}
