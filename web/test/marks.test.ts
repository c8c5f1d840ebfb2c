import { expect, test } from "vitest";
import type { Alarm, AlarmStep } from "../src/api/alarm_types";
import { spansOf } from "../src/state/alarm_spans";
import { grouped, type Mark } from "../src/state/marks";

const T0 = Date.parse("2026-05-04T08:00:00Z");
const iso = (s: number) => new Date(T0 + s * 1000).toISOString();
const alarm = (id: number, more: Partial<Alarm> = {}) => ({ id, key: `k${id}`, label: "", point: id, priority: "high", kind: "high", raised: null, returned: null, ...more }) as Alarm;
const step = (id: number, s: number, what: string) => ({ alarm: id, at: iso(s), what }) as AlarmStep;
const mark = (at: number, priority: Mark["priority"] = "low"): Mark => ({ kind: "alarm", id: `${at}`, at, to: at, name: "", priority, view: null });

test("an alarm spans from raised to returned, also when it began before the range or still stands", () => {
  const alarms = [alarm(1), alarm(2), alarm(3, { raised: iso(-90) }), alarm(4, { raised: iso(40) })];
  const newestFirst = [step(4, 40, "raised"), step(1, 30, "returned"), step(1, 10, "raised"), step(2, 5, "returned")];
  const spans = spansOf(alarms, newestFirst, T0).map(({ alarm, from, to }) => [alarm, (from - T0) / 1000, to === null ? null : (to - T0) / 1000]);
  expect(spans).toEqual([[3, -90, null], [2, 0, 5], [1, 10, 30], [4, 40, null]]);
});

test("a span of an alarm that is not known any more is left out", () => {
  expect(spansOf([], [step(9, 1, "raised")], T0)).toEqual([]);
});

test("marks that would cover each other are one, the worst first; what lies outside is left out", () => {
  const groups = grouped([mark(0), mark(5, "critical"), mark(8, "high"), mark(500), mark(2_000)], 0, 1_000);
  expect(groups.map((group) => [group.at, group.marks.map((one) => one.at)])).toEqual([[0, [5, 8, 0]], [500, [500]]]);
});

test("a flight that began before the range and reaches into it is shown", () => {
  const flight: Mark = { ...mark(-300), kind: "flight", to: 100 };
  expect(grouped([flight, { ...flight, to: -1 }], 0, 1_000)).toHaveLength(1);
});

test("marks that say how many they are keep room for it, milestones stand as close as they are drawn", () => {
  const near = [mark(0), mark(30), mark(200)];
  expect(grouped(near, 0, 1_000)).toHaveLength(2);
  expect(grouped(near.map((one) => ({ ...one, kind: "milestone" as const })), 0, 1_000)).toHaveLength(3);
});
