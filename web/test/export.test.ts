import { expect, test } from "vitest";
import type { Point, Series } from "../src/api/types";
import { csvOf } from "../src/charts/csv";

const point = (id: number, key: string) => ({ id, key }) as Point;
const series = (one: Partial<Series>) => ({ unit: "", kind: "value", t: [], v: [], quality: [], ...one }) as Series;

test("every reading is a line with its time in UTC, and what is no number is empty", () => {
  const text = csvOf([point(1, "gw/m/power")], [series({ point: 1, unit: "kW", t: [0, 1_500], v: [1.25, null], quality: [0, 1] })]);
  expect(text).toBe("time,point,value,unit,quality\r\n1970-01-01T00:00:00.000Z,gw/m/power,1.25,kW,0\r\n1970-01-01T00:00:01.500Z,gw/m/power,,kW,1\r\n");
});

test("a text cannot break out of its cell nor be taken for a formula", () => {
  const text = csvOf([point(1, "gw/m/note")], [series({ point: 1, kind: "state", t: [0, 1], v: ['a, "b"\nc', "=HYPERLINK(1)"], quality: [0, 0] })]);
  expect(text).toContain('"a, ""b""\nc"');
  expect(text).toContain("'=HYPERLINK(1)");
});
