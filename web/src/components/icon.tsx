/** Line icons on a 16-unit grid, drawn with the text's colour. Decoration: the words beside them carry the meaning. */
const PATHS = {
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM10.5 10.5 14 14",
  live: "M8 8h.01M4.5 11.5a5 5 0 0 1 0-7M11.5 4.5a5 5 0 0 1 0 7",
  play: "M5 3.2v9.6L12.6 8Z",
  pause: "M5.5 3v10M10.5 3v10",
  back: "M10.5 3.5 6 8l4.5 4.5",
  forward: "M5.5 3.5 10 8l-4.5 4.5",
  chevron: "M6 4l4 4-4 4",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  check: "M3 8.5 6.5 12 13 4.5",
  settings: "M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3",
  help: "M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.5M8 12h.01M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8Z",
  overview: "M2.5 2.5h4.5v5H2.5zM9 2.5h4.5v3H9zM9 7.5h4.5v6H9zM2.5 9.5H7v4H2.5z",
  browse: "M3 3h10M6 8h7M6 13h7M3 3v10M3 8h3M3 13h3",
  trends: "M2 13.5h12M2.5 10.5l3.5-4 3 2.5L14 3.5",
  nodes: "M3 9.5h10v4H3zM3 2.5h10v4H3zM5.5 4.5h.01M5.5 11.5h.01",
  alarm: "M8 2.2a4 4 0 0 1 4 4c0 3.6 1.5 4.8 1.5 4.8h-11S4 9.8 4 6.2a4 4 0 0 1 4-4ZM6.6 13.3a1.6 1.6 0 0 0 2.8 0",
  sound: "M2.5 6v4h2.5L8.5 13V3L5 6ZM11 5.5a3.5 3.5 0 0 1 0 5M12.8 3.5a6.2 6.2 0 0 1 0 9",
  mute: "M2.5 6v4h2.5L8.5 13V3L5 6ZM11 6.2l3.4 3.6M14.4 6.2 11 9.8",
  high: "M8 2.5 14 13H2Z",
  low: "M8 13.5 2 3h12Z",
  range: "M3 8h10M3 5v6M13 5v6",
  bad: "M8 1.8 14.2 8 8 14.2 1.8 8ZM8 5.2v3.2M8 10.8h.01",
  stale: "M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8ZM8 4.5V8l2.5 1.5",
  silent: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2ZM5.5 8h5",
  unbound: "M6.5 9.5l3-3M7 4.5l1-1a2.5 2.5 0 0 1 3.6 3.6l-1 1M9 11.5l-1 1A2.5 2.5 0 0 1 4.4 9l1-1M3 3l1 1M13 13l-1-1",
  ok: "M3 8.5 6.5 12 13 4.5",
  people: "M8 2.2a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2ZM3 13.8c0-2.6 2.2-4.2 5-4.2s5 1.6 5 4.2",
  download: "M8 2.5v7.5M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  command: "M3 8h7M7 4.5 10.5 8 7 11.5M13 3v10",
  site: "M2 13.5h12M3.5 13.5V7l4.5-4 4.5 4v6.5",
  building: "M3.5 13.5v-11h9v11M6.5 5.5h.01M9.5 5.5h.01M6.5 8.5h.01M9.5 8.5h.01M7 13.5v-2.5h2v2.5M2 13.5h12",
  storey: "M2 5.5 8 2.5l6 3-6 3zM2 10.5l6 3 6-3",
  space: "M2.5 2.5h11v11h-11zM2.5 9h5M7.5 6.5v7",
  element: "M8 2 13.5 5v6L8 14l-5.5-3V5ZM2.5 5 8 8l5.5-3M8 8v6",
  device: "M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14",
  point: "M8 5.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4Z",
  zoomOut: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM10.5 10.5 14 14M5 7h4",
  zoomIn: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM10.5 10.5 14 14M5 7h4M7 5v4",
  calendar: "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v2.5M10.5 2v2.5",
  model: "M8 1.8 13.6 5v6L8 14.2 2.4 11V5ZM2.4 5 8 8.2 13.6 5M8 8.2v6",
  schedule: "M2.5 3h6M5 6.3h6M7 9.7h6.5M4 13h5",
  palette: "M8 2a6 6 0 1 0 0 12c1.2 0 1.4-.9 1-1.6-.5-1 .1-2 1.3-2H12a2.2 2.2 0 0 0 2.1-2.4C13.9 4.6 11.3 2 8 2ZM5 8h.01M6.5 5h.01M9.8 5h.01",
  section: "M2 8h12M4 8V3.5h8V8M4 11v1.5h8V11",
  measure: "M2 10.5 10.5 2 14 5.5 5.5 14ZM5 8l1.5 1.5M7.5 5.5 9 7",
  flags: "M3 14V2.5M3 3h9l-2 2.8L12 8.5H3",
  home: "M2.5 7.5 8 2.8l5.5 4.7M4 6.5v7h8v-7",
  target: "M8 3.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9ZM8 1v4M8 11v4M1 8h4M11 8h4",
  flip: "M8 2v12M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5",
  half: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2ZM8 2.2v11.6",
  ring: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2Z",
  loop: "M3 7.5A4.5 4.5 0 0 1 7.5 3.5H12M10 1.5l2 2-2 2M13 8.5a4.5 4.5 0 0 1-4.5 4H4M6 14.5l-2-2 2-2",
  upload: "M8 10.5V3M4.5 6 8 2.5 11.5 6M2.5 13.5h11",
  diamond: "M8 2.5 13.5 8 8 13.5 2.5 8Z",
  drone: "M8 7.2a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8ZM6.9 7.6 4.3 5M9.1 7.6 11.7 5M6.9 9.6l-2.6 2.6M9.1 9.6l2.6 2.6M2 5h4.6M9.4 5H14M2 12.2h4.6M9.4 12.2H14",
  scan: "M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3M5 8h.01M8 5.5h.01M8 8h.01M8 10.5h.01M11 8h.01",
  map: "M2 3.8 6 2.5l4 1.3 4-1.3v9.7l-4 1.3-4-1.3-4 1.3ZM6 2.5v9.7M10 3.8v9.7",
  key: "M10.5 2.5a3 3 0 1 1 0 6 3 3 0 0 1 0-6ZM8.3 7.7 2.5 13.5M4.5 11.5l1.5 1.5",
  report: "M3.5 1.8h6l3 3v9.4h-9ZM9.5 1.8v3h3M5.5 8h5M5.5 10.8h5",
  log: "M3.5 2.5h9v11h-9zM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
  explore: "M2.5 3h11v10h-11zM2.5 6h11M6.5 6v7",
  compare: "M2.5 11.5 6 7l2.5 2 5-6M2.5 14 6 10.5l2.5 1.5 5-4.5",
  swipe: "M8 1.5v13M5.5 5 2.5 8l3 3M10.5 5l3 3-3 3",
  camera: "M2.5 4.5h2.6l1-1.6h3.8l1 1.6h2.6v8.6h-11ZM8 6.4a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5Z",
  cut: "M2 8h3M11 8h3M6.5 5.5l3 5M9.5 5.5l-3 5",
} as const;

export type IconName = keyof typeof PATHS;

const SOLID: ReadonlySet<IconName> = new Set(["play", "high", "low", "diamond"]);

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" data-solid={SOLID.has(name) || undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}

const TYPES: Record<string, IconName> = {
  IfcProject: "site",
  IfcSite: "site",
  IfcBuilding: "building",
  IfcBuildingStorey: "storey",
  IfcSpace: "space",
  IfcZone: "space",
};

export const typeIcon = (type: string): IconName => TYPES[type] ?? "element";
