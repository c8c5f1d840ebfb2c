import { effect, signal, untracked, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { isAbort } from "../api/http";
import { elementStates } from "../api/queries";
import type { PlanShade } from "../components/legend_rows";
import { points as catalogue } from "../state/catalogue";
import type { Condition } from "../state/condition";
import { useInterest } from "../state/interest";
import { scene } from "../state/route";
import { useSettled } from "../state/settled";
import { conditionsByPlace, valuesByPlace } from "../state/shading";
import { at, future, live } from "../state/time";
import { cell, frames } from "../state/values";
import { clear, paintConditions, paintPlan, paintValues, planStates } from "./paint";
import type { Sheet } from "./sheet";

const REPAINT_MS_MIN = 250;
const PLAN_LIVE_MS = 60_000;

export interface SheetLegendState {
  range: [number, number] | null;
  unit: string;
  conditions: ReadonlyMap<Condition, number> | null;
  plan: ReadonlyMap<PlanShade, number> | null;
}
const EMPTY: SheetLegendState = { range: null, unit: "", conditions: null, plan: null };

/** Keep the drawing's colours in step with what was chosen, the values and the instant shown. */
export function useSheetColours(sheet: Sheet): Signal<SheetLegendState> {
  const legend = useMemo(() => signal<SheetLegendState>(EMPTY), []);
  const { shade, of } = scene.value;
  const known = catalogue.value;
  const wanted = useMemo(() => {
    if (shade === "condition") return "all" as const;
    return shade === "value" ? [...known.values()].filter((point) => point.point_class === of).map((point) => point.id) : [];
  }, [shade, of, known]);
  useInterest(wanted);
  useEffect(() => (shade === "value" || shade === "condition" ? followValues(sheet, legend) : undefined), [sheet, shade, of]);
  useEffect(() => {
    if (shade !== "material") return;
    clear(sheet);
    legend.value = EMPTY;
  }, [sheet, shade]);
  usePlan(sheet, shade === "plan", legend);
  return legend;
}

function followValues(sheet: Sheet, legend: Signal<SheetLegendState>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let paintedAt = 0;
  const paint = () => {
    timer = undefined;
    paintedAt = performance.now();
    legend.value = painted(sheet);
  };
  const stop = effect(() => {
    frames.value;
    at.value;
    catalogue.value;
    untracked(() => void (timer ??= setTimeout(paint, Math.max(20, REPAINT_MS_MIN - (performance.now() - paintedAt)))));
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}

function painted(sheet: Sheet): SheetLegendState {
  const { shade, of } = scene.peek();
  const points = catalogue.peek().values();
  const read = (id: number) => cell(id).peek();
  if (shade === "value" && of) {
    const { values, range, unit } = valuesByPlace(points, of, read);
    paintValues(sheet, values, range);
    return { ...EMPTY, range: values.size ? range : null, unit };
  }
  const conditions = conditionsByPlace(points, read, at.peek());
  paintConditions(sheet, conditions);
  return { ...EMPTY, conditions: tally([...sheet.ids].flatMap((id) => conditions.get(id) ?? [])) };
}

const tally = <T>(all: readonly T[]) => all.reduce((sum, one) => sum.set(one, (sum.get(one) ?? 0) + 1), new Map<T, number>());

/** The plan's states are asked of the twin when the slider rests, live once a minute. */
function usePlan(sheet: Sheet, on: boolean, legend: Signal<SheetLegendState>): void {
  const instant = useSettled(live.value ? Math.floor(at.value / PLAN_LIVE_MS) * PLAN_LIVE_MS : at.value);
  const now = live.value;
  useEffect(() => {
    if (!on) return;
    const abort = new AbortController();
    elementStates(now ? null : instant, abort.signal).then(
      (states) => {
        const found = states ? planStates(states, future.peek()) : new Map<string, PlanShade>();
        paintPlan(sheet, found);
        const shown = [...sheet.ids].filter((id) => sheet.classOf(id) !== "space");
        legend.value = { ...EMPTY, plan: tally(shown.map((id) => found.get(id) ?? "unlinked")) };
      },
      (error: unknown) => isAbort(error) || (legend.value = EMPTY),
    );
    return () => abort.abort();
  }, [sheet, on, instant, now]);
}
