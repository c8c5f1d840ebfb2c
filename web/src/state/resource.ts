import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { isAbort, TwinError } from "../api/http";
import type { Problem } from "../api/types";

export interface Resource<T> {
  data: T | null;
  problem: Problem | null;
  loading: boolean;
}

/** Load something for as long as `key` stays the same; a newer request cancels the older one, data stays while it reloads. */
export function useResource<T>(key: string, load: (signal: AbortSignal) => Promise<T>): [ReadonlySignal<Resource<T>>, () => void] {
  const cell = useMemo(() => signal<Resource<T>>({ data: null, problem: null, loading: true }), [key]);
  const reload = useMemo(() => {
    let abort: AbortController | undefined;
    return Object.assign(
      () => {
        abort?.abort();
        abort = new AbortController();
        cell.value = { ...cell.peek(), loading: true };
        load(abort.signal).then(
          (data) => (cell.value = { data, problem: null, loading: false }),
          (error: unknown) => {
            if (isAbort(error)) return;
            const problem = error instanceof TwinError ? error.problem : { title: String(error), status: 0 };
            cell.value = { data: cell.peek().data, problem, loading: false };
          },
        );
      },
      { stop: () => abort?.abort() },
    );
  }, [key]);
  useEffect(() => {
    reload();
    return reload.stop;
  }, [reload]);
  return [cell, reload];
}
