import { expect, test } from "vitest";
import type { Point, Tree } from "../src/api/types";
import { deviceRows, FOUND_MAX, foundRows, spaceRows } from "../src/components/tree_rows";

const point = (id: number, device: string, metric: string): Point =>
  ({ id, key: `gw/${device}/${metric}`, node: "gw", device, metric, label: "", kind: "value", unit: "", space: null, element: null }) as Point;
const known = new Map([point(1, "ahu", "temp"), point(2, "ahu", "fan"), point(3, "meter", "power")].map((one) => [one.id, one]));
const tree: Tree = {
  roots: [
    {
      id: "site",
      type: "IfcSite",
      name: "Campus",
      points: [],
      children: [{ id: "room", type: "IfcSpace", name: "Plant room", points: [1, 2, 99], children: [] }],
    },
  ],
  unbound: [3],
  devices: [
    { node: "gw", device: "meter", points: [3] },
    { node: "gw", device: "ahu", points: [1, 2] },
  ],
};

test("closed branches hide what is below and say how much it is", () => {
  const rows = spaceRows(tree, known, new Set());
  expect(rows.map((row) => [row.text, row.open, row.count])).toEqual([["Campus", false, 3]]);
});

test("open branches show their points in place; a point that is not known yet is left out", () => {
  const rows = spaceRows(tree, known, new Set(["site", "room"]));
  expect(rows.map((row) => [row.depth, row.text])).toEqual([
    [0, "Campus"],
    [1, "Plant room"],
    [2, "Temp"],
    [2, "Fan"],
  ]);
});

test("devices are listed by name below their node", () => {
  const rows = deviceRows(tree, known, new Set(["node gw"]));
  expect(rows.map((row) => [row.depth, row.text, row.count])).toEqual([
    [0, "gw", 3],
    [1, "ahu", 2],
    [1, "meter", 1],
  ]);
});

test("rows have keys of their own, also for a point seen in two places", () => {
  const open = new Set(["site", "room", "node gw", "gw/ahu"]);
  const keys = [...spaceRows(tree, known, open), ...deviceRows(tree, known, open)].map((row) => row.key);
  expect(new Set(keys).size).toBe(keys.length);
});

test("search finds places, devices and points and bounds what it lists", () => {
  expect(foundRows(tree, known, "plant").rows.map((row) => row.to)).toEqual([{ view: "place", id: "room" }]);
  expect(foundRows(tree, known, "ahu fan").rows.map((row) => row.to)).toEqual([{ view: "point", id: 2 }]);
  const many = new Map(Array.from({ length: FOUND_MAX + 5 }, (_, i) => [i, point(i, "rack", `t${i}`)]));
  expect(foundRows({ ...tree, roots: [], devices: [] }, many, "rack")).toMatchObject({ more: 5 });
});
