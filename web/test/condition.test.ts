import { expect, test } from "vitest";
import { conditionOf, isStale, QUALITY, remarks, type Reading } from "../src/state/condition";
import { findings, linesOf } from "../src/state/findings";
import type { Point } from "../src/api/types";

const limits = { low: 18, high: 26, period_s: 10 };
const NOW = 1_000_000;
const reading = (more: Partial<Reading>): Reading => ({ t: NOW, v: 20, q: 0, stale: false, ...more });

test("a value within its limits, fresh and good is normal", () => {
  expect(conditionOf(limits, reading({}), NOW)).toBe("ok");
});

test("bad quality outranks a limit: a broken sensor's number means nothing", () => {
  expect(conditionOf(limits, reading({ v: 99, q: QUALITY.bad }), NOW)).toBe("bad");
  expect(conditionOf(limits, reading({ v: null, q: QUALITY.notANumber }), NOW)).toBe("bad");
});

test("a computed value without a meaning is normal: what is wrong shows at what it is computed from", () => {
  const computed = { ...limits, point_class: "derived" };
  expect(conditionOf(computed, null, NOW)).toBe("ok");
  expect(conditionOf(computed, reading({ v: null, q: QUALITY.notANumber }), NOW)).toBe("ok");
  expect(conditionOf(computed, reading({ v: 27 }), NOW)).toBe("high");
});

test("the side of the limit is said where it is known", () => {
  expect(conditionOf(limits, reading({ v: 27, q: QUALITY.outOfRange }), NOW)).toBe("high");
  expect(conditionOf(limits, reading({ v: 17, q: QUALITY.outOfRange }), NOW)).toBe("low");
  expect(conditionOf({ ...limits, high: null, low: null }, reading({ q: QUALITY.outOfRange }), NOW)).toBe("range");
});

test("three periods and the grace without news make a value stale, a moment less does not", () => {
  expect(isStale(10, reading({ t: NOW - 32_001 }), NOW)).toBe(true);
  expect(isStale(10, reading({ t: NOW - 31_999 }), NOW)).toBe(false);
});

test("what reports by exception is stale only when the twin says so", () => {
  expect(isStale(null, reading({ t: 0 }), NOW)).toBe(false);
  expect(isStale(null, reading({ stale: true }), NOW)).toBe(true);
  expect(isStale(null, reading({ q: QUALITY.stale }), NOW)).toBe(true);
});

test("a replayed recording keeps its own times and is not late", () => {
  expect(isStale(1, reading({ t: 0, q: QUALITY.historical }), NOW)).toBe(false);
});

test("a point that never spoke is silent", () => {
  expect(conditionOf(limits, null, NOW)).toBe("silent");
});

test("remarks name what is unusual but not wrong", () => {
  expect(remarks(QUALITY.simulated | QUALITY.bad)).toEqual(["simulated"]);
});

test("findings come worst first, newest first, and leave the normal out", () => {
  const point = (id: number) => ({ id, ...limits }) as Point;
  const readings = new Map<number, Reading | null>([
    [1, reading({})],
    [2, reading({ t: NOW - 60_000 })],
    [3, reading({ v: 30, t: NOW - 5_000 })],
    [4, reading({ v: 30 })],
    [5, reading({ q: QUALITY.bad })],
    [6, null],
  ]);
  const found = findings([1, 2, 3, 4, 5, 6].map(point), (id) => readings.get(id) ?? null, new Set([1]), NOW);
  expect(found.map((one) => [one.point.id, one.condition])).toEqual([
    [4, "high"],
    [3, "high"],
    [5, "bad"],
    [2, "stale"],
    [6, "silent"],
    [1, "unbound"],
  ]);
});

test("misses neither poses nor commands that nobody gave, but a setpoint and a sensor", () => {
  const plain = { low: null, high: null, period_s: null };
  expect(conditionOf({ ...plain, kind: "pose", writable: false }, null, 0)).toBe("ok");
  expect(conditionOf({ ...plain, kind: "state", writable: true }, null, 0)).toBe("ok");
  expect(conditionOf({ ...plain, kind: "value", writable: true }, null, 0)).toBe("silent");
  expect(conditionOf({ ...plain, kind: "state", writable: false }, null, 0)).toBe("silent");
  expect(conditionOf({ ...plain, kind: "state", writable: true, period_s: 2 }, null, 0)).toBe("silent");
});

const pointOf = (id: number) => ({ id, node: "gw", device: "meter", ...limits }) as Point;

test("a dead cable is one line, other findings keep their own", () => {
  const found = [1, 2, 3, 4, 5].map((id) => ({ point: { ...pointOf(id), device: id < 4 ? "pump" : "fan" }, condition: "stale" as const, t: NOW }));
  const high = { point: pointOf(6), condition: "high" as const, t: NOW };
  const lines = linesOf([high, ...found]);
  expect(lines.map((one) => [one.point.id, one.points])).toEqual([[6, 1], [1, 3], [4, 1], [5, 1]]);
});
