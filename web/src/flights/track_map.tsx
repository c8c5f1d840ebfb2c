import { useEffect, useRef, useState } from "preact/hooks";
import type { FlightDetail } from "../api/drone_types";
import { t } from "../i18n";
import { Sheet } from "../plan/sheet";
import { TrackOverlay } from "../plan/track_overlay";
import { at, seek } from "../state/time";
import "../styles/plan.css";
import { followTiles, siteSheets, tiles } from "../state/tiles";
import { placesOf } from "../state/track";
import { distance } from "./words";

/** Farther from the model's middle than this a flight has a map of its own. */
const NEAR_M = 3_000;
const M_PER_DEG = 111_320;
const PAD = 0.08;

/** Where a flight went: over the site's map, or alone where it was flown elsewhere. A click shows that moment. */
export function TrackMap({ flight }: { flight: FlightDetail }) {
  useEffect(followTiles, []);
  const now = tiles.value;
  const set = now.phase === "ready" ? now.set : null;
  const places = placesOf(flight.track);
  const [first] = places;
  const away = set && first ? Math.hypot(first.x - set.origin_m[0], first.y - set.origin_m[1]) : Infinity;
  const [plan] = set ? siteSheets(set) : [];
  if (now.phase === "ready" && set && plan && away < NEAR_M) return <OnSite flight={flight} url={now.base + plan.file} origin={set.origin_m} />;
  return <Alone flight={flight} away={set && first ? away : null} />;
}

function OnSite({ flight, url, origin }: { flight: FlightDetail; url: string; origin: readonly number[] }) {
  const host = useRef<HTMLDivElement>(null);
  const [sheet, setSheet] = useState<Sheet | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const load = async () => {
      const text = await (await fetch(url, { signal: abort.signal })).text();
      const laid = Sheet.lay(host.current!, text);
      const places = placesOf(flight.track);
      if (!laid) return;
      laid.include(places.map(({ x, y }) => laid.spotOf(x - origin[0]!, y - origin[1]!)));
      setSheet(laid);
    };
    load().catch(() => undefined); // the way is drawn without its ground
    return () => abort.abort();
  }, [url, flight.id]);
  useEffect(() => {
    if (!sheet) return;
    const watch = new ResizeObserver(() => sheet.fit());
    watch.observe(sheet.host);
    return () => watch.disconnect();
  }, [sheet]);
  return (
    <div class="track-map">
      <div class="sheet" data-site ref={host} role="img" aria-label={t("flights.mapOf", { name: flight.file || flight.device })} />
      {sheet && <TrackOverlay sheet={sheet} track={flight.track} origin={origin} photos={flight.photos} />}
    </div>
  );
}

/** A track without a site below it, in metres around its middle. */
function Alone({ flight, away }: { flight: FlightDetail; away: number | null }) {
  const { lat_deg, lon_deg, ts_ms } = flight.track;
  const rows = lat_deg.flatMap((lat, row) => (typeof lat === "number" && typeof lon_deg[row] === "number" ? [row] : []));
  if (rows.length < 2) return null;
  const [lat0, lon0] = [lat_deg[rows[0]!]!, lon_deg[rows[0]!]!];
  const metres = (row: number): [number, number] => [(lon_deg[row]! - lon0) * M_PER_DEG * Math.cos((lat0 * Math.PI) / 180), (lat0 - lat_deg[row]!) * M_PER_DEG];
  const points = rows.map(metres);
  const ends = [0, 1].map((axis) => points.reduce(([low, high], point) => [Math.min(low, point[axis]!), Math.max(high, point[axis]!)], [Infinity, -Infinity] as [number, number]));
  const size = Math.max(ends[0]![1] - ends[0]![0], ends[1]![1] - ends[1]![0], 5);
  const pad = size * PAD;
  const box = `${ends[0]![0] - pad} ${ends[1]![0] - pad} ${ends[0]![1] - ends[0]![0] + 2 * pad} ${ends[1]![1] - ends[1]![0] + 2 * pad}`;
  const now = at.value;
  const then = rows.findLast((row) => (ts_ms[row] ?? Infinity) <= now);
  const flown = then === undefined || now > (ts_ms[rows.at(-1)!] ?? 0) ? null : metres(then);
  const pick = (event: MouseEvent) => {
    const svg = event.currentTarget as SVGSVGElement;
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM()!.inverse());
    const near = rows.reduce((best, row, i) => (Math.hypot(points[i]![0] - spot.x, points[i]![1] - spot.y) < best.far ? { row, far: Math.hypot(points[i]![0] - spot.x, points[i]![1] - spot.y) } : best), { row: -1, far: Infinity });
    const ms = ts_ms[near.row];
    if (typeof ms === "number") seek(ms);
  };
  return (
    <figure class="track-map" data-alone>
      <svg viewBox={box} preserveAspectRatio="xMidYMid meet" role="img" aria-label={t("flights.mapOf", { name: flight.file || flight.device })} onClick={pick}>
        <polyline class="track-way" points={points.map((point) => point.join()).join(" ")} />
        {flown && <circle class="track-now" cx={flown[0]} cy={flown[1]} r={size * 0.02} />}
      </svg>
      {away !== null && <figcaption class="muted">{t("flights.farAway", { distance: distance(away) })}</figcaption>}
    </figure>
  );
}
