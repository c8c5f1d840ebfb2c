import { useState } from "preact/hooks";
import * as api from "../api/drones";
import type { FlightDetail, FlightEvent, FlightPhoto } from "../api/drone_types";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Failed, Skeleton } from "../components/notice";
import { PhotoDialog } from "../components/photo_dialog";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { zone } from "../state/catalogue";
import { useResource } from "../state/resource";
import { go, scene } from "../state/route";
import { at, live, mode, pause, play, seek, setRange, speed } from "../state/time";
import { placesOf } from "../state/track";
import { TrackMap } from "./track_map";
import { distance, span } from "./words";

const TRACK_ROWS = 2_000;
const EVENTS_SHOWN = 200;
/** Some quiet before and after, so that the ends of the line can be seen. */
const MARGIN = 0.04;
const PLAY_SPEED = 10;
const GRAVE = 2; // a warning

/** One flight: where it went, what happened, its photos; the one time control walks along it. */
export function FlightPanel({ id }: { id: string }) {
  const [resource, reload] = useResource(`flight ${id}`, (signal) => api.flight(id, TRACK_ROWS, signal));
  const [photo, setPhoto] = useState<FlightPhoto | null>(null);
  const { data, problem } = resource.value;
  const close = () => go({ view: "flights", id: null, scan: false });
  if (!data) return <section class="panel flight-panel">{problem ? <Failed problem={problem} retry={reload} /> : <Skeleton rows={6} />}</section>;
  const placed = placesOf(data.track).length > 1;
  return (
    <section class="panel flight-panel" aria-label={data.file || data.device} data-id={id}>
      <header>
        <div>
          <h2>{data.file || data.device}</h2>
          <p class="muted">{data.start ? format.moment(Date.parse(data.start), zone.value) : t("flights.noTime")}</p>
        </div>
        <button type="button" class="icon-button" aria-label={t("action.close")} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="ways">
        {data.start && (
          <button type="button" class="button primary" onClick={() => (mode.value === "playing" ? pause() : fly(data))}>
            <Icon name={mode.value === "playing" ? "pause" : "play"} size={14} />
            {t(mode.value === "playing" ? "time.pause" : "flights.play")}
          </button>
        )}
        {placed && (
          <>
            <button type="button" class="button" onClick={() => (show(data), go({ view: "model", ...scene.value, flight: id }))}>
              <Icon name="model" size={14} />
              {t("flights.inModel")}
            </button>
            <button type="button" class="button" onClick={() => (show(data), go({ view: "map", ...scene.value, flight: id }))}>
              <Icon name="map" size={14} />
              {t("flights.onMap")}
            </button>
          </>
        )}
        {data.scan && (
          <Link class="button" to={{ view: "flights", id: data.scan, scan: true }}>
            <Icon name="scan" size={14} />
            {t("scan.scan")}
          </Link>
        )}
      </div>
      <TrackMap flight={data} />
      <Facts flight={data} />
      {data.warnings.map((text) => (
        <p key={text} class="flight-warning">
          <Icon name="high" size={12} /> {text}
        </p>
      ))}
      {data.photos.length > 0 && <Photos photos={data.photos} open={setPhoto} />}
      {data.events.length > 0 && <Events events={data.events} />}
      {photo && <PhotoDialog photo={photo} photos={data.photos} choose={setPhoto} />}
    </section>
  );
}

/** The range of the time control becomes the flight. */
function show({ start, end }: FlightDetail): void {
  if (!start) return;
  const [from, to] = [Date.parse(start), end ? Date.parse(end) : Date.now()];
  const margin = Math.max(1_000, (to - from) * MARGIN);
  const shown = at.peek();
  setRange(from - margin, to + margin);
  if (live.peek() || shown < from || shown > to) seek(from);
}

function fly(flight: FlightDetail): void {
  show(flight);
  speed.value = PLAY_SPEED;
  play();
}

function Facts({ flight }: { flight: FlightDetail }) {
  const percent = (value: number | null | undefined) => (value === null || value === undefined ? "–" : format.percent(value / 100));
  const rows: [string, string][] = [
    [t("flights.device"), flight.device || "–"],
    [t("flights.lasted"), span(flight.duration_s)],
    [t("flights.way"), distance(flight.distance_m)],
    [t("flights.height"), flight.height_max_m === null ? "–" : `${format.number(flight.height_max_m, 1)} m`],
    [t("flights.datum"), flight.height_datum ?? "–"],
    [t("flights.positions"), format.number(flight.positions)],
    ...(flight.battery ? ([[t("flights.battery"), `${percent(flight.battery.start)} → ${percent(flight.battery.end)}`]] as [string, string][]) : []),
  ];
  return (
    <dl class="facts-list">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="num">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Photos({ photos, open }: { photos: readonly FlightPhoto[]; open: (photo: FlightPhoto) => void }) {
  return (
    <section>
      <h3>{t("flights.photos")}</h3>
      <ul class="photo-strip">
        {photos.map((photo) => (
          <li key={photo.id}>
            <button type="button" aria-label={t("photo.open", { name: photo.name })} onClick={() => open(photo)}>
              <img src={api.photoUrl(photo.id)} alt="" loading="lazy" width="120" height="80" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Events({ events }: { events: readonly FlightEvent[] }) {
  return (
    <section>
      <h3>{t("flights.events")}</h3>
      <ol class="flight-events">
        {events.slice(0, EVENTS_SHOWN).map((event, i) => (
          <li key={i} data-grave={event.severity >= GRAVE || undefined}>
            {event.ts ? (
              <button type="button" class="event-time num" onClick={() => seek(Date.parse(event.ts!))}>
                {format.clock(Date.parse(event.ts), zone.value)}
              </button>
            ) : (
              <span class="muted">–</span>
            )}
            <span>
              {event.severity >= GRAVE && <Icon name="high" size={12} />} {event.message || event.kind}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
