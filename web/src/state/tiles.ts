import { computed, effect, signal, untracked } from "@preact/signals";
import { isAbort, TwinError } from "../api/http";
import type { TileSet } from "../api/model_types";
import * as queries from "../api/queries";
import type { Problem } from "../api/types";
import { site } from "./catalogue";

/** The geometry of the live model: there, being made, or not at all. */
export type Tiles =
  | { phase: "loading" }
  | { phase: "building"; share: number | null }
  | { phase: "ready"; set: TileSet; base: string }
  | { phase: "none" }
  | { phase: "failed"; problem: Problem };

export const tiles = signal<Tiles>({ phase: "loading" });

const ASK_AGAIN_MS = 1_000;
const liveModel = computed(() => site.value?.model?.sha256);

/** Follow the set of the live model while a view shows it; also again when another model becomes live. */
export function followTiles(): () => void {
  let stopAsking = () => {};
  const stop = effect(() => {
    liveModel.value;
    stopAsking();
    stopAsking = untracked(askTiles);
  });
  return () => (stop(), stopAsking());
}

/** Ask until the set is there; returns what stops the asking. The same set stays the same object. */
export function askTiles(): () => void {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = async () => {
    try {
      const { tileset, base, progress } = await queries.tiles(abort.signal);
      const now = tiles.peek();
      if (!tileset || !base) {
        tiles.value = { phase: "building", share: progress ?? null };
        timer = setTimeout(() => void ask(), ASK_AGAIN_MS);
      } else if (now.phase !== "ready" || now.base !== base) tiles.value = { phase: "ready", set: tileset, base };
    } catch (error) {
      if (isAbort(error) || abort.signal.aborted) return;
      const problem = error instanceof TwinError ? error.problem : { title: String(error), status: 0 };
      tiles.value = problem.status === 404 ? { phase: "none" } : { phase: "failed", problem };
    }
  };
  void ask();
  return () => {
    abort.abort();
    clearTimeout(timer);
  };
}

/** The drawings of whole sites: those whose place is no storey. */
export function siteSheets({ plans, storeys }: TileSet): TileSet["plans"] {
  const known = new Set(storeys.map((one) => one.global_id));
  return plans.filter((plan) => !known.has(plan.storey));
}
