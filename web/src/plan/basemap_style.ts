import type { LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { BasemapFacts } from "../api/types";

const SOURCE = "site";
/** Names of layers in the usual schemas (OpenMapTiles, Protomaps, Shortbread), by what is drawn for them. */
const AREAS: readonly (readonly [RegExp, keyof MapColours])[] = [
  [/^(earth|land|country|boundar)/, "ground"],
  [/^(landuse|landcover|park|sites|natural|globallandcover)/, "green"],
  [/^(water|ocean)/, "water"],
  [/^(building)/, "house"],
];
const LINES: readonly (readonly [RegExp, keyof MapColours, number])[] = [
  [/^(waterway|water_lines|water)/, "water", 1],
  [/^(roads?|transportation|streets?|bridges?|aerialway|ferr)/, "road", 2.5],
];

export interface MapColours {
  paper: string;
  ground: string;
  green: string;
  water: string;
  house: string;
  road: string;
}

/** A quiet map without words, since glyphs would have to come from somewhere: paper, green, water, houses, roads. */
export function basemapStyle(facts: BasemapFacts, layers: readonly string[], colours: MapColours): StyleSpecification {
  const { kind, zoom_min: minzoom, zoom_max: maxzoom, bounds } = facts;
  const paper: LayerSpecification = { id: "paper", type: "background", paint: { "background-color": colours.paper } };
  const tiles = { url: `pmtiles://${new URL(facts.url, location.href).href}`, minzoom, maxzoom, bounds, tileSize: kind === "raster" ? 256 : 512 };
  return {
    version: 8,
    sources: { [SOURCE]: kind === "raster" ? { ...tiles, type: "raster" } : { ...tiles, type: "vector" } },
    layers: kind === "raster" ? [paper, { id: "picture", type: "raster", source: SOURCE }] : [paper, ...drawn(layers, colours)],
  };
}

function drawn(layers: readonly string[], colours: MapColours): LayerSpecification[] {
  const areas = AREAS.flatMap(([name, colour]) => layers.filter((one) => name.test(one)).map((one) => area(one, colours[colour])));
  const lines = LINES.flatMap(([name, colour, width]) => layers.filter((one) => name.test(one)).map((one) => line(one, colours[colour], width)));
  const known = new Set([...areas, ...lines].map((one) => "source-layer" in one && one["source-layer"]));
  return [...areas, ...layers.filter((one) => !known.has(one)).map((one) => line(one, colours.road, 0.7)), ...lines];
}

const area = (layer: string, colour: string): LayerSpecification => ({
  id: `${layer} area`, type: "fill", source: SOURCE, "source-layer": layer, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour },
});

const line = (layer: string, colour: string, width: number): LayerSpecification => ({
  id: `${layer} line`, type: "line", source: SOURCE, "source-layer": layer, filter: ["==", ["geometry-type"], "LineString"],
  layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colour, "line-width": width },
});
