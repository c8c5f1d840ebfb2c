import type { Pose } from "./drone_types";
import { fetchBlob, get, post } from "./http";
import type { TilesAnswer } from "./model_types";
import type { CommandRow, ElementDetail, ElementRow, History, NodeRow, Page, Point, PointDetail, Site, StatePage, StateRow, Tree } from "./types";

const POINTS_PAGE = 5_000;
const STATE_PAGE = 20_000;
/** Ids in one address: about 6 KB of URL, below every server's and proxy's bound. */
const IDS_PER_CALL = 800;
/** More points than this are not loaded into one page; search asks the twin instead. */
export const POINTS_MAX = 100_000;

const iso = (ms: number) => new Date(ms).toISOString();

export const site = (signal?: AbortSignal) => get<Site>("/site", {}, signal);
export const tree = (signal?: AbortSignal) => get<Tree>("/tree", {}, signal);
export const nodes = (signal?: AbortSignal) => get<{ items: NodeRow[] }>("/nodes", {}, signal);
export const point = (id: number, signal?: AbortSignal) => get<PointDetail>(`/points/${id}`, {}, signal);
/** One element, its plan as of `at` (null: now). */
export const element = (id: string, signal?: AbortSignal, at: number | null = null) =>
  get<ElementDetail>(`/elements/${encodeURIComponent(id)}`, { at: at === null ? null : iso(at) }, signal);

/** Elements of the model whose name, tag, class or GlobalId holds the text. */
export const elements = (q: string, limit: number, signal?: AbortSignal) => get<Page<ElementRow>>("/elements", { q, limit }, signal);

/** The catalogue page by page, so that the first page is shown before the last has come. */
export async function* points(signal?: AbortSignal): AsyncGenerator<Page<Point>> {
  let offset: number | null = 0;
  while (offset !== null && offset < POINTS_MAX) {
    const page: Page<Point> = await get<Page<Point>>("/points", { limit: POINTS_PAGE, offset }, signal);
    yield page;
    offset = page.next;
  }
}

/** As-of state of the given points, or of all of them; `at` null means now. */
export async function state(at: number | null, ids: readonly number[] | "all", signal?: AbortSignal): Promise<AsOf> {
  const when = at === null ? null : iso(at);
  if (ids === "all") return allState(when, signal);
  const found: AsOf = { rows: [], drones: [] };
  for (let i = 0; i === 0 || i < ids.length; i += IDS_PER_CALL) {
    const part = ids.slice(i, i + IDS_PER_CALL);
    const page = await get<StatePage>("/state", { at: when, ...(part.length ? { points: part.join(","), limit: part.length } : { limit: 1 }) }, signal);
    if (part.length) found.rows.push(...page.items);
    found.drones = page.drones ?? [];
  }
  return found;
}

/** What was at an instant: the points' values, and where the drones were. */
export interface AsOf {
  rows: StateRow[];
  drones: readonly Pose[];
}

/** The plan state of every element at an instant, as columns. */
export interface ElementStates {
  codes: Record<string, string>;
  global_id: string[];
  planned: number[];
  actual: number[];
  forecast: number[];
  /** 0 none, 1 unknown, 2 built, 3 not built: what scans say */
  verdict?: number[];
  deviation_mm?: (number | null)[];
}

export const elementStates = async (at: number | null, signal?: AbortSignal): Promise<ElementStates | null> =>
  (await get<StatePage & { elements?: ElementStates | null }>("/state", { at: at === null ? null : iso(at), include: "elements", limit: 1 }, signal)).elements ?? null;

async function allState(at: string | null, signal?: AbortSignal): Promise<AsOf> {
  const rows: StateRow[] = [];
  let drones: readonly Pose[] = [];
  let offset: number | null = 0;
  while (offset !== null && offset < POINTS_MAX) {
    const page: StatePage = await get<StatePage>("/state", { at, limit: STATE_PAGE, offset }, signal);
    for (const row of page.items) rows.push(row);
    drones = page.drones ?? [];
    offset = page.next;
  }
  return { rows, drones };
}

/** The tile set of the live model, or how far its making is. */
export const tiles = (signal?: AbortSignal) => get<TilesAnswer>("/tiles", {}, signal);

/** The newest commands to a point. */
export const commands = (key: string, limit: number, signal?: AbortSignal) => get<{ items: CommandRow[] }>("/commands", { point: key, limit }, signal);

/** Command a device; the answer comes later, see `commands`. */
export const command = (key: string, value: number | boolean | string) => post<{ id: string; status: string }>("/commands", { point: key, value });

/** Min/max-preserving history of points between two instants (epoch ms) in `width` buckets. */
export function history(ids: readonly number[], from: number, to: number, width: number, signal?: AbortSignal, agg: "minmax" | "raw" = "minmax"): Promise<History> {
  return get<History>("/history", { point: ids, from: iso(from), to: iso(to), width: Math.round(width), agg }, signal);
}

/** Every reading of points between two instants as one Parquet file. */
export const historyFile = (ids: readonly number[], from: number, to: number) =>
  fetchBlob("/history", { point: ids, from: iso(from), to: iso(to), agg: "raw", format: "parquet" });
