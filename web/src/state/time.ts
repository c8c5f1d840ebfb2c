import { batch, computed, signal } from "@preact/signals";

/** The one time control of the page: everything shown, shows this instant and this range. */

export type Mode = "live" | "paused" | "playing";
/** Times real time for what was measured; a plan of years is walked through in days (and weeks) a second. */
export const SPEEDS = [1, 5, 10, 60, 300, 600, 86_400, 604_800] as const;
export const SPANS_S = [300, 900, 3_600, 21_600, 86_400, 604_800, 2_592_000] as const;
const SPAN_MS_USUAL = 3_600_000;
const SPAN_MS_MIN = 2_000;
const SPAN_MS_MAX = 20 * 365 * 86_400_000;
const ZOOMS_MAX = 30;
/** A typed instant this close to now means live. */
const NOW_MS = 1_000;

export const mode = signal<Mode>("live");
/** A range longer than this is not walked through at the speeds of operations. */
const SLOW_SPEEDS_MS_MAX = 60 * 86_400_000;
const SLOW_SPEED_MAX = 600;
const SPEED_USUAL = 60;
export const speed = signal<number>(SPEED_USUAL);
export const spanMs = signal<number>(SPAN_MS_USUAL);
/** How far the live range reaches beyond now: 0 for operations, to the end of the plan when the whole plan is shown. */
export const aheadMs = signal<number>(0);
/** Playing starts again at the left end of the range instead of stopping at the right one. */
export const loop = signal(false);
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
  live.value ? { from: nowMs.value - spanMs.value, to: nowMs.value + aheadMs.value } : { from: fixed.value.from, to: fixed.value.to },
);
/** A range that moves only when it has to be asked for again: live, that is never; fixed, with every change. */
export const fixedRange = computed(() => (live.value ? null : `${fixed.value.from}-${fixed.value.to}`));

/** The instant shown lies ahead: there are no readings, only the plan and its forecast. */
export const future = computed(() => !live.value && fixed.value.at > nowMs.value);

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

/** Show one instant, past or future. The range moves along when the instant lies outside; now means live. */
export function seek(ms: number): void {
  if (Math.abs(ms - twinNow()) < NOW_MS) return goLive();
  batch(() => {
    if (mode.value === "live") freeze();
    const { from, to } = fixed.value;
    const shift = ms < from ? ms - from : ms > to ? ms - to : 0;
    fixed.value = { from: from + shift, to: to + shift, at: ms };
    if (mode.value === "live") mode.value = "paused";
  });
}

/** A slider's instant: within one of its steps of now it means live. */
export function scrub(ms: number): void {
  const { from, to } = range.value;
  if (Math.abs(ms - twinNow()) <= (to - from) / 1000) goLive();
  else seek(ms);
}

/** One step of a hundredth of the range, rounded to a whole second, minute or hour. A range that ends now ends live. */
export function step(direction: 1 | -1, big = false): void {
  const { from, to } = range.value;
  const next = at.value + direction * stepMs(to - from) * (big ? 10 : 1);
  const now = twinNow();
  if (direction > 0 && next >= now && at.value <= now && to <= now + NOW_MS) goLive();
  else seek(next);
}

export function stepMs(span: number): number {
  const wanted = span / 100;
  const nice = [1, 2, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 21_600, 86_400, 604_800].map((s) => s * 1000);
  return nice.reduce((best, ms) => (Math.abs(ms - wanted) < Math.abs(best - wanted) ? ms : best));
}

/** Choose how much time is shown; in history mode around the instant shown. */
export function setSpan(ms: number): void {
  const span = Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, ms));
  batch(() => {
    spanMs.value = span;
    aheadMs.value = 0;
    if (live.value) return;
    const middle = fixed.value.at + span / 2;
    const to = future.value ? middle : Math.min(twinNow(), middle);
    fixed.value = { from: to - span, to, at: fixed.value.at };
  });
}

/** Show everything between two instants around the one shown, the future too: the whole plan. Live stays live. */
export function setHorizon(from: number, to: number): void {
  const now = twinNow();
  batch(() => {
    if (to - from > SLOW_SPEEDS_MS_MAX && speed.value <= SLOW_SPEED_MAX) speed.value = SPEEDS.at(-1)!;
    spanMs.value = Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, now - from));
    aheadMs.value = Math.min(SPAN_MS_MAX, Math.max(0, to - now));
    if (live.value && from < now) return;
    const end = Math.max(to, from + SPAN_MS_MIN);
    fixed.value = { from, to: end, at: Math.min(end, Math.max(from, at.value)) };
    if (mode.value === "live") mode.value = "paused";
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
  const now = twinNow();
  const end = Math.min(to, Math.max(now, range.value.to));
  batch(() => {
    const shown = at.value;
    fixed.value = { from, to: end, at: !live.value && shown >= from && shown <= end ? shown : Math.min(end, Math.max(now, from)) };
    spanMs.value = end - from;
    aheadMs.value = 0;
    if (mode.value === "live") mode.value = "paused";
  });
}

/** Called a few times a second: moves the clock, and the instant shown while playing. */
export function tick(elapsedMs: number): void {
  if (mode.value === "playing") {
    const { from, to, at: shown } = fixed.value;
    const next = shown + elapsedMs * speed.value;
    const now = twinNow();
    if (shown <= now && next >= now && to <= now + NOW_MS && !loop.value) goLive();
    else if (next < to) fixed.value = { from, to, at: next };
    else batch(() => ((fixed.value = { from, to, at: loop.value ? from : to }), loop.value || (mode.value = "paused")));
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
  const pace: Record<string, string> = { ...(speed.value !== SPEED_USUAL && { speed: String(speed.value) }), ...(loop.value && { loop: "1" }) };
  if (live.value) {
    if (spanMs.value !== SPAN_MS_USUAL) pace["span"] = String(Math.round(spanMs.value / 1000));
    if (aheadMs.value) pace["ahead"] = String(Math.round(aheadMs.value / 1000));
    return pace;
  }
  const { from, to, at: shown } = fixed.value;
  const iso = (ms: number) => new Date(Math.round(ms)).toISOString();
  return { from: iso(from), to: iso(to), at: iso(shown), ...pace };
}

/** Take the control's state from an address. What is not a time is ignored. */
export function fromParams(params: URLSearchParams): void {
  const read = (name: string) => Date.parse(params.get(name) ?? "");
  const [from, to, shown] = [read("from"), read("to"), read("at")];
  const span = Number(params.get("span"));
  if (span > 0) spanMs.value = Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, span * 1000));
  const ahead = Number(params.get("ahead"));
  if (ahead > 0) aheadMs.value = Math.min(SPAN_MS_MAX, ahead * 1000);
  speed.value = SPEEDS.find((one) => one === Number(params.get("speed"))) ?? speed.value;
  loop.value = params.get("loop") === "1";
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
  fixed.value = { from: now - spanMs.value, to: now + aheadMs.value, at: now };
}

function widened(): { from: number; to: number } {
  const { from, to } = range.value;
  const half = (to - from) / 2;
  return { from: from - half, to: to + half };
}
