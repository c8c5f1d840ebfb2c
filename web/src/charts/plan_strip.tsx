import type uPlot from "uplot";
import type { Point } from "../api/types";
import { Link } from "../components/link";
import { t } from "../i18n";
import * as queries from "../api/queries";
import { placeName, placeOf } from "../state/catalogue";
import { useResource } from "../state/resource";
import { datesOf, tasks } from "../state/schedule";
import { nowMs } from "../state/time";
import type { Colours } from "./axes";
import { Plot } from "./plot";

const HEIGHT = 84;
const PLACES_MAX = 4;

interface Bar {
  id: string;
  name: string;
  planned: [number | null, number | null];
  real: [number | null, number | null];
}

/** What was planned and done on the elements that the points speak for, under the charts and on their time. */
export function PlanStrips({ points }: { points: readonly Point[] }) {
  const wanted = [...new Set(points.flatMap((point) => point.element ?? point.space ?? []))].slice(0, PLACES_MAX);
  return (
    <>
      {wanted.map((id) => (
        <PlanStrip key={id} id={id} point={points.find((point) => point.element === id || point.space === id)!} />
      ))}
    </>
  );
}

function PlanStrip({ id, point }: { id: string; point: Point }) {
  const [resource] = useResource(`plan of ${id}`, (signal) => queries.element(id, signal));
  const plan = resource.value.data?.plan;
  const of = new Set(plan?.tasks.map((task) => task.id));
  const bars: Bar[] = tasks.value.filter((task) => of.has(task.id)).map((task) => ({ id: task.id, name: task.name, ...datesOf(task, nowMs.peek()) }));
  const place = placeOf(point);
  const name = resource.value.data?.name || (place ? placeName(place.node) : point.device);
  return (
    <section class="chart">
      <header class="legend">
        <span class="legend-unit">{t("trend.planOf", { name })}</span>
        <ul>
          {bars.map((bar) => (
            <li key={bar.id}>
              <Link to={{ view: "schedule", task: bar.id }}>{bar.name}</Link>
            </li>
          ))}
          {!bars.length && !resource.value.loading && <li class="muted">{t("trend.noPlan")}</li>}
        </ul>
      </header>
      {bars.length > 0 && (
        <Plot
          identity={`${id} ${bars.length}`}
          height={HEIGHT}
          lanes
          label={t("trend.planOf", { name })}
          watch={() => void tasks.value}
          data={() => [[0], [0.5]]}
          series={() => [{ paths: () => null, points: { show: false } }]}
          paint={(plot, colours) => paintBars(plot, bars, colours)}
        />
      )}
    </section>
  );
}

/** Two lanes a strip: what was planned above what was done or is expected. */
function paintBars(plot: uPlot, bars: readonly Bar[], colours: Colours): void {
  const { ctx, bbox } = plot;
  const x = (ms: number) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(ms / 1000, "x", true)));
  const lane = bbox.height / 2;
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  for (const { planned, real } of bars)
    [planned, real].forEach(([from, to], row) => {
      if (from === null || to === null) return;
      const [left, right] = [x(from), x(to)];
      ctx.fillStyle = row ? colours.series[0]! : colours.text;
      ctx.globalAlpha = 0.55;
      ctx.fillRect(left, bbox.top + row * lane + lane * 0.3, Math.max(0, right - left), lane * 0.4);
    });
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.text;
  ctx.textAlign = "right";
  [t("plan.planned"), t("plan.actual")].forEach((text, row) => ctx.fillText(text, bbox.left - 8 * devicePixelRatio, bbox.top + row * lane + lane * 0.5));
  ctx.restore();
}
