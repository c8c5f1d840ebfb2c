import { describe, expect, test } from "vitest";
import type { Task } from "../src/api/plan_types";
import type { ElementPlan } from "../src/api/types";
import { planStates } from "../src/plan/paint";
import { closedAtFirst, rowsOf, treeOf } from "../src/schedule/gantt_rows";
import { ticksOf, xOf } from "../src/schedule/scale";
import { datesOf as elementDatesOf } from "../src/state/element_dates";
import { inkOn, niceRange, ramp } from "../src/state/palette";
import { datesOf } from "../src/state/schedule";
import { bulk, valuesByPlace } from "../src/state/shading";

const NOW = Date.parse("2026-11-23T12:00:00Z");
const ZONE = "Europe/Bratislava";

const task = (id: string, wbs: string, more: Partial<Task> = {}): Task => ({
  id, wbs, code: id, name: `Task ${id}`, is_summary: false, is_milestone: false, is_umbrella: false,
  planned_start: "2026-10-01T00:00:00Z", planned_finish: "2026-10-10T00:00:00Z", actual_start: null, actual_finish: null,
  forecast_start: null, forecast_finish: null, percent: null, critical: false, float_h: null,
  planned: "finished", actual: "not_started", forecast: "not_started", elements: 0, predecessors: [], ...more,
});

describe("the rows of the Gantt chart", () => {
  test("hang below their summary tasks by code", () => {
    const rows = rowsOf(treeOf([task("a", "1", { is_summary: true }), task("b", "1.1"), task("c", "1.2", { is_summary: true }), task("d", "1.2.1")], NOW), new Set(), null);
    expect(rows.map((row) => [row.key, row.depth])).toEqual([["a", 0], ["b", 1], ["c", 1], ["d", 2]]);
  });

  test("hang below parts of the work breakdown where tasks share its codes", () => {
    const rows = rowsOf(treeOf([task("a", "P.S"), task("b", "P.S"), task("c", "P.T"), task("d", "P.T")], NOW), new Set(), null);
    expect(rows.map((row) => [row.name, row.depth])).toEqual([["P", 0], ["S", 1], ["Task a", 2], ["Task b", 2], ["T", 1], ["Task c", 2], ["Task d", 2]]);
  });

  test("hang by the codes of tasks where there is no work breakdown", () => {
    const rows = rowsOf(treeOf([task("S", "", { is_summary: true }), task("S.roads", ""), task("x", "")], NOW), new Set(), null);
    expect(rows.map((row) => [row.key, row.depth])).toEqual([["S", 0], ["S.roads", 1], ["x", 0]]);
  });

  test("stay flat when codes are mere numbers of tasks", () => {
    expect(rowsOf(treeOf([task("a", "5626"), task("b", "5631"), task("c", "")], NOW), new Set(), null).every((row) => row.depth === 0)).toBe(true);
  });

  test("filtered, keep the way to what was found and no other", () => {
    const tree = treeOf([task("a", "1", { is_summary: true }), task("b", "1.1"), task("c", "1.2", { critical: true }), task("e", "2", { is_summary: true }), task("f", "2.1")], NOW);
    expect(rowsOf(tree, new Set(), (one) => one.id === "c").map((row) => row.key)).toEqual(["a", "c"]);
    expect(rowsOf(tree, new Set(["a"]), null).map((row) => row.key)).toEqual(["a", "e", "f"]);
    expect(tree[0]!.critical).toBe(true);
  });

  test("of a long plan are closed below the level that fits", () => {
    const many = Array.from({ length: 200 }, (_, i) => task(`t${i}`, `1.${i % 4}.${i}`));
    const parts = Array.from({ length: 4 }, (_, i) => task(`s${i}`, `1.${i}`, { is_summary: true }));
    const tree = treeOf([task("r", "1", { is_summary: true }), ...parts, ...many], NOW);
    expect(rowsOf(tree, closedAtFirst(tree, 60), null)).toHaveLength(5);
  });

  test("end, even where a plan goes round in circles", () => {
    const chain = Array.from({ length: 60 }, (_, i) => task(`t${i}`, Array(i + 1).fill("x").join("."), { is_summary: true }));
    expect(rowsOf(treeOf(chain, NOW), new Set(), null).length).toBeLessThanOrEqual(60);
  });
});

