import type { Point, TreeNode } from "../api/types";
import { labelWords } from "./catalogue";

/** Which few values stand for a place, and which for the whole park: chosen by point class, never by name of a site. */

/** What a newcomer wants to know of a place, in this order; a class that is absent leaves its room to the next. */
const CLASSES = [
  "temperature", "co2", "power", "thermal_power", "irradiance", "battery_charge", "load", "humidity", "occupancy",
  "flow", "pressure", "wind_speed", "current", "energy", "voltage", "frequency",
] as const;
const RANK = new Map<string, number>(CLASSES.map((name, at) => [name, at]));
/** What can be set comes after what makes people comfortable, before what only engineers read. */
const SETPOINTS = RANK.get("occupancy")! + 0.5;

/** What people look for first comes first; of one class the plainest. */
export const byInterest = (points: readonly Point[]): Point[] =>
  [...points].sort((a, b) => rankOf(a) - rankOf(b) || a.metric.length - b.metric.length || a.id - b.id);

const rankOf = (point: Point) => RANK.get(point.point_class) ?? (point.writable ? SETPOINTS : point.kind === "value" ? CLASSES.length + 1 : CLASSES.length);
const VALUES_MAX = 3;
type Known = ReadonlyMap<number, Point>;

/** Up to three values of a place and what lies inside: one of each class, each the plainest point of its class. */
export function headlines(node: TreeNode, known: Known): Point[] {
  const best = new Map<string, Point>();
  const others: Point[] = [];
  for (const id of pointsWithin(node)) {
    const point = known.get(id);
    if (!point || point.kind !== "value") continue;
    if (!RANK.has(point.point_class)) others.push(point);
    else if (plainer(point, best.get(point.point_class))) best.set(point.point_class, point);
  }
  const chosen = [...best.values()].sort((a, b) => RANK.get(a.point_class)! - RANK.get(b.point_class)!);
  return [...chosen, ...others].slice(0, VALUES_MAX);
}

/** "temperature" speaks for a room, "spindle_temperature" for a part of a machine: the shorter metric wins. */
function plainer(point: Point, than: Point | undefined): boolean {
  if (!than) return true;
  return point.metric.length - than.metric.length < 0 || (point.metric.length === than.metric.length && point.id < than.id);
}

function pointsWithin(node: TreeNode): number[] {
  return [...node.points, ...node.children.flatMap(pointsWithin)];
}

export type Figure = "power" | "pv" | "outdoor" | "occupancy";
export interface ParkFigure {
  figure: Figure;
  points: Point[];
}

const WHOLE = /\b(main|grid|total|utility|incoming|site)\b|總|主|hlavn|celkov/;
const SUN = /\b(pv|solar|photovoltaic)\b|光電|太陽能|solár|fotovolt/;
const SKY = [/\bweather\b|氣象|meteo|počas/, /\b(outdoor|outside|ambient|external)\b|室外|戶外|vonkajš/];

/** The headline of the park: total and solar power, outdoor temperature, people. What a site does not measure is left out. */
export function parkFigures(points: Iterable<Point>): ParkFigure[] {
  const power: Point[] = [];
  const temperature: Point[] = [];
  const occupancy: Point[] = [];
  const into: Record<string, Point[]> = { power, temperature, occupancy };
  for (const point of points) if (point.kind === "value") into[point.point_class]?.push(point);
  const solar = power.filter((point) => SUN.test(labelWords(point)));
  const used = power.filter((point) => !solar.includes(point));
  const total = used.filter((point) => WHOLE.test(labelWords(point)));
  const sky = SKY.map((words) => temperature.filter((point) => words.test(labelWords(point)))).find((found) => found.length);
  const found: ParkFigure[] = [
    { figure: "power", points: total.length ? onePerDevice(total) : used.length === 1 ? used : [] },
    { figure: "pv", points: onePerDevice(solar) },
    { figure: "outdoor", points: (sky ?? []).slice(0, 1) },
    { figure: "occupancy", points: occupancy },
  ];
  return found.filter((one) => one.points.length);
}

/** An inverter says its power twice, before and after conversion: what reaches the grid counts. */
function onePerDevice(points: readonly Point[]): Point[] {
  const best = new Map<string, Point>();
  const cost = (point: Point) => (/\bdc\b/.test(labelWords(point)) ? 100 : 0) + point.metric.length;
  for (const point of points) {
    const device = `${point.node}/${point.device}`;
    const old = best.get(device);
    if (!old || cost(point) < cost(old)) best.set(device, point);
  }
  return [...best.values()];
}

const KILO: Record<string, number> = { mW: 1e-6, W: 1e-3, kW: 1, MW: 1e3, GW: 1e6 };

/** The sum of a figure's values in one unit; null when none of them is a number. */
export function sumOf(values: readonly { unit: string; v: number | null }[]): { v: number | null; unit: string } {
  const units = new Set(values.map((one) => one.unit));
  const only = units.size === 1 ? values[0]!.unit : null;
  let v: number | null = null;
  for (const one of values) {
    const factor = only !== null ? 1 : KILO[one.unit];
    if (one.v !== null && factor !== undefined) v = (v ?? 0) + one.v * factor;
  }
  return { v, unit: only ?? "kW" };
}

export interface Proposal {
  /** a point class, or "" when the set is one device's */
  of: string;
  points: Point[];
}

const PROPOSED = ["power", "temperature", "co2", "humidity", "irradiance", "occupancy", "vibration", "load"];
const PROPOSALS_MAX = 4;
const LINES_MAX = 6;

/** Sets of points worth a look together: one class across the park, else what one device says. */
export function proposals(points: Iterable<Point>): Proposal[] {
  const values = [...points].filter((point) => point.kind === "value");
  const byClass = grouped(values, (point) => point.point_class);
  const found: Proposal[] = PROPOSED.flatMap((of) => {
    const sorted = (byClass.get(of) ?? []).sort((a, b) => a.metric.length - b.metric.length || a.id - b.id);
    return sorted.length ? [{ of, points: sorted.slice(0, LINES_MAX) }] : [];
  });
  if (!found.length) {
    for (const group of grouped(values, (point) => `${point.node}/${point.device}`).values()) found.push({ of: "", points: group.slice(0, LINES_MAX) });
  }
  return found.slice(0, PROPOSALS_MAX);
}

function grouped(points: readonly Point[], key: (point: Point) => string): Map<string, Point[]> {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    const group = groups.get(key(point));
    if (group) group.push(point);
    else groups.set(key(point), [point]);
  }
  return groups;
}
