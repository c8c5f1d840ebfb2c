import { computed, type ReadonlySignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Point } from "../api/types";
import { points as catalogue } from "../state/catalogue";
import { useInterest } from "../state/interest";
import { useTrends, type Trends } from "../state/trends";

/** The class of points that say how unusual another point of the same device is. */
export const SCORE_CLASS = "score";
const ENDING = "-score";

/** Of each point the point of its score, where a model scores it. */
export function scoreIds(points: readonly Point[], known: Iterable<Point>): Map<number, number> {
  const wanted = new Map(points.map((point) => [`${point.node}/${point.device}/${point.metric}${ENDING}`, point.id]));
  const found = new Map<number, number>();
  for (const point of known) {
    if (point.point_class !== SCORE_CLASS && !point.metric.endsWith(ENDING)) continue;
    const scored = wanted.get(`${point.node}/${point.device}/${point.metric}`);
    if (scored !== undefined) found.set(scored, point.id);
  }
  return found;
}

/** The scores of the points over the range, each under the number of the point that is scored. */
export function useScores(points: readonly Point[], width: number): ReadonlySignal<Trends> {
  const known = catalogue.value;
  const ids = useMemo(() => scoreIds(points, known.values()), [points, known]);
  const wanted = [...ids.values()];
  useInterest(wanted);
  const trends = useTrends(wanted, width);
  return useMemo(
    () =>
      computed(() => {
        const { series, ...rest } = trends.value;
        return { ...rest, series: new Map([...ids].flatMap(([point, score]) => (series.has(score) ? [[point, series.get(score)!] as const] : []))) };
      }),
    [trends, ids],
  );
}
