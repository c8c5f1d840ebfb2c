import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { ringing } from "../state/alarms";
import { site, zone } from "../state/catalogue";
import { link, twinState } from "../state/link";
import { route, scene, trendPoints, type Route } from "../state/route";
import { zoneChoice } from "../state/settings";
import { nowMs } from "../state/time";
import { openDialog } from "./dialogs";
import { Icon, type IconName } from "./icon";
import { Link } from "./link";

const VIEWS: { view: "overview" | "alarms" | "browse" | "model" | "schedule" | "flights" | "trends" | "nodes"; text: Key; icon: IconName }[] = [
  { view: "overview", text: "view.overview", icon: "overview" },
  { view: "alarms", text: "view.alarms", icon: "alarm" },
  { view: "browse", text: "view.browse", icon: "browse" },
  { view: "model", text: "view.model", icon: "model" },
  { view: "schedule", text: "view.schedule", icon: "schedule" },
  { view: "flights", text: "view.flights", icon: "drone" },
  { view: "trends", text: "view.trends", icon: "trends" },
  { view: "nodes", text: "view.nodes", icon: "nodes" },
];

export function TopBar() {
  return (
    <header class="top-bar">
      <Link to={{ view: "overview" }} class="brand">
        <img src="/favicon.svg" alt="" width="24" height="24" />
        <span>{site.value?.title || site.value?.name || "AID4"}</span>
      </Link>
      <ViewLinks class="top-views" />
      <span class="spacer" />
      <Connection />
      <Clock />
      <button type="button" class="icon-button" aria-label={t("settings.title")} title={t("settings.title")} onClick={() => openDialog("settings")}>
        <Icon name="settings" />
      </button>
      <button type="button" class="icon-button" aria-label={t("access.menu")} title={t("access.menu")} onClick={() => openDialog("menu")}>
        <Icon name="people" />
      </button>
      <button type="button" class="icon-button wide-only" aria-label={t("help.title")} title={`${t("help.title")} (?)`} onClick={() => openDialog("help")}>
        <Icon name="help" />
      </button>
    </header>
  );
}

/** The views, at the top of a desk screen and at the foot of a phone. */
export function ViewLinks({ class: name }: { class: string }) {
  const here = route.value.view;
  return (
    <nav class={name} aria-label={t("view.all")}>
      {VIEWS.map(({ view, text, icon }) => (
        <Link key={view} to={target(view)} current={here === view || (UNDER[view] ?? []).includes(here)} class={`view-link view-${view}`}>
          <Icon name={icon} />
          <span>{t(text)}</span>
          {view === "alarms" && ringing.value > 0 && <span class="count ringing num">{ringing.value}</span>}
          {view === "trends" && trendPoints.value.length > 0 && <span class="count num">{trendPoints.value.length}</span>}
        </Link>
      ))}
    </nav>
  );
}

/** Views that are reached through another one. */
const UNDER: Partial<Record<Route["view"], readonly Route["view"][]>> = { browse: ["place", "device", "point"], model: ["plan", "map"] };

function target(view: (typeof VIEWS)[number]["view"]): Route {
  if (view === "trends") return { view, points: trendPoints.value };
  if (view === "model") return { view, ...scene.value };
  if (view === "flights") return { view, id: null, scan: false };
  return view === "schedule" ? { view, task: null } : { view };
}

/** Connected, connecting, lost or degraded: a shape and a word, calm while all is well. */
function Connection() {
  const phase = link.value.phase;
  const degraded = phase === "open" && twinState.value !== null && (!twinState.value.connected || twinState.value.degraded !== null);
  const text: Key = degraded ? "link.stateDegraded" : phase === "open" ? "link.stateOpen" : phase === "lost" ? "link.stateLost" : "link.stateConnecting";
  return (
    <span class="connection" data-phase={degraded ? "degraded" : phase} role="status">
      <span class="connection-dot" aria-hidden="true" />
      <span class="connection-text">{t(text)}</span>
    </span>
  );
}

function Clock() {
  const now = nowMs.value;
  return (
    <time class="clock num" dateTime={new Date(now).toISOString()} title={`${format.moment(now, zone.value)} ${zone.value}`}>
      <strong>{format.clock(now, zone.value)}</strong>
      <span class="muted">
        <span class="wide-only">{t(zoneChoice.value === "site" ? "zone.siteShort" : "zone.browserShort")} </span>
        {format.offset(now, zone.value)}
      </span>
    </time>
  );
}
