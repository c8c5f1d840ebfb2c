import * as format from "../i18n/format";

const DAY_MS = 86_400_000;

/** Where a time stands on the chart: pixels a day from its left end. */
export interface Scale {
  from: number;
  to: number;
  px_per_day: number;
}

export const xOf = (scale: Scale, ms: number) => ((ms - scale.from) / DAY_MS) * scale.px_per_day;
export const msAt = (scale: Scale, x: number) => scale.from + (x / scale.px_per_day) * DAY_MS;
export const widthOf = (scale: Scale) => xOf(scale, scale.to);

export interface Tick {
  x: number;
  text: string;
  major: boolean;
}

const LABEL_PX_MIN = 46;
const STEPS_MONTHS = [1, 3, 6, 12, 24, 60];
const STEPS_DAYS = [1, 2, 7, 14];

/** Days, weeks, months or years, whichever leaves room for their names. Calendar boundaries are those of the zone. */
export function ticksOf(scale: Scale, zone: string): Tick[] {
  const days = STEPS_DAYS.find((step) => step * scale.px_per_day >= LABEL_PX_MIN);
  return days ? dayTicks(scale, days, zone) : monthTicks(scale, STEPS_MONTHS.find((step) => step * 30 * scale.px_per_day >= LABEL_PX_MIN) ?? 60, zone);
}

function dayTicks(scale: Scale, step: number, zone: string): Tick[] {
  const ticks: Tick[] = [];
  const start = midnight(scale.from, zone);
  // whole weeks begin on Monday: 1970-01-05 was one
  const shift = step % 7 ? 0 : (((Math.round(start / DAY_MS) - 4) % 7) + 7) % 7;
  for (let at = start - shift * DAY_MS; at < scale.to; at += step * DAY_MS) {
    const ms = midnight(at + DAY_MS / 2, zone);
    if (ms >= scale.from && ms < scale.to) ticks.push({ x: xOf(scale, ms), text: format.dayMonth(ms, zone), major: false });
  }
  return ticks;
}

function monthTicks(scale: Scale, step: number, zone: string): Tick[] {
  const ticks: Tick[] = [];
  const first = new Date(scale.from);
  for (let month = Math.floor(first.getUTCMonth() / step) * step; ; month += step) {
    const utc = Date.UTC(first.getUTCFullYear(), month, 1);
    if (utc >= scale.to) return ticks;
    const ms = utc - format.offsetMinutes(utc, zone) * 60_000;
    const major = new Date(utc).getUTCMonth() === 0;
    if (ms >= scale.from) ticks.push({ x: xOf(scale, ms), text: major || step >= 12 ? format.year(ms, zone) : format.month(ms, zone), major });
  }
}

function midnight(ms: number, zone: string): number {
  const offset = format.offsetMinutes(ms, zone) * 60_000;
  return Math.floor((ms + offset) / DAY_MS) * DAY_MS - offset;
}
