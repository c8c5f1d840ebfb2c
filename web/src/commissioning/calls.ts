import { get, post } from "../api/http";

/** Commissioning: how far devices are, one device point by point, and what a person saw. */

export type Verdict = "ok" | "wrong" | "withdrawn";

export interface Progress {
  id: string;
  node: string;
  device: string;
  label: string;
  place: { element: string | null; space: string | null; space_name: string; storey: string | null; storey_name: string };
  points: number;
  verified: number;
  wrong: number;
  lifecycle: "planned" | "installed" | "commissioned" | "handed_over";
}
export interface StoreyProgress {
  storey: string | null;
  name: string;
  devices: number;
  done: number;
  points: number;
  verified: number;
  wrong: number;
}
export interface DevicesPage {
  items: Progress[];
  total: number;
  next: number | null;
  storeys: StoreyProgress[];
}
export interface Verified {
  verdict: Verdict;
  by: string;
  at: string;
  seen: string;
  shown: string;
  note: string;
}
export interface DevicePoint {
  id: number;
  key: string;
  metric: string;
  label: string;
  kind: "value" | "state";
  unit: string;
  low: number | null;
  high: number | null;
  writable: boolean;
  value: number | string | null;
  quality: number | null;
  at: string | null;
  lifecycle: Progress["lifecycle"];
  verified: Verified | null;
}
export interface DeviceSheet {
  progress: Progress;
  points: DevicePoint[];
}

export const DEVICES_A_PAGE = 100;

/** `api/…` of a device; its id is `node/device`. */
const of = (device: string) => device.split("/").map(encodeURIComponent).join("/");

export const devices = (filter: { q: string; storey: string; state: string }, limit: number, signal: AbortSignal) =>
  get<DevicesPage>("/commissioning", { ...filter, limit }, signal);
export const sheet = (device: string, signal: AbortSignal) => get<DeviceSheet>(`/commissioning/${of(device)}`, {}, signal);
export const verify = (device: string, points: { point: number; verdict: Verdict; seen?: string; note?: string }[]) =>
  post<DeviceSheet>(`/commissioning/${of(device)}`, { points });
export const codeUrl = (device: string) => `/api/v1/devices/${of(device)}/qr.svg?base=${encodeURIComponent(location.origin)}`;
export const labelsUrl = (filter: { q: string; storey: string }, language: string) =>
  `/api/v1/commissioning/labels.pdf?${new URLSearchParams({ ...filter, language, base: location.origin })}`;
export const listUrl = (format: "csv" | "xlsx") => `/api/v1/pointlist?format=${format}`;
