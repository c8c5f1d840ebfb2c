import { effect } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Vector3 } from "three";
import type { FlightDetail, FlightPhoto, Pose } from "../api/drone_types";
import { Icon } from "../components/icon";
import { PhotoDialog } from "../components/photo_dialog";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { site } from "../state/catalogue";
import { poses, watchPoses } from "../state/poses";
import { scene, setScene } from "../state/route";
import { useFlight } from "../state/use_flight";
import { theme } from "../state/settings";
import { at, live } from "../state/time";
import { poseAt } from "../state/track";
import { CloudLayer } from "./cloud_layer";
import { FlightLayer } from "./flight_layer";
import type { ParkModel } from "./park_model";
import { paintsOf } from "./painter";
import { sceneOf } from "./places";
import { css } from "../state/palette";

const PHOTOS_MAX = 60;
const NEAR_PX = 30;

/** Drones, the way and the photos of the chosen flight, and the points of the chosen scan, over the model. */
export function Flights({ model }: { model: ParkModel }) {
  const { flight, scan } = scene.value;
  const layer = useLayer(model);
  const chosen = useFlight(flight);
  const [photo, setPhoto] = useState<FlightPhoto | null>(null);
  useEffect(watchPoses, []);
  useEffect(() => {
    layer.track(chosen?.track ?? null);
    layer.footprints(chosen?.photos ?? []);
    setPhoto(null);
  }, [layer, chosen]);
  useEffect(() => {
    const abort = new AbortController();
    layer.photo(photo, abort.signal).catch(() => undefined); // the dialog says that the picture is missing
    return () => abort.abort();
  }, [layer, photo]);
  useEffect(
    () =>
      effect(() => {
        if (chosen) layer.instant(at.value);
        layer.fly(posesShown(chosen));
      }),
    [layer, chosen],
  );
  return (
    <>
      {scan && <Cloud key={scan} model={model} scan={scan} />}
      <DroneFlags model={model} chosen={chosen} />
      {chosen && <PhotoPins model={model} photos={chosen.photos} open={setPhoto} />}
      {photo && <PhotoDialog photo={photo} photos={chosen?.photos ?? []} choose={setPhoto} />}
    </>
  );
}

/** The drones of the twin, and of a flight of the past the vehicle at the instant shown. */
function posesShown(chosen: FlightDetail | null): readonly Pose[] {
  const known = poses.value;
  const now = at.value;
  if (!chosen || live.value || known.some((pose) => pose.flight === chosen.id)) return known;
  const then = poseAt(chosen.track, chosen.device || chosen.id, chosen.id, now, site.peek()?.frame?.true_north_deg ?? 0);
  return then ? [...known, then] : known;
}

function useLayer(model: ParkModel): FlightLayer {
  const north = site.value?.frame?.true_north_deg ?? 0;
  const layer = useMemo(() => new FlightLayer(model, north), [model, north]);
  useEffect(() => {
    const wear = () => requestAnimationFrame(() => model.stage.host.isConnected && layer.wear(css(paintsOf(model.stage.host).accent)));
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", wear);
    const stopTheme = effect(() => (theme.value, void wear()));
    const stopScale = model.stage.onBefore(() => layer.scale());
    return () => {
      scheme.removeEventListener("change", wear);
      stopTheme();
      stopScale();
      layer.dispose();
    };
  }, [layer]);
  return layer;
}

