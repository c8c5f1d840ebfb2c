import type { Signal } from "@preact/signals";
import { HighlightNote } from "../components/highlight_note";
import { ConditionRows, PlanRows } from "../components/legend_rows";
import { ScaleLegend } from "../components/scale_legend";
import { t } from "../i18n";
import { className } from "../i18n/classes";
import { highlight } from "../state/highlight";
import { scene } from "../state/route";
import type { SheetLegendState } from "./use_colours";

/** What the drawing's colours mean, in units and words. */
export function SheetLegend({ legend }: { legend: Signal<SheetLegendState> }) {
  const { shade, of } = scene.value;
  const { range, unit, conditions, plan } = legend.value;
  if (shade === "material" && !highlight.value.ids.length) return null;
  return (
    <section class="legend-box" aria-label={t("legend.title")}>
      <HighlightNote />
      {shade === "value" && of && (range ? <ScaleLegend name={className(of)} range={range} unit={unit} /> : <p class="muted">{t("legend.noValues", { name: className(of) })}</p>)}
      {shade === "condition" && conditions && <ConditionRows counts={conditions} />}
      {shade === "plan" && plan && <PlanRows counts={(state) => plan.get(state) ?? 0} />}
    </section>
  );
}
