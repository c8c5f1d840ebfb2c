import { useEffect, useState } from "preact/hooks";
import type { FlightPhoto, Pose, Track } from "../api/drone_types";
import { t } from "../i18n";
import { site } from "../state/catalogue";
import { at, live, seek } from "../state/time";
import { placesOf, poseAt } from "../state/track";
import type { Sheet } from "./sheet";

interface TrackOverlayProps {
  sheet: Sheet;
  track: Track | null;
  origin: readonly number[];
  photos?: readonly FlightPhoto[];
  poses?: readonly Pose[];
}

/** A flight's way over a drawing of the site, its photos, and drones where they are at the instant shown. */
export function TrackOverlay({ sheet, track, origin, photos = [], poses = [] }: TrackOverlayProps) {
  const [, moved] = useState(0);
  useEffect(() => sheet.onMove(() => moved((n) => n + 1)), [sheet]);
  const spot = (x: number, y: number) => sheet.screenOf(sheet.spotOf(x - origin[0]!, y - origin[1]!));
  const places = track ? placesOf(track) : [];
  const line = (some: typeof places) => some.map(({ x, y }) => Object.values(spot(x, y)).map((v) => v.toFixed(1)).join()).join(" ");
  const now = at.value;
  const then = track && !live.value ? poseAt(track, "", "", now, site.value?.frame?.true_north_deg ?? 0) : null;
  const pick = (event: MouseEvent) => {
    const box = (event.currentTarget as SVGElement).closest("svg")!.getBoundingClientRect();
    const far = ({ x, y }: { x: number; y: number }) => Math.hypot(spot(x, y).x - (event.clientX - box.left), spot(x, y).y - (event.clientY - box.top));
    const near = places.reduce((best, place) => (far(place) < far(best) ? place : best), places[0]!);
    if (!Number.isNaN(near.at)) seek(near.at);
  };
  return (
    <svg class="track-overlay" aria-hidden="true">
      {places.length > 1 && (
        <>
          <polyline class="track-way" points={line(places)} />
          <polyline class="track-flown" points={line(places.filter((one) => one.at <= now))} />
          <polyline class="track-hit" points={line(places)} onClick={pick}>
            <title>{t("gantt.seek")}</title>
          </polyline>
        </>
      )}
      {photos.map((photo) => photo.x !== null && photo.y !== null && <circle key={photo.id} class="track-photo" cx={spot(photo.x, photo.y).x} cy={spot(photo.x, photo.y).y} r={3.5} />)}
      {[...poses, ...(then ? [then] : [])].map((pose) => pose.x !== null && pose.y !== null && <Arrow key={pose.device} pose={pose} place={spot(pose.x, pose.y)} />)}
    </svg>
  );
}

/** A vehicle from above: where it is and where its nose points. */
function Arrow({ pose, place }: { pose: Pose; place: { x: number; y: number } }) {
  const turn = (pose.yaw_deg ?? 0) + (site.value?.frame?.true_north_deg ?? 0);
  return (
    <g class="track-drone" data-device={pose.device} transform={`translate(${place.x.toFixed(1)} ${place.y.toFixed(1)}) rotate(${turn.toFixed(0)})`}>
      <path d="M0 -10 7 8 0 4 -7 8Z" />
    </g>
  );
}