/** The points of a scan, how many of them are drawn, and whether they are. */
function Cloud({ model, scan }: { model: ParkModel; scan: string }) {
  const [drawn, setDrawn] = useState<{ points: number; of: number } | null>(null);
  const { shade } = scene.value;
  // points would cover what the scan says of the elements below them
  const [shown, setShown] = useState(shade !== "verdict" && shade !== "deviation");
  const layer = useMemo(() => new CloudLayer(model), [model, scan]);
  useEffect(() => {
    layer.group.visible = shown;
    model.stage.draw();
  }, [layer, shown]);
  useEffect(() => {
    const abort = new AbortController();
    layer.load(scan, abort.signal, (points, of) => setDrawn({ points, of })).catch(() => undefined); // a scan may have no cloud kept
    return () => {
      abort.abort();
      layer.dispose();
    };
  }, [layer]);
  if (!drawn) return null;
  return (
    <button type="button" class="button cloud-note num" data-points={drawn.points} aria-pressed={shown} onClick={() => setShown(!shown)}>
      <Icon name="scan" size={14} /> {shown ? t("scan.pointsShown", { n: drawn.points, of: format.number(drawn.of) }) : t("scan.showPoints")}
    </button>
  );
}

/** Over each drone its name, height above the zero level of the model, and battery; a click draws its way. */
function DroneFlags({ model, chosen }: { model: ParkModel; chosen: FlightDetail | null }) {
  const shown = posesShown(chosen).filter((pose) => pose.x !== null && pose.y !== null && pose.z !== null);
  const { flight } = scene.value;
  const host = useRef<HTMLDivElement>(null);
  useOverlay(model, host, shown.map((pose) => sceneOf(model.set, pose.x!, pose.y!, pose.z!)));
  return (
    <div class="markers drone-flags" ref={host}>
      {shown.map((pose) => (
        <button key={pose.device} type="button" class="marker drone-flag" data-device={pose.device} aria-pressed={pose.flight !== null && pose.flight === flight} onClick={() => setScene({ flight: pose.flight === flight ? null : pose.flight })} title={t("flights.way")}>
          <Icon name="drone" size={14} />
          <span>{pose.device}</span>
          <span class="num">{t("drone.height", { n: format.number(pose.z!) })}</span>
          {pose.battery !== null && <span class="num muted">{format.percent(pose.battery / 100)}</span>}
        </button>
      ))}
    </div>
  );
}

/** Where photos were taken; those that would cover each other are thinned. */
function PhotoPins({ model, photos, open }: { model: ParkModel; photos: readonly FlightPhoto[]; open: (photo: FlightPhoto) => void }) {
  const placed = useMemo(() => photos.filter((one) => one.x !== null && one.y !== null && one.z !== null), [photos]);
  const step = Math.ceil(placed.length / PHOTOS_MAX);
  const shown = placed.filter((_, i) => i % step === 0);
  const host = useRef<HTMLDivElement>(null);
  useOverlay(model, host, shown.map((one) => sceneOf(model.set, one.x!, one.y!, one.z!)), NEAR_PX);
  return (
    <div class="markers photo-pins" ref={host}>
      {shown.map((one) => (
        <button key={one.id} type="button" class="photo-pin" aria-label={t("photo.open", { name: one.name })} title={one.name} onClick={() => open(one)}>
          <Icon name="camera" size={14} />
        </button>
      ))}
    </div>
  );
}

/** Keep the children of a host over their places; nearer than `apart` pixels to an earlier one they are left out. */
function useOverlay(model: ParkModel, host: { current: HTMLDivElement | null }, places: readonly Vector3[], apart = 0): void {
  const key = places.map((place) => place.toArray().map((v) => v.toFixed(2)).join()).join(" ");
  useEffect(() => {
    const follow = () => {
      if (!host.current) return; // a frame can come between its leaving the page and the end of this effect
      const taken: { x: number; y: number }[] = [];
      [...(host.current.children as HTMLCollectionOf<HTMLElement>)].forEach((element, i) => {
        const spot = places[i] && model.stage.screenOf(places[i]!);
        const near = spot && taken.some((one) => Math.hypot(one.x - spot.x, one.y - spot.y) < apart);
        element.hidden = !spot || Boolean(near);
        if (!spot || near) return;
        taken.push(spot);
        element.style.transform = `translate(${spot.x.toFixed(1)}px, ${spot.y.toFixed(1)}px) translate(-50%, -50%)`;
      });
    };
    follow();
    return model.stage.onFrame(follow);
  }, [model, key]);
}
