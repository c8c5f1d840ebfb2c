import { effect, signal, untracked } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isAbort } from "../api/http";
import { state, type AsOf } from "../api/queries";
import { link, socket } from "./link";
import { showPoses, watchers } from "./poses";
import { at, future, live, mode } from "./time";
import { takeState } from "./values";

/** What the views show right now decides what the twin sends: counted per point, asked for once. */

const VIEW = "page";
const RATE_HZ = 5;
const RATE_ALL_HZ = 1;
const SETTLE_MS = 60;
const ASOF_EVERY_MS = 250;

const counts = new Map<number, number>();
let everything = 0;
const changed = signal(0);
/** The instant whose as-of state the cells show, and whether a newer one is on its way. */
export const shownAt = signal<number | null>(null);
export const asOfFailed = signal(false);

/** Show these points while the component is mounted. */
export function useInterest(points: readonly number[] | "all"): void {
  const key = points === "all" ? "all" : points.join();
  useEffect(() => {
    add(points, 1);
    return () => add(points, -1);
  }, [key]);
}

function add(points: readonly number[] | "all", by: 1 | -1): void {
  if (points === "all") everything += by;
  else
    for (const point of points) {
      const next = (counts.get(point) ?? 0) + by;
      if (next > 0) counts.set(point, next);
      else counts.delete(point);
    }
  changed.value++;
}

const wanted = (): readonly number[] | "all" => (everything ? "all" : [...counts.keys()]);

/** Keep the subscription (live) or the as-of state (history) in step with interest and time. */
export function followInterest(): void {
  let settle: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    changed.value;
    const isLive = live.value;
    clearTimeout(settle);
    settle = setTimeout(() => subscribe(isLive), SETTLE_MS);
  });
  followInstant();
}

function subscribe(isLive: boolean): void {
  const points = isLive ? wanted() : [];
  socket()?.subscribe(VIEW, points, points === "all" ? RATE_ALL_HZ : RATE_HZ);
}

/** History mode: one request at a time, always for the newest instant; the ones between are skipped. */
function followInstant(): void {
  let running = false;
  let again = false;
  let abort: AbortController | undefined;

  const ask = async () => {
    if (live.peek()) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    const instant = at.peek();
    const points = wanted();
    abort = new AbortController();
    try {
      // what lies ahead has no readings: every cell is empty, and nothing is asked
      if (future.peek()) takeIfStill({ rows: [], drones: [] }, points);
      else if (points === "all" || points.length || watchers.peek()) takeIfStill(await state(instant, points, abort.signal), points);
      shownAt.value = instant;
      asOfFailed.value = false;
    } catch (error) {
      if (!isAbort(error)) asOfFailed.value = true;
    }
    if (mode.peek() === "playing") await new Promise((done) => setTimeout(done, ASOF_EVERY_MS));
    running = false;
    if (again) {
      again = false;
      void ask();
    }
  };

  effect(() => {
    changed.value;
    watchers.value;
    link.value.phase;
    if (live.value) {
      abort?.abort();
      if (shownAt.peek() !== null) renewPoses();
      shownAt.value = null;
      return;
    }
    at.value;
    void untracked(ask);
  });
}

/** Back to live: where the drones were then is not where they are. */
function renewPoses(): void {
  showPoses([]);
  if (watchers.peek()) socket()?.showPoses(true);
}

function takeIfStill({ rows, drones }: Pick<AsOf, "rows" | "drones">, points: readonly number[] | "all"): void {
  if (live.peek()) return;
  takeState(rows, points);
  showPoses(drones);
}
