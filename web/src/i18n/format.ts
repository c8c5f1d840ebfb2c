import type { Value } from "../api/types";
import { shownLanguage, t } from ".";

const cache = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();
const CACHE_MAX = 120;

function made<T extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, make: () => T): T {
  let found = cache.get(key) as T | undefined;
  if (!found) {
    if (cache.size > CACHE_MAX) cache.clear();
    found = make();
    cache.set(key, found);
  }
  return found;
}

/** Decimals that carry meaning for a magnitude: about four significant digits. */
export function decimals(value: number): number {
  const size = Math.abs(value);
  if (size >= 1000) return 0;
  if (size >= 100) return 1;
  if (size >= 1 || size === 0) return 2;
  return size >= 0.01 ? 3 : 6;
}

const SWITCH: Record<string, "answer.on" | "answer.off"> = { true: "answer.on", false: "answer.off" };

/** A value for a tile or a row. Whole numbers stay whole; null is a dash; a switch is on or off; other text is shown as it is. */
export function value(v: Value): string {
  if (v === null || v === undefined) return "–";
  if (typeof v === "string") return SWITCH[v] ? t(SWITCH[v]) : v;
  if (!Number.isFinite(v)) return "–";
  const digits = Number.isInteger(v) ? 0 : decimals(v);
  return number(v, digits, digits > 3 ? 0 : digits);
}

/** A value read at a glance: three significant digits. */
export function brief(v: Value): string {
  if (typeof v !== "number" || !Number.isFinite(v) || Number.isInteger(v)) return value(v);
  if (Math.abs(v) < 0.0005) return "0";
  const digits = Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(Math.abs(v)))));
  return number(v, digits, digits);
}

export function number(v: number, digitsMax = 0, digitsMin = 0): string {
  const language = shownLanguage();
  return made(`n${language}${digitsMax}.${digitsMin}`, () =>
    new Intl.NumberFormat(language, { maximumFractionDigits: digitsMax, minimumFractionDigits: digitsMin }),
  ).format(v);
}

export function percent(ratio: number): string {
  const language = shownLanguage();
  return made(`p${language}`, () => new Intl.NumberFormat(language, { style: "percent" })).format(ratio);
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const DAY: Intl.DateTimeFormatOptions = { year: "numeric", month: "short", day: "numeric" };

function instant(kind: string, options: Intl.DateTimeFormatOptions, ms: number, zone: string): string {
  const language = shownLanguage();
  return made(`${kind}${language}${zone}`, () => new Intl.DateTimeFormat(language, { ...options, timeZone: zone })).format(ms);
}

export const clock = (ms: number, zone: string) => instant("c", CLOCK, ms, zone);
export const day = (ms: number, zone: string) => instant("d", DAY, ms, zone);
export const moment = (ms: number, zone: string) => instant("m", { ...DAY, ...CLOCK }, ms, zone);
export const shortMoment = (ms: number, zone: string) =>
  instant("s", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, ms, zone);
/** A moment of this year in short, of another year with its year. */
export const sinceMoment = (ms: number, nowMs: number, zone: string) =>
  Math.abs(nowMs - ms) < 300 * 86_400_000 ? shortMoment(ms, zone) : day(ms, zone);
export const hourMinute = (ms: number, zone: string) => instant("h", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, ms, zone);
export const dayMonth = (ms: number, zone: string) => instant("w", { month: "short", day: "numeric" }, ms, zone);

export const month = (ms: number, zone: string) => instant("o", { month: "short" }, ms, zone);
export const year = (ms: number, zone: string) => instant("y", { year: "numeric" }, ms, zone);

/** The zone's offset at an instant, always printed beside a clock: `UTC+01:00`. */
export function offset(ms: number, zone: string): string {
  const minutes = offsetMinutes(ms, zone);
  const sign = minutes < 0 ? "−" : "+";
  const size = Math.abs(minutes);
  return `UTC${sign}${String(Math.floor(size / 60)).padStart(2, "0")}:${String(size % 60).padStart(2, "0")}`;
}

export function offsetMinutes(ms: number, zone: string): number {
  const parts = made(`z${zone}`, () =>
    new Intl.DateTimeFormat("en-US", { ...CLOCK, year: "numeric", month: "numeric", day: "numeric", timeZone: zone }),
  ).formatToParts(ms);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  const wall = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return Math.round((wall - Math.floor(ms / 1000) * 1000) / 60_000);
}

const STEPS: [number, "age.s" | "age.min" | "age.h" | "age.d"][] = [
  [120, "age.s"],
  [7_200, "age.min"],
  [172_800, "age.h"],
  [Infinity, "age.d"],
];
const SECONDS = { "age.s": 1, "age.min": 60, "age.h": 3_600, "age.d": 86_400 };

/** How long, in the largest unit that still counts: 12 s, 4 min, 30 h, 5 d. */
export function duration(seconds: number): string {
  const size = Math.max(0, seconds);
  const key = STEPS.find(([limit]) => size < limit)![1];
  return t(key, { n: Math.floor(size / SECONDS[key]) });
}
