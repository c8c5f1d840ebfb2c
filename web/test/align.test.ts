import { expect, test } from "vitest";
import type { Series } from "../src/api/types";
import { byUnit, lineOf, spansOf, valueAt } from "../src/charts/align";
import { valueRange } from "../src/charts/axes_range";

const series = (t: number[], v: Series["v"], quality = t.map(() => 0)): Series => ({
  point: 1,
  unit: "Cel",
  kind: "value",
  t,
  v,
  quality,
  source_rows: t.length,
  downsampled: false, carried: null,
});
const seconds = (n: number) => Array.from({ length: n }, (_, i) => i * 1_000);

test("a hole in the readings stays a hole in the line", () => {
  const t = [...seconds(10), ...seconds(10).map((ms) => ms + 60_000)];
  const line = lineOf(series(t, t.map(() => 1)), 0, 1);
  expect(line.y.filter((value) => value === null)).toHaveLength(1);
  expect(line.x[line.y.indexOf(null)]).toBeCloseTo(9.001);
});

test("what was recorded every ten minutes is one line, although live values come every second", () => {
  const past = Array.from({ length: 20 }, (_, i) => i * 600_000);
  const begun = past.at(-1)! + 500_000;
  const t = [...past, ...seconds(500).map((ms) => begun + ms), begun + 900_000];
  const line = lineOf(series(t, t.map(() => 1), t.map((ms) => (ms < begun ? 64 : 0))), 0, 1);
  expect(line.y.filter((value) => value === null)).toHaveLength(1); // the hole among the live ones
  expect(line.x[line.y.indexOf(null)]).toBeCloseTo((begun + 499_001) / 1000);
});

test("every reading that came is drawn: no extreme is left out", () => {
  const t = seconds(100);
  const v = t.map((_, i) => (i === 50 ? 1_000 : 1));
  expect(lineOf(series(t, v), 0, 1).y).toEqual(v);
});

test("bad readings are a gap with a mark, never a zero", () => {
  const line = lineOf(series(seconds(3), [1, 5, 1], [0, 8, 0]), 0, 1);
  expect(line.y).toEqual([1, null, 1]);
  expect(line.bad).toEqual([1]);
});

test("buckets as wide as the range allows are no gap", () => {
  const t = seconds(20).map((ms) => ms * 600);
  expect(lineOf(series(t, t.map(() => 1)), 600_000, 1).y).not.toContain(null);
});

test("equal states join into one span that lasts until the next", () => {
  const spans = spansOf(series([0, 1_000, 2_000], ["idle", "idle", "run"]), 9_000);
  expect(spans).toEqual([
    { from: 0, to: 2, text: "idle", good: true },
    { from: 2, to: 9, text: "run", good: true },
  ]);
});

test("points of one unit share an axis, in the order in which they came", () => {
  const groups = byUnit([{ unit: "kW", n: 1 }, { unit: "Cel", n: 2 }, { unit: "kW", n: 3 }]);
  expect(groups.map((group) => group.map((point) => point.n))).toEqual([[1, 3], [2]]);
});

test("limits are shown while they do not squash the line", () => {
  const near = valueRange(20, 25, [18, 26]);
  expect(near[0]).toBeLessThan(18);
  expect(near[1]).toBeGreaterThan(26);
  expect(valueRange(20, 25, [0, 1_000])[1]).toBeLessThan(100);
});

test("the value under the cursor is the last one before it, and nothing inside a gap", () => {
  const line = { x: [0, 1, 2, 3], y: [5, null, 7, 8], bad: [] };
  expect([-1, 0.5, 1.5, 2, 9].map((at) => valueAt(line, at))).toEqual([null, 5, null, 7, 8]);
});
