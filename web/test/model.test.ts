import { tableFromArrays, tableToIPC } from "@uwdata/flechette";
import { BufferAttribute, BufferGeometry, ShaderMaterial } from "three";
import { describe, expect, test } from "vitest";
import { edgesOf } from "../src/model/edges";
import { featuresOf, middleOf } from "../src/model/features";
import { ColourTexture, DatesTexture, NO_DATE, TEXTURE_WIDTH } from "../src/model/feature_textures";
import { planShade } from "../src/model/shader";

const DAY = 86_400_000;

describe("the feature table", () => {
  const columns = {
    global_id: ["a", "b"], type: ["IfcWall", "IfcSpace"], storey: ["s", null],
    min_x: [0, 1], min_y: [2, 3], min_z: [4, 5], max_x: [10, 11], max_y: [12, 13], max_z: [14, 15], color: [0xff0000ff, 0x00ff0080],
  };
  const bytes = tableToIPC(tableFromArrays(columns), { format: "file" })!;

  test("is read by column, whatever their order", () => {
    const features = featuresOf(bytes);
    expect([features.count, features.rowOf.get("b"), features.storeys[1]]).toEqual([2, 1, null]);
    expect(middleOf(features, 0)).toEqual([5, 9, -7]);
    expect(features.colours[0]).toBe(0xff0000ff);
  });

  test("without a column that is needed is refused by its name", () => {
    const { color, ...rest } = columns;
    expect(color).toHaveLength(2);
    expect(() => featuresOf(tableToIPC(tableFromArrays(rest), { format: "file" })!)).toThrow(/color/);
  });
});

describe("the colour texture", () => {
  test("hands over only the rows that changed, and nothing when nothing did", () => {
    const colours = new ColourTexture(100_000);
    colours.flush();
    for (const row of [3, 7, 3 * TEXTURE_WIDTH + 1]) colours.set(row, 0x102030, 1);
    expect(colours.flush()).toBe(2);
    colours.set(3, 0x102030, 1);
    expect(colours.flush()).toBe(0);
    expect(colours.texture.updateRanges.every(({ start, count }) => start % (TEXTURE_WIDTH * 4) === 0 && count === TEXTURE_WIDTH * 4)).toBe(true);
  });

  test("keeps a highlight apart from the colour and what is seen", () => {
    const colours = new ColourTexture(4);
    colours.set(1, 0xffffff, 0.5);
    colours.highlight(1, true);
    const seen = colours.alphaOf(1);
    colours.set(1, 0x000000, 0.5);
    expect([colours.data[7]! & 1, colours.alphaOf(1)]).toEqual([1, seen]);
    colours.highlight(1, false);
    expect(colours.data[7]! & 1).toBe(0);
  });
});

test("dates in the texture still tell minutes apart decades away", () => {
  const dates = new DatesTexture(1);
  const at = Date.UTC(2050, 5, 1, 12, 0);
  dates.set(0, [at, at + 60_000 * 10, null, null]);
  expect(dates.data[1]! - dates.data[0]!).toBeGreaterThan(0);
  expect(dates.data[2]).toBe(NO_DATE);
});

describe("the state of an element at an instant", () => {
  // planned from day 10 to 20; really from 12 to 25
  const dates = [10, 20, 12, 25];
  test.each([
    [9, "ahead"], [11, "ahead"], [13, "progress"], [20, "progress"], [21, "late"], [24.9, "late"], [25, "finished"],
  ] as const)("on day %d is %s", (day, state) => expect(planShade(dates, 0, day, false)).toBe(state));
  test.each([[9, "ahead"], [10, "progress"], [20, "finished"]] as const)("by the plan alone on day %d is %s", (day, state) =>
    expect(planShade(dates, 0, day, true)).toBe(state),
  );
  test("without dates is not in the plan", () => expect(planShade([NO_DATE, NO_DATE, NO_DATE, NO_DATE], 0, 5, false)).toBe("unlinked"));
  test("of days since 2020", () => expect(new DatesTexture(1).days(Date.UTC(2020, 0, 1) + 3 * DAY)).toBe(3));
});

test("a cube of twelve triangles has twelve edges, although its corners are split and its faces turned either way", () => {
  const corners = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];
  const quads = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]];
  const vertices = quads.flatMap(([a, b, c, d]) => [a, b, c, a, c, d].flatMap((i) => corners[i!]!));
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(Float32Array.from(vertices), 3));
  geometry.setAttribute("feature", new BufferAttribute(new Float32Array(vertices.length / 3), 1));
  expect(edgesOf(geometry, new ShaderMaterial()).geometry.getAttribute("position").count).toBe(24);
});
