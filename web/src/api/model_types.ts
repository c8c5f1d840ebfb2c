/** The geometry of the live model as the twin serves it: docs of the format are in docs/adr of the tiles. */

export interface Tile {
  file: string;
  bytes: number;
  storey: string | null;
  cell: [number, number] | null;
  bounds_m: number[];
  first_feature: number;
  features: number;
  triangles: number;
}

export interface StoreyInfo {
  global_id: string;
  name: string;
  elevation_m: number;
}

/** Lengths in metres from `origin_m`, z up. A GLB is y up: (x, z, −y). */
export interface TileSet {
  version: number;
  sha256: string;
  origin_m: [number, number, number];
  bounds_m: [number, number, number, number, number, number];
  features: number;
  feature_table: string;
  storeys: StoreyInfo[];
  tiles: Tile[];
  plans: { storey: string; file: string; bounds_m: [number, number, number, number] }[];
  lost: { global_id: string; type: string; reason: string }[];
  warnings: string[];
}

/** `GET /tiles`: the set, or how far its making is (status 202). */
export interface TilesAnswer {
  revision?: number;
  base?: string;
  tileset?: TileSet;
  progress?: number | null;
  state?: string;
  detail?: string;
}
