import uPlot from "uplot";
import * as format from "../i18n/format";

const MINUTE = 60;
const DAY = 86_400;

/** Room left of every plot, the same for lines and strips, so that their times stand under each other. */
export const LEFT_PX = 64;
const FONT = "12px system-ui, sans-serif";

export interface Colours {
  text: string;
  grid: string;
  limit: string;
  grave: string;
  at: string;
  bad: string;
  surface: string;
  series: string[];
}

/** The theme's colours, read from the page's tokens. */
export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: of("--text-2"),
    grid: of("--line"),
    limit: of("--warn"),
    grave: of("--lost"),
    at: of("--history"),
    bad: of("--bad"),
    surface: of("--surface"),
    series: [1, 2, 3, 4, 5, 6].map((i) => of(`--series-${i}`)),
  };
}

/** Told apart without colour too: every line has its own dash pattern from the second on. */
export const DASHES: number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [4, 2]];

export function timeAxis(colours: Colours, zone: string, show = true): uPlot.Axis {
  return {
    show,
    stroke: colours.text,
    font: FONT,
    size: 30,
    space: 78,
    grid: { stroke: colours.grid, width: 1 },
    ticks: { show: false },
    values: (_, splits, __, ___, increment) => splits.map((s) => timeText(s, increment, zone)),
  };
}

export function valueAxis(colours: Colours, show = true): uPlot.Axis {
  return {
    stroke: colours.text,
    font: FONT,
    size: LEFT_PX,
    grid: { show, stroke: colours.grid, width: 1 },
    ticks: { show: false },
    values: (_, splits, __, ___, increment) =>
      splits.map((v) => (show ? format.number(v, digitsOf(increment)) : "")),
  };
}

/** As many decimals as the distance of the marks has. */
function digitsOf(increment: number): number {
  for (let digits = 0; digits < 6; digits++) {
    const scaled = increment * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return digits;
  }
  return 6;
}

function timeText(seconds: number, increment: number, zone: string): string {
  const ms = seconds * 1000;
  const midnight = (seconds + format.offsetMinutes(ms, zone) * MINUTE) % DAY === 0;
  if (increment >= DAY || midnight) return format.dayMonth(ms, zone);
  return increment >= MINUTE ? format.hourMinute(ms, zone) : format.clock(ms, zone);
}

export const zoned = (zone: string) => (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), zone);
