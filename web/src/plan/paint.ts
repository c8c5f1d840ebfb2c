import type { PlanShade } from "../components/legend_rows";
import type { ElementStates } from "../api/queries";
import type { Condition } from "../state/condition";
import { css, inkOn, ramp } from "../state/palette";
import type { Sheet } from "./sheet";

const IN_PROGRESS = 2;
const FINISHED = 3;

/** What was reported up to now, what is expected after or where nobody reports: against what was planned. */
export function planStates({ global_id, planned, actual, forecast }: ElementStates, future: boolean): Map<string, PlanShade> {
  return new Map(
    global_id.map((id, i): [string, PlanShade] => {
      const real = future || !actual[i] ? forecast[i] : actual[i];
      if (!planned[i] && !real) return [id, "unlinked"];
      if (real === FINISHED) return [id, "finished"];
      if (planned[i] === FINISHED) return [id, "late"];
      return [id, real === IN_PROGRESS ? "progress" : "ahead"];
    }),
  );
}

/** Rooms (and whatever else was measured) in the colour of their value. */
export function paintValues(sheet: Sheet, values: ReadonlyMap<string, number>, [low, high]: readonly [number, number]): void {
  clear(sheet);
  for (const id of sheet.ids) {
    const value = values.get(id);
    if (value === undefined) continue;
    const rgb = ramp((value - low) / (high - low));
    const shape = sheet.shape(id)!;
    shape.style.fill = css(rgb);
    shape.style.fillOpacity = "1";
    shape.dataset["ink"] = inkOn(rgb);
  }
}

export function paintConditions(sheet: Sheet, conditions: ReadonlyMap<string, Condition>): void {
  clear(sheet);
  for (const id of sheet.ids) {
    const condition = conditions.get(id);
    if (condition) sheet.shape(id)!.dataset["condition"] = condition;
  }
}

export function paintPlan(sheet: Sheet, states: ReadonlyMap<string, PlanShade>): void {
  clear(sheet);
  for (const id of sheet.ids) if (sheet.classOf(id) !== "space") sheet.shape(id)!.dataset["plan"] = states.get(id) ?? "unlinked";
}

export function clear(sheet: Sheet): void {
  for (const id of sheet.ids) {
    const shape = sheet.shape(id)!;
    shape.style.fill = shape.style.fillOpacity = "";
    delete shape.dataset["condition"];
    delete shape.dataset["plan"];
    delete shape.dataset["ink"];
  }
}

/** The chosen element and those of a task stand out. */
export function mark(sheet: Sheet, selected: string | null, highlighted: ReadonlySet<string>): void {
  for (const id of sheet.ids) {
    const shape = sheet.shape(id)!;
    shape.toggleAttribute("data-selected", id === selected);
    shape.toggleAttribute("data-highlight", highlighted.has(id));
  }
  sheet.svg.toggleAttribute("data-dim", highlighted.size > 0);
}
