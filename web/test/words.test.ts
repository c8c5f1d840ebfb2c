import { expect, test } from "vitest";
import { backoff } from "../src/api/live";
import { query } from "../src/api/http";
import { brief, offset, offsetMinutes, value } from "../src/i18n/format";
import { unitText } from "../src/i18n/units";
import { parse, path, type Route } from "../src/state/route";
import { matches, words } from "../src/state/search";
import { fromLocalInput, toLocalInput } from "../src/state/zoned_input";

const ZONE = "Europe/Bratislava";

test.each([
  ["Cel", "°C"],
  ["kW.h", "kWh"],
  ["m3/h", "m³/h"],
  ["W/m2", "W/m²"],
  ["%", "%"],
  ["{rpm}", "rpm"],
  ["um", "µm"],
  ["1", ""],
])("the unit %s is written %s", (ucum, text) => {
  expect(unitText(ucum)).toBe(text);
});

test("what is no number is a dash, and text is shown as it is", () => {
  expect([null, NaN, Infinity, "RUNNING", 7].map(value)).toEqual(["–", "–", "–", "RUNNING", "7"]);
});

test("at a glance a value has three significant digits", () => {
  expect([22.164, 765.2, 4.0401, 0.1204, 1932.4, 1_665, 0.00001, null].map(brief)).toEqual(["22.2", "765", "4.04", "0.120", "1,932", "1,665", "0", "–"]);
});

test("the offset of the site is printed with its sign, summer and winter", () => {
  expect(offset(Date.parse("2026-01-01T00:00:00Z"), ZONE)).toBe("UTC+01:00");
  expect(offset(Date.parse("2026-07-01T00:00:00Z"), ZONE)).toBe("UTC+02:00");
  expect(offset(Date.parse("2026-01-01T00:00:00Z"), "America/St_Johns")).toBe("UTC−03:30");
  expect(offsetMinutes(Date.parse("2026-01-01T00:00:00.999Z"), "Asia/Taipei")).toBe(480);
});

test("a time typed in is one of the site's zone, on both sides of the clock change", () => {
  for (const iso of ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-10-24T22:00:00Z", "2026-11-23T14:05:09Z"]) {
    const ms = Date.parse(iso);
    expect(fromLocalInput(toLocalInput(ms, ZONE), ZONE)).toBe(ms);
  }
  expect(fromLocalInput("soon", ZONE)).toBeNull();
});

test.each<Route>([
  { view: "overview" },
  { view: "browse" },
  { view: "nodes" },
  { view: "place", id: "2O2Fr$t4X7Zf8NOew3FLOH" },
  { view: "device", node: "gw-1", device: "sdm_630" },
  { view: "point", id: 42 },
  { view: "model", element: null, shade: "material", of: null, storey: null, flight: null, scan: null },
  { view: "schedule", task: null },
])("every view has an address that leads back to it: $view", (route) => {
  expect(parse(path(route), new URLSearchParams())).toEqual(route);
});

test("an address with too many or foolish points shows what it can", () => {
  const many = Array.from({ length: 40 }, (_, i) => i).join(",");
  const route = parse("/trends", new URLSearchParams({ points: `x,-1,3,3,${many}` }));
  expect(route.view === "trends" && route.points.length).toBe(12);
});

test("search takes words in any order and forgives accents, case and underscores", () => {
  expect(matches(words("dvere HLAVNE"), "Hlavné dvere")).toBe(true);
  expect(matches(words("room temp"), "gw/room-101/temp_air")).toBe(true);
  expect(matches(words("cold"), "gw/room-101/temp_air")).toBe(false);
});

test("reconnects double their wait up to a bound and are spread", () => {
  expect([0, 1, 2].map((attempt) => backoff(attempt, 1))).toEqual([500, 1_000, 2_000]);
  expect(backoff(50, 1)).toBe(15_000);
  expect(backoff(50, 0)).toBe(7_500);
});

test("lists become repeated parameters and what is unset is left out", () => {
  expect(query({ point: [1, 2], known_at: null, q: "", width: 5 })).toBe("?point=1&point=2&width=5");
});