describe("what really happens to a task", () => {
  test("is what was reported", () => {
    expect(datesOf(task("a", "", { actual_start: "2026-10-02T00:00:00Z", actual_finish: "2026-10-12T00:00:00Z" }), NOW).real).toEqual([Date.parse("2026-10-02T00:00:00Z"), Date.parse("2026-10-12T00:00:00Z")]);
  });
  test("and where nothing was, cannot lie in the past", () => {
    expect(datesOf(task("a", "", { actual_start: "2026-10-02T00:00:00Z", forecast_finish: "2026-10-12T00:00:00Z" }), NOW).real).toEqual([Date.parse("2026-10-02T00:00:00Z"), NOW]);
  });
  test("unless nobody reports of it at all", () => {
    expect(datesOf(task("a", "", { actual: "unknown" }), NOW).real[1]).toBe(Date.parse("2026-10-10T00:00:00Z"));
  });
  test("holds for elements too", () => {
    const plan: ElementPlan = { planned: "finished", actual: "in_progress", forecast: "in_progress", start: "2026-10-01T00:00:00Z", finish: "2026-10-05T00:00:00Z", actual_start: "2026-10-03T00:00:00Z", actual_finish: null, forecast_finish: "2026-12-01T00:00:00Z", days_late: 49, tasks: [] };
    expect(elementDatesOf(plan, NOW).slice(2)).toEqual([Date.parse("2026-10-03T00:00:00Z"), Date.parse("2026-12-01T00:00:00Z")]);
  });
});

test("the floor plan calls late what was due and is not done, and expects where nobody reports", () => {
  const states = { codes: {}, global_id: ["a", "b", "c", "d", "e"], planned: [3, 3, 2, 0, 3], actual: [3, 2, 1, 0, 0], forecast: [3, 2, 1, 0, 3] };
  expect([...planStates(states, false).values()]).toEqual(["finished", "late", "ahead", "unlinked", "finished"]);
});

test("dates stand on the chart where the site's calendar has them, across the change of the clock", () => {
  const scale = { from: Date.parse("2026-10-19T22:00:00Z"), to: Date.parse("2026-11-01T23:00:00Z"), px_per_day: 60 };
  const ticks = ticksOf(scale, ZONE);
  expect(ticks[0]).toMatchObject({ x: 0, text: "Oct 20" });
  expect(ticks.at(-1)).toMatchObject({ x: xOf(scale, Date.parse("2026-10-31T23:00:00Z")), text: "Nov 1" });
  const years = ticksOf({ from: Date.parse("2025-03-01T00:00:00Z"), to: Date.parse("2028-03-01T00:00:00Z"), px_per_day: 0.2 }, ZONE);
  expect(years.map((tick) => tick.text)).toEqual(["2026", "2027", "2028"]);
});

describe("colours of values", () => {
  test("run from dark to light, and text on them can be read", () => {
    expect([ramp(-1), ramp(0), ramp(1), ramp(9)]).toEqual([0x00224e, 0x00224e, 0xfee838, 0xfee838]);
    expect([inkOn(0x00224e), inkOn(0xfee838)]).toEqual(["#ffffff", "#000000"]);
  });
  test("span round numbers", () => {
    expect(niceRange(19.3, 23.8)).toEqual([19, 24]);
    expect(niceRange(21, 21)).toEqual([20.7, 21.3]);
    expect(niceRange(412, 1130)).toEqual([400, 1200]);
  });
  test("are not spoilt by one oven", () => expect(bulk([20, 21, 21.5, 22, 22.5, 23, 180])).toEqual([20, 23]));
  test("speak for a room by its plainest point", () => {
    const point = (id: number, metric: string) => ({ id, metric, point_class: "temperature", kind: "value", unit: "Cel", element: `e${id}`, space: "room", low: null, high: null }) as never;
    const read = (id: number) => ({ t: 1, v: id === 1 ? 20 : 60, q: 0, stale: false });
    const { values } = valuesByPlace([point(1, "temperature"), point(2, "spindle_temperature")], "temperature", read);
    expect([values.get("room"), values.get("e2")]).toEqual([20, 60]);
  });
});
