import type { Signal } from "@preact/signals";
import { HighlightNote } from "../components/highlight_note";
import { ConditionRows, PlanRows, VerdictRows, type PlanShade } from "../components/legend_rows";
import { ScaleLegend } from "../components/scale_legend";
import { t } from "../i18n";
import { className } from "../i18n/classes";
import { highlight } from "../state/highlight";
import { scene } from "../state/route";
import { hasPlan } from "../state/schedule";
import type { LegendState } from "./use_shading";

/** What the colours mean, in units and words. */
export function Legend({ legend }: { legend: Signal<LegendState> }) {
  const { shade, of } = scene.value;
  const { range, unit, conditions, plan, verdicts, plannedOnly } = legend.value;
  if (shade === "material" && !highlight.value.ids.length) return null;
  return (
    <section class="legend-box" aria-label={t("legend.title")}>
      <HighlightNote />
      {shade === "value" && of && (range ? <ScaleLegend name={className(of)} range={range} unit={unit} /> : <p class="muted">{t("legend.noValues", { name: className(of) })}</p>)}
      {shade === "condition" && conditions && <ConditionRows counts={conditions} />}
      {shade === "verdict" && verdicts && <VerdictRows counts={verdicts} />}
      {shade === "deviation" && (range ? <ScaleLegend name={t("shade.deviation")} range={range} unit={unit} /> : <p class="muted">{t("verdict.noDeviation")}</p>)}
      {shade === "plan" && plan && <PlanLegend plan={plan} plannedOnly={plannedOnly} />}
    </section>
  );
}

function PlanLegend({ plan, plannedOnly }: { plan: Record<PlanShade, number>; plannedOnly: Signal<boolean> }) {
  if (hasPlan.value === false) return <p class="muted">{t("legend.noPlan")}</p>;
  return (
    <>
      <div class="segments" role="group" aria-label={t("legend.dates")}>
        <button type="button" aria-pressed={!plannedOnly.value} onClick={() => (plannedOnly.value = false)}>
          {t("legend.real")}
        </button>
        <button type="button" aria-pressed={plannedOnly.value} onClick={() => (plannedOnly.value = true)}>
          {t("plan.planned")}
        </button>
      </div>
      <PlanRows counts={(state) => plan[state]} late={!plannedOnly.value} />
    </>
  );
}
