import { effect, signal, untracked } from "@preact/signals";
import { compare, comparisonOf } from "./compare";
import { fromParams, goLive, toParams } from "./time";

/** Where the page is: every view has an address, and the time control is part of it. */
export type Route =
  | { view: "overview" }
  | { view: "browse" }
  | { view: "trends"; points: number[] }
  | { view: "nodes" }
  | { view: "alarms" }
  | ({ view: SceneView } & Scene)
  | { view: "schedule"; task: string | null }
  | { view: "flights"; id: string | null; scan: boolean }
  | { view: "explore" | "reports" | "shift" }
  | { view: "commissioning"; device: string | null }
  | { view: "account"; tab: AccountTab }
  | { view: "place"; id: string }
  | { view: "device"; node: string; device: string }
  | { view: "point"; id: number };

const ACCOUNT_TABS = ["me", "users", "audit"] as const;
export type AccountTab = (typeof ACCOUNT_TABS)[number];

/** The views that show the park itself. */
const SCENE_VIEWS = ["model", "plan", "map"] as const;
export type SceneView = (typeof SCENE_VIEWS)[number];
const sceneView = (view: string | undefined): SceneView | undefined => SCENE_VIEWS.find((one) => one === view);

/** What the 3D view and the plan view show, so that one leads to the other: an element, colours by what, one storey. */
export interface Scene {
  element: string | null;
  shade: Shade;
  /** the point class whose values are colours */
  of: string | null;
  storey: string | null;
  /** the flight whose way is drawn, and the scan whose points and verdicts are */
  flight: string | null;
  scan: string | null;
}
export const SHADES = ["material", "value", "condition", "plan", "verdict", "deviation"] as const;
export type Shade = (typeof SHADES)[number];
export const NO_SCENE: Scene = { element: null, shade: "material", of: null, storey: null, flight: null, scan: null };

/** More lines than this in one chart page cannot be told apart. */
export const TREND_POINTS_MAX = 12;

export const route = signal<Route>(parse(typeof location === "undefined" ? "/" : location.pathname, params()));
/** The points on the trend page, kept while other views are open. */
export const trendPoints = signal<number[]>(route.value.view === "trends" ? route.value.points : []);
/** The scene of the model and plan views, kept while other views are open. */
export const scene = signal<Scene>(sceneOf(route.value) ?? NO_SCENE);

export function parse(pathname: string, query: URLSearchParams): Route {
  const [view, a, b] = pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (view === "trends") return { view, points: ids(query.get("points")) };
  if (view === "nodes" || view === "browse" || view === "alarms") return { view };
  if (view === "explore" || view === "reports" || view === "shift") return { view };
  if (view === "commissioning") return { view, device: a && b ? `${a}/${b}` : null };
  if (view === "account") return { view, tab: ACCOUNT_TABS.find((one) => one === a) ?? "me" };
  const seen = sceneView(view);
  if (seen) return { view: seen, ...readScene(query) };
  if (view === "schedule") return { view, task: query.get("task") };
  if (view === "flights" || view === "scans") return { view: "flights", id: a ?? null, scan: view === "scans" };
  if (view === "place" && a) return { view, id: a };
  if (view === "device" && a && b) return { view, node: a, device: b };
  if (view === "point" && a && /^\d+$/.test(a)) return { view, id: Number(a) };
  return { view: "overview" };
}

export function path(to: Route): string {
  switch (to.view) {
    case "overview":
      return "/";
    case "account":
      return to.tab === "me" ? "/account" : `/account/${to.tab}`;
    case "commissioning":
      return `/commissioning${to.device ? `/${to.device.split("/").map(encodeURIComponent).join("/")}` : ""}`;
    case "place":
      return `/place/${encodeURIComponent(to.id)}`;
    case "device":
      return `/device/${encodeURIComponent(to.node)}/${encodeURIComponent(to.device)}`;
    case "point":
      return `/point/${to.id}`;
    case "flights":
      return `/${to.scan ? "scans" : "flights"}${to.id ? `/${encodeURIComponent(to.id)}` : ""}`;
    default:
      return `/${to.view}`;
  }
}

export function go(to: Route): void {
  enter(to);
  history.pushState(null, "", address());
  document.getElementById("main")?.focus({ preventScroll: true });
}

/** The same view with something else in it: the address changes, the way back does not grow. */
export function replace(to: Route): void {
  enter(to);
  history.replaceState(null, "", address());
}

/** Change what the model or plan view shows. */
export function setScene(change: Partial<Scene>): void {
  const now = route.value;
  const next = { ...scene.value, ...change };
  scene.value = next;
  const seen = sceneView(now.view);
  if (seen) replace({ view: seen, ...next });
}

function enter(to: Route): void {
  route.value = to;
  if (to.view === "trends") trendPoints.value = to.points;
  scene.value = sceneOf(to) ?? scene.value;
}

export function toggleTrend(point: number): void {
  const now = trendPoints.value;
  trendPoints.value = now.includes(point) ? now.filter((id) => id !== point) : [...now, point].slice(-TREND_POINTS_MAX);
}

/** Keep address and state in step, both ways. */
export function followAddress(): void {
  fromParams(params());
  compare.value = comparisonOf(params().get("compare"));
  addEventListener("popstate", () => {
    enter(parse(location.pathname, params()));
    if (params().has("at") || params().has("from")) fromParams(params());
    else goLive();
  });
  let waiting: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    const next = address();
    untracked(() => {
      clearTimeout(waiting);
      waiting = setTimeout(() => next !== location.pathname + location.search && history.replaceState(null, "", next), 250);
    });
  });
}

function address(): string {
  const query = new URLSearchParams(toParams());
  for (const [name, value] of Object.entries(viewParams(route.value))) query.set(name, value);
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return path(route.value) + (text && `?${text}`);
}

function viewParams(now: Route): Record<string, string> {
  if (now.view === "trends") return { ...(trendPoints.value.length && { points: trendPoints.value.join(",") }), ...(compare.value !== "none" && { compare: compare.value }) };
  if (now.view === "schedule") return now.task ? { task: now.task } : {};
  const seen = sceneOf(now);
  if (!seen) return {};
  const { element, shade, of, storey, flight, scan } = seen;
  const named = { storey, colour: shade === "material" ? null : shade, class: of, element, flight, scan };
  return Object.fromEntries(Object.entries(named).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

function readScene(query: URLSearchParams): Scene {
  const shade = SHADES.find((one) => one === query.get("colour")) ?? "material";
  return { element: query.get("element"), shade, of: query.get("class"), storey: query.get("storey"), flight: query.get("flight"), scan: query.get("scan") };
}

function sceneOf(now: Route): Scene | null {
  if (!("shade" in now)) return null;
  const { element, shade, of, storey, flight, scan } = now;
  return { element, shade, of, storey, flight, scan };
}

function params(): URLSearchParams {
  return new URLSearchParams(typeof location === "undefined" ? "" : location.search);
}

function ids(text: string | null): number[] {
  return [...new Set((text ?? "").split(",").filter((part) => /^\d+$/.test(part)).map(Number))].slice(0, TREND_POINTS_MAX);
}
