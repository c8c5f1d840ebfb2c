import { get, post } from "./http";

/** Trained models: the versions that are published, how far each has come, what the nodes tell of it. */

export type Stage = "shadow" | "canary" | "live";

export interface ModelRow {
  id: string;
  versions: { version?: string; sha256: string; bytes: number }[];
  rollout: { version: string; stage: Stage; since: string | null; nodes: string[]; before: string | null; why: string; verdict: { do: string; why: string } | null } | null;
  nodes: { node: string; state?: string; problem?: string }[];
}

export const models = (signal?: AbortSignal) => get<{ items: ModelRow[]; problem: string | null }>("/models", {}, signal);
export const promote = (id: string) => post<unknown>(`/models/${encodeURIComponent(id)}/promote`, {});
export const rollBack = (id: string) => post<unknown>(`/models/${encodeURIComponent(id)}/rollback`, {});
