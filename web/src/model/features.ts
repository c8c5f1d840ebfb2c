import { tableFromIPC } from "@uwdata/flechette";

/** One row a feature, as the tile set's features.arrow has it; boxes in metres of the model's axes, relative to the origin. */
export interface Features {
  count: number;
  ids: readonly string[];
  types: readonly string[];
  storeys: readonly (string | null)[];
  /** min_x, min_y, min_z, max_x, max_y, max_z of every row */
  boxes: Float32Array;
  /** the material's colour, 0xrrggbbaa */
  colours: Uint32Array;
  rowOf: ReadonlyMap<string, number>;
}

const BOX = ["min_x", "min_y", "min_z", "max_x", "max_y", "max_z"] as const;

/** Fetch and decode the feature table. Raises when it is not there or has other columns. */
export async function loadFeatures(url: string, signal: AbortSignal): Promise<Features> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return featuresOf(new Uint8Array(await response.arrayBuffer()));
}

export function featuresOf(bytes: Uint8Array): Features {
  const table = tableFromIPC(bytes);
  const column = (name: string): ArrayLike<unknown> => {
    const found = table.getChild(name);
    if (!found) throw new Error(`the feature table has no column ${name}`);
    return found.toArray();
  };
  const ids = Array.from(column("global_id") as ArrayLike<string>);
  const boxes = new Float32Array(ids.length * 6);
  BOX.forEach((name, at) => {
    const values = column(name) as ArrayLike<number>;
    for (let row = 0; row < ids.length; row++) boxes[row * 6 + at] = values[row]!;
  });
  return {
    count: ids.length,
    ids,
    types: Array.from(column("type") as ArrayLike<string>),
    storeys: Array.from(column("storey") as ArrayLike<string | null>),
    boxes,
    colours: Uint32Array.from(column("color") as ArrayLike<number>),
    rowOf: new Map(ids.map((id, row) => [id, row])),
  };
}

/** The middle of a feature in the scene's axes (y up). */
export function middleOf({ boxes }: Features, row: number): [number, number, number] {
  const at = (i: number) => (boxes[row * 6 + i]! + boxes[row * 6 + i + 3]!) / 2;
  return [at(0), at(2), -at(1)];
}

/** The longest side of a feature's box. */
export function sizeOf({ boxes }: Features, row: number): number {
  const side = (i: number) => boxes[row * 6 + i + 3]! - boxes[row * 6 + i]!;
  return Math.max(side(0), side(1), side(2));
}

/** The box of what people built, without the land around it: the scene's axes, as [min, max] corners. */
export function builtBox({ boxes, storeys, count }: Features): { min: [number, number, number]; max: [number, number, number] } | null {
  const rows = Array.from({ length: count }, (_, row) => row).filter((row) => storeys[row] !== null);
  if (!rows.length) return null;
  const low = (i: number) => rows.reduce((least, row) => Math.min(least, boxes[row * 6 + i]!), Infinity);
  const high = (i: number) => rows.reduce((most, row) => Math.max(most, boxes[row * 6 + i]!), -Infinity);
  return { min: [low(0), low(2), -high(4)], max: [high(3), high(5), -low(1)] };
}
