import { effect, signal, untracked } from "@preact/signals";
import { fromParams, goLive, toParams } from "./time";

/** Where the page is: every view has an address, and the time control is part of it. */
export type Route =
  | { view: "overview" }
  | { view: "browse" }
  | { view: "trends"; points: number[] }
  | { view: "nodes" }
  | { view: "place"; id: string }
  | { view: "device"; node: string; device: string }
  | { view: "point"; id: number };

/** More lines than this in one chart page cannot be told apart. */
export const TREND_POINTS_MAX = 12;

export const route = signal<Route>(parse(typeof location === "undefined" ? "/" : location.pathname, params()));
/** The points on the trend page, kept while other views are open. */
export const trendPoints = signal<number[]>(route.value.view === "trends" ? route.value.points : []);

export function parse(pathname: string, query: URLSearchParams): Route {
  const [view, a, b] = pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (view === "trends") return { view, points: ids(query.get("points")) };
  if (view === "nodes" || view === "browse") return { view };
  if (view === "place" && a) return { view, id: a };
  if (view === "device" && a && b) return { view, node: a, device: b };
  if (view === "point" && a && /^\d+$/.test(a)) return { view, id: Number(a) };
  return { view: "overview" };
}

export function path(to: Route): string {
  switch (to.view) {
    case "overview":
      return "/";
    case "place":
      return `/place/${encodeURIComponent(to.id)}`;
    case "device":
      return `/device/${encodeURIComponent(to.node)}/${encodeURIComponent(to.device)}`;
    case "point":
      return `/point/${to.id}`;
    default:
      return `/${to.view}`;
  }
}

export function go(to: Route): void {
  route.value = to;
  if (to.view === "trends") trendPoints.value = to.points;
  history.pushState(null, "", address());
  document.getElementById("main")?.focus({ preventScroll: true });
}

export function toggleTrend(point: number): void {
  const now = trendPoints.value;
  trendPoints.value = now.includes(point) ? now.filter((id) => id !== point) : [...now, point].slice(-TREND_POINTS_MAX);
}

/** Keep address and state in step, both ways. */
export function followAddress(): void {
  fromParams(params());
  addEventListener("popstate", () => {
    route.value = parse(location.pathname, params());
    if (route.value.view === "trends") trendPoints.value = route.value.points;
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
  if (route.value.view === "trends" && trendPoints.value.length) query.set("points", trendPoints.value.join(","));
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return path(route.value) + (text && `?${text}`);
}

function params(): URLSearchParams {
  return new URLSearchParams(typeof location === "undefined" ? "" : location.search);
}

function ids(text: string | null): number[] {
  return [...new Set((text ?? "").split(",").filter((part) => /^\d+$/.test(part)).map(Number))].slice(0, TREND_POINTS_MAX);
}
