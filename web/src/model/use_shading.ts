import { effect, signal, untracked, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Condition } from "../state/condition";
import { points as catalogue } from "../state/catalogue";
import { elementDates } from "../state/element_dates";
import { useInterest } from "../state/interest";
import { scene } from "../state/route";
import { header } from "../state/schedule";
import { theme } from "../state/settings";
import { conditionsByPlace, valuesByPlace } from "../state/shading";
import { at } from "../state/time";
import type { VerdictShade } from "../state/verdicts";
import { cell, frames } from "../state/values";
import { paintConditions, paintMaterial, paintsOf, paintValues } from "./painter";
import type { ParkModel } from "./park_model";
import { useVerdicts } from "./use_verdicts";
import type { PlanShade } from "../components/legend_rows";

const REPAINT_MS_MIN = 250;
const COUNT_MS_MIN = 120;

/** What the colours mean at the moment. */
export interface LegendState {
  range: [number, number] | null;
  unit: string;
  conditions: ReadonlyMap<Condition, number> | null;
  plan: Record<PlanShade, number> | null;
  verdicts: ReadonlyMap<VerdictShade, number> | null;
  plannedOnly: Signal<boolean>;
}

/** Keep the model's colours in step with what was chosen, with the live values and with the instant shown. */
export function useShading(model: ParkModel): Signal<LegendState> {
  const plannedOnly = useMemo(() => signal(false), []);
  const legend = useMemo(() => signal<LegendState>({ range: null, unit: "", conditions: null, plan: null, verdicts: null, plannedOnly }), []);
  const { shade, of } = scene.value;
  const known = catalogue.value;
  const wanted = useMemo(() => {
    if (shade === "condition") return "all" as const;
    return shade === "value" ? [...known.values()].filter((point) => point.point_class === of).map((point) => point.id) : [];
  }, [shade, of, known]);
  useInterest(wanted);
  useEffect(() => followDates(model), [model]);
  useEffect(() => followColours(model, legend), [model, shade, of]);
  useEffect(() => (shade === "plan" ? followPlan(model, legend) : undefined), [model, shade]);
  useVerdicts(model, shade === "verdict" || shade === "deviation" ? shade : null, legend);
  return legend;
}

/** Dates come once a schedule; after that the slider moves one number. */
function followDates(model: ParkModel): () => void {
  let abort: AbortController | undefined;
  const stop = effect(() => {
    const any = header.value?.schedule != null;
    abort?.abort();
    if (!any) return;
    abort = new AbortController();
    const { signal: stopped } = abort;
    const load = async () => {
      for await (const rows of elementDates(stopped)) if (!stopped.aborted) model.setDates(rows);
    };
    load().catch(() => undefined); // without dates everything is "not in the plan", which the legend says
  });
  return () => {
    abort?.abort();
    stop();
  };
}

function followColours(model: ParkModel, legend: Signal<LegendState>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let paintedAt = 0;
  const paint = () => {
    timer = undefined;
    paintedAt = performance.now();
    repaint(model, legend);
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const soon = () => void (timer ??= setTimeout(paint, Math.max(30, REPAINT_MS_MIN - (performance.now() - paintedAt))));
  scheme.addEventListener("change", soon);
  const stop = effect(() => {
    const { shade } = scene.value;
    if (shade === "verdict" || shade === "deviation") return; // see useVerdicts
    theme.value;
    catalogue.value;
    if (shade === "value" || shade === "condition") {
      frames.value;
      if (shade === "condition") at.value;
    }
    untracked(soon);
  });
  return () => {
    stop();
    clearTimeout(timer);
    scheme.removeEventListener("change", soon);
  };
}

function repaint(model: ParkModel, legend: Signal<LegendState>): void {
  const { colours, features } = model;
  const { shade, of } = scene.peek();
  if (shade === "verdict" || shade === "deviation") return;
  const paints = paintsOf(model.stage.host);
  const points = catalogue.peek().values();
  const read = (id: number) => cell(id).peek();
  const next: LegendState = { ...legend.peek(), range: null, unit: "", conditions: null, verdicts: null };
  if (shade === "value" && of) {
    const { values, range, unit } = valuesByPlace(points, of, read);
    paintValues(colours, features, paints, values, range);
    Object.assign(next, { range: values.size ? range : null, unit });
  } else if (shade === "condition") {
    const conditions = conditionsByPlace(points, read, at.peek());
    paintConditions(colours, features, paints, conditions);
    next.conditions = tally([...conditions].filter(([id]) => model.row(id) >= 0).map(([, condition]) => condition));
  } else paintMaterial(colours, features, paints); // the plan's colours come from the shader
  legend.value = next;
  if (colours.changed) model.stage.draw();
}

const tally = <T>(all: readonly T[]) => all.reduce((sum, one) => sum.set(one, (sum.get(one) ?? 0) + 1), new Map<T, number>());

function followPlan(model: ParkModel, legend: Signal<LegendState>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const count = () => {
    timer = undefined;
    legend.value = { ...legend.peek(), plan: model.planCounts() };
  };
  const stop = effect(() => {
    model.dated.value;
    model.showPlan(true, at.value, legend.peek().plannedOnly.value);
    untracked(() => void (timer ??= setTimeout(count, COUNT_MS_MIN)));
  });
  return () => {
    stop();
    clearTimeout(timer);
    model.showPlan(false, at.peek(), false);
    legend.value = { ...legend.peek(), plan: null };
  };
}
