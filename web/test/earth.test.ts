import { expect, test } from "vitest";
import { degreesOf, zoomFor } from "../src/plan/earth";

/** The campus as pyproj places it: the origin of its model, and its middle, 123 m away. */
const CAMPUS = { latitude: 48.96300006080408, longitude: 18.167999921863924, north: 16.991491941931933 };
const MIDDLE = { latitude: 48.96392879214318, longitude: 18.168924805457724, projected: [76.45, 96.99] as const };
const GRID_TURN = 12.000000007042418;

test("a place of the model lies where the projection of the site says", () => {
  const turn = (GRID_TURN * Math.PI) / 180;
  const [east, north] = MIDDLE.projected.map((metres) => metres / 0.99990034) as [number, number];
  const [x, y] = [east * Math.cos(turn) + north * Math.sin(turn), -east * Math.sin(turn) + north * Math.cos(turn)];
  const found = degreesOf(CAMPUS, x, y);
  expect(Math.abs(found.latitude - MIDDLE.latitude) * 111_000).toBeLessThan(0.05);
  expect(Math.abs(found.longitude - MIDDLE.longitude) * 73_000).toBeLessThan(0.05);
});

test("a map zoom draws a metre as large as the sheet does", () => {
  expect(zoomFor(0, 512 / 40_075_016.68557849)).toBeCloseTo(0, 9);
  expect(zoomFor(48.96, 2) - zoomFor(48.96, 1)).toBeCloseTo(1, 9);
});
