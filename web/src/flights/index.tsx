import { useEffect } from "preact/hooks";
import type { FlightRow, ScanRow } from "../api/drone_types";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Needs } from "../components/needs";
import { Empty } from "../components/notice";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { site, zone } from "../state/catalogue";
import { flights, loadFlights, scans } from "../state/flights";
import { go, route } from "../state/route";
import "../styles/drones.css";
import "../styles/flights.css";
import { DropZone } from "./drop_zone";
import { FlightPanel } from "./flight_panel";
import { ScanPanel } from "./scan_panel";
import { distance, span } from "./words";

/** Flights and scans: dropped in, listed, looked at, and from each the way to map, model and time line. */
export default function FlightsView() {
  const here = route.value;
  const { id, scan } = here.view === "flights" ? here : { id: null, scan: false };
  useEffect(() => void loadFlights(), []);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === "Escape" && id && !document.querySelector("dialog[open]") && go({ view: "flights", id: null, scan });
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, [id, scan]);
  return (
    <article class="flights" data-chosen={id !== null || undefined}>
      <header class="view-head">
        <div class="view-title">
          <Icon name="drone" size={20} />
          <h1>{t("view.flights")}</h1>
        </div>
        <nav class="segments" aria-label={t("flights.which")}>
          <Link to={{ view: "flights", id: null, scan: false }} current={!scan}>
            {t("flights.flights")} <span class="num muted">{flights.value.length}</span>
          </Link>
          <Link to={{ view: "flights", id: null, scan: true }} current={scan}>
            {t("flights.scans")} <span class="num muted">{scans.value.length}</span>
          </Link>
        </nav>
      </header>
      <Needs right="fly">
        {site.value && <DropZone />}
      </Needs>
      <div class="flights-body">
        {scan ? <ScanList chosen={id} /> : <FlightList chosen={id} />}
        {id !== null && (scan ? <ScanPanel key={id} id={id} /> : <FlightPanel key={id} id={id} />)}
      </div>
    </article>
  );
}

function FlightList({ chosen }: { chosen: string | null }) {
  if (!flights.value.length)
    return (
      <Empty icon="drone" title={t("flights.none")}>
        {t("flights.noneFix")}
      </Empty>
    );
  return (
    <div class="table-frame panel">
      <table class="stacked">
        <thead>
          <tr>
            <th>{t("flights.flight")}</th>
            <th>{t("flights.start")}</th>
            <th class="numeric">{t("flights.lasted")}</th>
            <th class="numeric">{t("flights.way")}</th>
            <th class="numeric">{t("flights.height")}</th>
            <th class="numeric">{t("flights.photos")}</th>
          </tr>
        </thead>
        <tbody>
          {flights.value.map((one) => (
            <FlightLine key={one.id} flight={one} chosen={one.id === chosen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FlightLine({ flight, chosen }: { flight: FlightRow; chosen: boolean }) {
  return (
    <tr data-chosen={chosen || undefined}>
      <td class="flight-name">
        <Link class="row-link" to={{ view: "flights", id: flight.id, scan: false }}>
          <Icon name={flight.source === "live" ? "live" : "drone"} size={14} />
          {flight.file || flight.device}
        </Link>
        {flight.warnings.length > 0 && (
          <span class="flight-warned" title={flight.warnings.join("\n")}>
            <Icon name="high" size={12} /> <span class="num">{flight.warnings.length}</span>
          </span>
        )}
      </td>
      <td data-label={t("flights.start")} class="num">{flight.start ? format.sinceMoment(Date.parse(flight.start), Date.now(), zone.value) : t("flights.noTime")}</td>
      <td data-label={t("flights.lasted")} class="numeric num">{flight.end || !flight.start ? span(flight.duration_s) : t("flights.inTheAir")}</td>
      <td data-label={t("flights.way")} class="numeric num">{distance(flight.distance_m)}</td>
      <td data-label={t("flights.height")} class="numeric num">{flight.height_max_m === null ? "–" : `${format.number(flight.height_max_m)} m`}</td>
      <td data-label={t("flights.photos")} data-empty={!flight.photos || undefined} class="numeric num">{flight.photos || "–"}</td>
    </tr>
  );
}

function ScanList({ chosen }: { chosen: string | null }) {
  if (!scans.value.length)
    return (
      <Empty icon="scan" title={t("scan.none")}>
        {t("scan.noneFix")}
      </Empty>
    );
  return (
    <div class="table-frame panel">
      <table class="stacked">
        <thead>
          <tr>
            <th>{t("scan.scan")}</th>
            <th>{t("scan.taken")}</th>
            <th>{t("scan.result")}</th>
            <th class="numeric">{t("verdict.built")}</th>
            <th class="numeric">{t("scan.notBuilt")}</th>
            <th class="numeric">{t("scan.decided")}</th>
          </tr>
        </thead>
        <tbody>
          {scans.value.map((one) => (
            <ScanLine key={one.id} scan={one} chosen={one.id === chosen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ScanLine({ scan, chosen }: { scan: ScanRow; chosen: boolean }) {
  return (
    <tr data-chosen={chosen || undefined}>
      <td class="flight-name">
        <Link class="row-link" to={{ view: "flights", id: scan.id, scan: true }}>
          <Icon name="scan" size={14} />
          {scan.name || scan.id}
        </Link>
        {scan.simulated && <span class="muted">{t("remark.simulated")}</span>}
      </td>
      <td data-label={t("scan.taken")} class="num">{format.sinceMoment(Date.parse(scan.at), Date.now(), zone.value)}</td>
      <td data-label={t("scan.result")}>
        <span class="condition" data-condition={scan.accepted ? "ok" : "bad"}>
          <Icon name={scan.accepted ? "ok" : "bad"} size={14} />
          {t(scan.accepted ? "scan.accepted" : "scan.refused")}
        </span>
      </td>
      <td data-label={t("verdict.built")} class="numeric num">{format.number(scan.counts.built ?? 0)}</td>
      <td data-label={t("scan.notBuilt")} class="numeric num">{format.number(scan.counts.not_built ?? 0)}</td>
      <td data-label={t("scan.decided")} class="numeric num">{scan.decided_share === null ? "–" : format.percent(scan.decided_share)}</td>
    </tr>
  );
}
