import type { CloudLevels, FlightDetail, FlightRow, ScanRow, Upload, VerdictRow } from "./drone_types";
import { csrfHeader, drop, get, post, query, TwinError } from "./http";
import type { Page, Problem } from "./types";

/** Flights, scans and what is uploaded for them. */

const LIST_MAX = 1_000;
const VERDICTS_PAGE = 20_000;
const VERDICTS_MAX = 200_000;
const UPLOADS_SHOWN = 50;

export const flights = (signal?: AbortSignal) => get<Page<FlightRow>>("/flights", { limit: LIST_MAX }, signal);
export const flight = (id: string, width: number, signal?: AbortSignal) => get<FlightDetail>(`/flights/${encodeURIComponent(id)}`, { width }, signal);
export const scans = (signal?: AbortSignal) => get<Page<ScanRow>>("/scans", { limit: LIST_MAX }, signal);
export const scan = (id: string, signal?: AbortSignal) => get<ScanRow>(`/scans/${encodeURIComponent(id)}`, {}, signal);
export const remove = (id: string) => drop(`/uploads/${encodeURIComponent(id)}`);
export const uploads = (signal?: AbortSignal) => get<Page<Upload>>("/uploads", { limit: UPLOADS_SHOWN }, signal);
export const upload = (id: string, signal?: AbortSignal) => get<Upload>(`/uploads/${encodeURIComponent(id)}`, {}, signal);

export const photoUrl = (id: string) => `/api/v1/photos/${encodeURIComponent(id)}/image`;
export const bcfUrl = (scan: string) => `/api/v1/scans/${encodeURIComponent(scan)}/bcf`;
export const evidenceUrl = (scan: string, element: string) => `/api/v1/scans/${encodeURIComponent(scan)}/evidence/${encodeURIComponent(element)}.ply`;
const cloudUrl = (scan: string, file: string) => `/api/v1/scans/${encodeURIComponent(scan)}/cloud/${file}`;

/** One page of verdicts for the table. */
export const verdicts = (scan: string, filter: { verdict: string; off: string; q: string }, limit: number, offset: number, signal?: AbortSignal) =>
  get<Page<VerdictRow>>(`/scans/${encodeURIComponent(scan)}/verdicts`, { ...filter, limit, offset }, signal);

/** Every verdict of a scan, for the colours of the model. */
export async function allVerdicts(scan: string, signal?: AbortSignal): Promise<VerdictRow[]> {
  const found: VerdictRow[] = [];
  for (let offset: number | null = 0; offset !== null && offset < VERDICTS_MAX; ) {
    const page: Page<VerdictRow> = await verdicts(scan, { verdict: "", off: "", q: "" }, VERDICTS_PAGE, offset, signal);
    found.push(...page.items);
    offset = page.next;
  }
  return found;
}

export const cloudLevels = (scan: string, signal?: AbortSignal) => get<CloudLevels>(`/scans/${encodeURIComponent(scan)}/cloud/levels.json`, {}, signal);

export async function cloudLevel(scan: string, file: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(cloudUrl(scan, file), signal ? { signal } : {});
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  return response.arrayBuffer();
}

/** Send one file; `progress` hears the share sent. Raises TwinError. Several files of one scan share a group. */
export function send(file: File, group: string | null, at: string | null, progress: (share: number) => void): Promise<Upload> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/uploads${query({ name: file.name, group, at })}`);
    request.responseType = "json";
    for (const [name, value] of Object.entries(csrfHeader())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onerror = () => failed(new TwinError({ title: "unreachable", status: 0 }));
    request.onload = () => {
      const body = (request.response ?? {}) as Upload & Problem;
      if (request.status < 300 && body.id) done(body);
      else failed(new TwinError({ ...body, title: body.title ?? request.statusText, status: request.status }));
    };
    request.send(file);
  });
}

/** All files of a scan are there: begin. */
export const commit = (group: string) => post<{ items: Upload[] }>(`/uploads/${encodeURIComponent(group)}/commit`, {});
