/** A sheet on the Earth: metres of the model beside its origin as degrees, for maps. */

export interface Anchor {
  /** Where the origin of the sheet's metres lies. */
  latitude: number;
  longitude: number;
  /** True north, so many degrees clockwise of the sheet's upper edge. */
  north: number;
}

const EQUATOR_M = 6_378_137;
const FLATTENING = 1 / 298.257223563;
const SQUARE = FLATTENING * (2 - FLATTENING);
const TILE_PX = 512; // of a world at zoom 0, as MapLibre counts
const RADIANS = Math.PI / 180;

/** Metres of a degree of latitude and of longitude at a latitude, on the WGS 84 ellipsoid. */
function metresADegree(latitude: number): { north: number; east: number } {
  const w = Math.sqrt(1 - SQUARE * Math.sin(latitude * RADIANS) ** 2);
  return { north: ((EQUATOR_M * (1 - SQUARE)) / w ** 3) * RADIANS, east: (EQUATOR_M / w) * Math.cos(latitude * RADIANS) * RADIANS };
}

/** Where a place of the model lies: exact to a centimetre within a kilometre of the anchor. */
export function degreesOf(anchor: Anchor, x_m: number, y_m: number): { latitude: number; longitude: number } {
  const turn = anchor.north * RADIANS;
  const east = x_m * Math.cos(turn) - y_m * Math.sin(turn);
  const north = x_m * Math.sin(turn) + y_m * Math.cos(turn);
  const first = anchor.latitude + north / metresADegree(anchor.latitude).north;
  const middle = metresADegree((anchor.latitude + first) / 2);
  return { latitude: anchor.latitude + north / middle.north, longitude: anchor.longitude + east / metresADegree(first).east };
}

/** The zoom at which a map draws so many pixels a metre at a latitude. */
export const zoomFor = (latitude: number, pixelsPerMetre: number): number => Math.log2((pixelsPerMetre * metresADegree(latitude).east * 360) / TILE_PX);
