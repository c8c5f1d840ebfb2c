import type { Problem } from "./types";

const BASE = "/api/v1";
const TIMEOUT_MS = 20_000;
const UNSIGNED = 401;

let csrf = "";
let signedOut = () => {};
/** The secret of this session that only the twin's own page knows; it goes with every call that changes something. */
export const useCsrf = (secret: string) => void (csrf = secret);
export const csrfHeader = (): Record<string, string> => (csrf ? { "X-CSRF-Token": csrf } : {});
/** What to do when the session has ended meanwhile. */
export const onSignedOut = (act: () => void) => void (signedOut = act);

/** A refusal or failure of the twin, with what it says about the cause and the fix. */
export class TwinError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "TwinError";
  }
}

export type Params = Record<string, string | number | boolean | readonly (string | number)[] | null | undefined>;

/** `GET /api/v1<path>`: the decoded body. Lists become repeated parameters. Raises TwinError; an abort passes through. */
export function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  return call<T>(path + query(params), { headers: { Accept: "application/json" } }, signal);
}

/** `POST /api/v1<path>` with a JSON body: the decoded answer. Raises TwinError. */
export function post<T>(path: string, body: unknown): Promise<T> {
  return call<T>(path, { method: "POST", body: JSON.stringify(body), headers: { Accept: "application/json", "Content-Type": "application/json", ...csrfHeader() } });
}

/** `DELETE /api/v1<path>`: the decoded answer. Raises TwinError. */
export function drop<T>(path: string): Promise<T> {
  return call<T>(path, { method: "DELETE", headers: { Accept: "application/json", ...csrfHeader() } });
}

/** `GET /api/v1<path>`: the body as it is, to be kept as a file. Raises TwinError. */
export async function fetchBlob(path: string, params: Params): Promise<Blob> {
  return (await answer(path + query(params), {})).blob();
}

interface Sending {
  accept?: string;
  signal?: AbortSignal;
  limitMs?: number;
}

/** `POST /api/v1<path>` with a JSON body: the answer as it is. Raises TwinError; an abort passes through. */
export function send(path: string, body: unknown, { accept = "application/json", signal, limitMs }: Sending = {}): Promise<Response> {
  const headers = { Accept: accept, "Content-Type": "application/json", ...csrfHeader() };
  return answer(path, { method: "POST", body: JSON.stringify(body), headers }, signal, limitMs);
}

async function call<T>(path: string, request: RequestInit, signal?: AbortSignal): Promise<T> {
  return (await (await answer(path, request, signal)).json()) as T;
}

async function answer(path: string, request: RequestInit, signal?: AbortSignal, limitMs = TIMEOUT_MS): Promise<Response> {
  const limit = AbortSignal.timeout(limitMs);
  const both = signal ? AbortSignal.any([signal, limit]) : limit;
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...request, signal: both });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new TwinError({ title: limit.aborted ? "timeout" : "unreachable", status: 0 });
  }
  if (response.status === UNSIGNED && csrf) signedOut();
  if (!response.ok) throw new TwinError(await problemOf(response));
  return response;
}

/** Was this only a cancelled request? */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export function query(params: Params): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "") continue;
    if (Array.isArray(value)) for (const item of value) search.append(name, String(item));
    else search.append(name, String(value));
  }
  const text = search.toString();
  return text && `?${text}`;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return { ...body, title: body.title ?? response.statusText, status: response.status };
  } catch {
    return { title: response.statusText || "error", status: response.status };
  }
}
