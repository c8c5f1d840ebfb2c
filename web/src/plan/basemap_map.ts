import { addProtocol, Map as TileMap, setWorkerUrl } from "maplibre-gl";
import worker from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { PMTiles, Protocol } from "pmtiles";
import type { BasemapFacts } from "../api/types";
import { basemapStyle, type MapColours } from "./basemap_style";
import { type Anchor, degreesOf, zoomFor } from "./earth";
import type { Sheet } from "./sheet";

const protocol = new Protocol();
setWorkerUrl(worker);
addProtocol("pmtiles", protocol.tile);

/** The site's own tiles under a sheet, moved with it; what takes them away again. `failed` is called with what went wrong. */
export async function layBasemap(host: HTMLElement, sheet: Sheet, facts: BasemapFacts, anchor: Anchor, failed: (text: string) => void): Promise<() => void> {
  const archive = new PMTiles(new URL(facts.url, location.href).href);
  protocol.add(archive);
  const map = new TileMap({
    container: host,
    style: basemapStyle(facts, await layersOf(archive, facts), coloursOf(host)),
    interactive: false,
    attributionControl: false,
    fadeDuration: 0,
    renderWorldCopies: false,
    validateStyle: false,
    maxZoom: 24,
    ...cameraOf(sheet, anchor),
  });
  map.on("error", ({ error }) => failed(error.message));
  map.on("idle", () => (host.dataset["drawn"] = "true"));
  const stop = sheet.onMove(() => map.jumpTo(cameraOf(sheet, anchor)));
  const watch = new ResizeObserver(() => (map.resize(), map.jumpTo(cameraOf(sheet, anchor))));
  watch.observe(host);
  return () => {
    stop();
    watch.disconnect();
    map.remove();
  };
}

function cameraOf(sheet: Sheet, anchor: Anchor): { center: [number, number]; zoom: number; bearing: number } {
  const { latitude, longitude } = degreesOf(anchor, sheet.middle_m.x, sheet.middle_m.y);
  return { center: [longitude, latitude], zoom: zoomFor(latitude, sheet.scale), bearing: -anchor.north };
}

/** The names of a vector archive's layers, as its metadata say. */
async function layersOf(archive: PMTiles, { kind }: BasemapFacts): Promise<string[]> {
  if (kind === "raster") return [];
  const { vector_layers: layers } = (await archive.getMetadata()) as { vector_layers?: { id?: unknown }[] };
  return Array.isArray(layers) ? layers.flatMap(({ id }) => (typeof id === "string" ? [id] : [])) : [];
}

function coloursOf(host: HTMLElement): MapColours {
  const style = getComputedStyle(host);
  const of = (name: string) => style.getPropertyValue(`--map-${name}`).trim();
  return { paper: style.getPropertyValue("--paper").trim(), ground: of("ground"), green: of("green"), water: of("water"), house: of("house"), road: of("road") };
}
