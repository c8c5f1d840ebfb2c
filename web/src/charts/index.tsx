import { useMemo } from "preact/hooks";
import type { Point } from "../api/types";
import { Failed, Skeleton } from "../components/notice";
import { compare, COMPARE_MS } from "../state/compare";
import { useTrends } from "../state/trends";
import { byUnit } from "./align";
import { ExportBar } from "./export";
import { LineChart } from "./line_chart";
import { PlanStrips } from "./plan_strip";
import { useScores } from "./scores";
import { StateStrip } from "./state_strip";

interface ChartsProps {
  points: readonly Point[];
  height?: number;
  onRemove?: (point: number) => void;
}

const BUCKETS_MAX = 1_600;
const NOTHING: readonly number[] = [];

/** One chart per unit, one strip per text point, all under the same cursor and range. Loaded when first opened. */
export default function Charts({ points, height, onRemove }: ChartsProps) {
  const key = points.map((point) => point.id).join();
  const width = useMemo(() => Math.min(BUCKETS_MAX, Math.max(300, Math.round(innerWidth * 0.75))), []);
  const groups = useMemo(() => byUnit(points.filter((point) => point.kind === "value")), [key]);
  const texts = points.filter((point) => point.kind !== "value");
  const trends = useTrends(
    points.map((point) => point.id),
    width,
  );
  const ids = points.map((point) => point.id);
  const ghosts = useTrends(COMPARE_MS[compare.value] ? ids : NOTHING, width, COMPARE_MS[compare.value]);
  const scores = useScores(points, width);
  const { problem, loading, series } = trends.value;
  if (problem && !series.size) return <Failed problem={problem} />;
  if (loading && !series.size) return <Skeleton rows={Math.max(1, groups.length)} />;
  const shared = { trends, ghosts, scores, ...(onRemove ? { onRemove } : {}) };
  return (
    <div class="charts" aria-busy={loading}>
      {groups.map((group) => (
        <LineChart key={group[0]!.unit} points={group} width={width} {...(height ? { height } : {})} {...shared} />
      ))}
      {texts.map((point) => (
        <StateStrip key={point.id} point={point} {...shared} />
      ))}
      {compare.value === "plan" && <PlanStrips points={points} />}
      <ExportBar points={points} />
    </div>
  );
}
