import { expect, test } from "vitest";
import type { Point, TreeNode } from "../src/api/types";
import { byInterest, headlines, parkFigures, proposals, sumOf } from "../src/state/headlines";

let id = 0;
const point = (device: string, metric: string, point_class: string, unit = "", label = ""): Point =>
  ({ id: ++id, key: `gw/${device}/${metric}`, node: "gw", device, metric, label, kind: "value", unit, point_class }) as Point;
const known = (points: Point[]) => new Map(points.map((one) => [one.id, one]));
const room = (points: Point[]): TreeNode => ({ id: "room", type: "IfcSpace", name: "Room", points: [], children: [{ id: "s", type: "IfcSensor", name: "", points: points.map((one) => one.id), children: [] }] });
const metrics = (points: readonly Point[]) => points.map((one) => one.metric);

test("a place shows three values of three classes, the plainest point of each", () => {
  const points = [point("mill", "spindle_temperature", "temperature"), point("air", "temperature", "temperature"), point("air", "humidity", "humidity"), point("air", "co2", "co2"), point("mill", "power", "power")];
  expect(metrics(headlines(room(points), known(points)))).toEqual(["temperature", "co2", "power"]);
});

test("a place whose points have no class still shows what it has, and texts are left out", () => {
  const text = { ...point("mill", "program", ""), kind: "state" } as Point;
  const points = [text, point("mill", "x", ""), point("mill", "y", "")];
  expect(metrics(headlines(room(points), known(points)))).toEqual(["x", "y"]);
});

test("on a faceplate what people look for comes first, and what has no class last", () => {
  const points = [point("m", "voltage_l1", "voltage"), point("m", "x", ""), point("r", "humidity", "humidity"), point("r", "temperature", "temperature")];
  expect(metrics(byInterest(points))).toEqual(["temperature", "humidity", "voltage_l1", "x"]);
});

test("the park shows total and solar power once a device, the weather's temperature and everybody", () => {
  const points = [
    point("main-meter", "active_power", "power", "kW"),
    point("lab-meter", "active_power", "power", "kW"),
    point("inv", "dc_power", "power", "kW", "PV inverter: dc power"),
    point("inv", "ac_power", "power", "kW", "PV inverter: ac power"),
    point("ahu", "outside_air_temperature", "temperature", "Cel"),
    point("weather", "air_temperature", "temperature", "Cel"),
    point("a", "people", "occupancy", "1"),
    point("b", "people", "occupancy", "1"),
  ];
  expect(parkFigures(points).map((one) => [one.figure, metrics(one.points)])).toEqual([
    ["power", ["active_power"]],
    ["pv", ["ac_power"]],
    ["outdoor", ["air_temperature"]],
    ["occupancy", ["people", "people"]],
  ]);
});

test("what a site does not measure is left out, and no total is guessed from parts", () => {
  expect(parkFigures([point("m1", "power", "power"), point("m2", "power", "power"), point("r", "temperature", "temperature")])).toEqual([]);
});

test("sums hold one unit, and what is no number does not count", () => {
  expect(sumOf([{ unit: "kW", v: 1 }, { unit: "W", v: 500 }])).toEqual({ v: 1.5, unit: "kW" });
  expect(sumOf([{ unit: "1", v: null }, { unit: "1", v: 3 }])).toEqual({ v: 3, unit: "1" });
  expect(sumOf([{ unit: "kW", v: null }])).toEqual({ v: null, unit: "kW" });
});

test("an empty trend page offers classes, or devices where nothing has a class", () => {
  const classed = Array.from({ length: 9 }, (_, i) => point(`r${i}`, "temperature", "temperature"));
  expect(proposals(classed).map((one) => [one.of, one.points.length])).toEqual([["temperature", 6]]);
  expect(proposals([point("mill", "x", "")]).map((one) => one.of)).toEqual([""]);
  expect(proposals([])).toEqual([]);
});
