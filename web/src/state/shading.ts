import type { Point } from "../api/types";
import { conditionOf, RANK, usable, type Condition, type Reading } from "./condition";
import { niceRange } from "./palette";

/** Values and conditions by place, for whoever colours places by them; pure, so that any instant can be asked for. */

type Read = (point: number) => Reading | null;

/** The classes that have numbers somewhere, the ones people ask for first. */
const ASKED_FIRST = ["temperature", "co2", "humidity", "occupancy", "power", "irradiance", "illuminance", "energy"];

export function classesOf(points: Iterable<Point>): string[] {
  const found = new Map<string, number>();
  for (const point of points) if (point.kind === "value" && point.point_class && (point.element || point.space)) found.set(point.point_class, (found.get(point.point_class) ?? 0) + 1);
  const rank = (name: string) => (ASKED_FIRST.indexOf(name) + 1 || ASKED_FIRST.length + 1);
  return [...found.keys()].sort((a, b) => rank(a) - rank(b) || found.get(b)! - found.get(a)! || a.localeCompare(b));
}

/** The places that a point speaks for: its element, and the space around it. */
export const placesOf = (point: Point): string[] => [...new Set([point.element, point.space].flatMap((id) => id ?? []))];

export interface PlaceValues {
  values: Map<string, number>;
  range: [number, number];
  unit: string;
}

/**
 * What a class reads at every place: the mean of the plainest points there ("temperature" speaks for a room,
 * "spindle_temperature" for a part of a machine). The scale spans what most places read: one hot oven does not make
 * all rooms look alike.
 */
export function valuesByPlace(points: Iterable<Point>, of: string, read: Read): PlaceValues {
  const found = new Map<string, { plain: number; sum: number; n: number }>();
  let unit = "";
  for (const point of points) {
    if (point.point_class !== of || point.kind !== "value" || (unit && point.unit !== unit)) continue;
    const reading = read(point.id);
    if (!reading || typeof reading.v !== "number" || !usable(reading.q)) continue;
    unit = point.unit;
    const plain = point.metric.length;
    for (const place of placesOf(point)) {
      const old = found.get(place);
      if (!old || plain < old.plain) found.set(place, { plain, sum: reading.v, n: 1 });
      else if (plain === old.plain) found.set(place, { plain, sum: old.sum + reading.v, n: old.n + 1 });
    }
  }
  const values = new Map([...found].map(([place, { sum, n }]) => [place, sum / n]));
  return { values, range: values.size ? niceRange(...bulk([...values.values()])) : [0, 1], unit };
}

/** The ends of a set without what lies far out: three times the middle half beyond it. */
export function bulk(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)]!;
  const reach = Math.max(3 * (at(0.75) - at(0.25)), Math.abs(at(0.5)) * 0.02);
  const inside = sorted.filter((v) => v >= at(0.25) - reach && v <= at(0.75) + reach);
  return [inside[0]!, inside.at(-1)!];
}

/** The worst condition at every place that has points. */
export function conditionsByPlace(points: Iterable<Point>, read: Read, atMs: number): Map<string, Condition> {
  const worst = new Map<string, Condition>();
  for (const point of points) {
    const condition = conditionOf(point, read(point.id), atMs);
    for (const place of placesOf(point)) {
      const old = worst.get(place);
      if (!old || RANK[condition] < RANK[old]) worst.set(place, condition);
    }
  }
  return worst;
}
