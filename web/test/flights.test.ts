import { expect, test } from "vitest";
import type { Track, VerdictRow } from "../src/api/drone_types";
import { placesOf, poseAt } from "../src/state/track";
import { ofScan, shadeOf } from "../src/state/verdicts";

const none = [null, null, null];
const track: Track = { ts_ms: [1_000, 2_000, 4_000], lat_deg: [48, 48, 48], lon_deg: [18, 18, 18], alt_m: none, x: [0, 10, 10], y: [0, 0, 20], z: [5, 7, 7], yaw_deg: none, pitch_deg: none, roll_deg: none };

test("between two rows of a track the vehicle is where it must have been, nose first where no heading is known", () => {
  const east = poseAt(track, "d", "f", 1_500)!;
  expect([east.x, east.y, east.z, east.yaw_deg]).toEqual([5, 0, 6, 90]);
  const north = poseAt(track, "d", "f", 3_000, 17)!;
  expect([north.x, north.y, north.z, Math.round(north.yaw_deg!)]).toEqual([10, 10, 7, -17]);
});

test("before it began and after it ended there is no vehicle", () => {
  expect([poseAt(track, "d", "f", 999), poseAt(track, "d", "f", 4_001)]).toEqual([null, null]);
});

test("rows without a place in the model are no places of the track", () => {
  expect(placesOf({ ...track, x: [0, null, 10] }).map((one) => one.row)).toEqual([0, 2]);
});

test("what should stand and does not is late, what stands before its time is early, what no scan saw is nothing", () => {
  const [later, building, finished] = [1, 2, 3];
  expect([shadeOf(3, finished), shadeOf(3, building), shadeOf(2, later), shadeOf(2, finished), shadeOf(1, finished), shadeOf(0, finished)]).toEqual(["late", "missing", "early", "built", "unknown", null]);
});

test("a scan's rows become colours and deviations", () => {
  const row = (global_id: string, verdict: VerdictRow["verdict"], more: Partial<VerdictRow> = {}) => ({ global_id, verdict, late: false, early: false, deviation_mm: null, ...more }) as VerdictRow;
  const { shades, deviations } = ofScan([row("a", "built", { deviation_mm: { mean: 12, p95: 30, n: 9 } }), row("b", "not built", { late: true }), row("c", "built", { early: true }), row("d", "unknown", { late: true })]);
  expect([...shades]).toEqual([["a", "built"], ["b", "late"], ["c", "early"], ["d", "unknown"]]);
  expect([...deviations]).toEqual([["a", 12]]);
});
