import { csrfHeader, get, post, query, TwinError } from "./http";
import type { Change } from "./plan_types";
import type { Page } from "./types";

/** What people change from the page: a file is sent, the twin shows what it would do, and only then it is made true. */

export type FileKind = "schedule" | "links" | "model";
export type ChangeKind = FileKind | "limits" | "bindings" | "alarms";
const UPLOAD_MS_MAX = 600_000;

/** Send a file; its id. Raises TwinError. */
export async function upload(file: File): Promise<string> {
  let response: Response;
  try {
    response = await fetch(`/api/v1/uploads${query({ name: file.name })}`, { method: "POST", body: file, headers: csrfHeader(), signal: AbortSignal.timeout(UPLOAD_MS_MAX) });
  } catch {
    throw new TwinError({ title: "unreachable", status: 0 });
  }
  const body = (await response.json().catch(() => ({}))) as { id?: string; title?: string };
  if (!response.ok || !body.id) throw new TwinError({ ...body, title: body.title ?? response.statusText, status: response.status });
  return body.id;
}

export const propose = (kind: ChangeKind, body: unknown, note: string) => post<Change>("/changes", { kind, body, note });
export const activate = (id: number) => post<Change>(`/changes/${id}/activate`, {});
export const revert = (id: number) => post<Change>(`/changes/${id}/revert`, {});
export const changes = (limit: number, signal?: AbortSignal) => get<Page<Change>>("/changes", { limit }, signal);
