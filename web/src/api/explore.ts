import { drop, get, post, send } from "./http";

/** SQL over everything, and the queries that people keep. */

export interface Column {
  name: string;
  type: string;
}
export interface Table {
  name: string;
  columns: Column[];
}
export type Cell = string | number | boolean | null | object;
export interface Result {
  columns: Column[];
  rows: Cell[][];
  truncated: boolean;
}
export interface Saved {
  id: number;
  name: string;
  sql: string;
  owner: string;
  shared: boolean;
}
export type Form = "csv" | "parquet" | "arrow";

/** More rows than this nobody reads in a page; the exports and the snippet give up to a million. */
export const ROWS_SHOWN = 20_000;
export const ARROW_MEDIA = "application/vnd.apache.arrow.stream";
const ROWS_EXPORTED = 1_000_000;
const QUERY_MS_MAX = 120_000;
const MEDIA: Record<Form, string> = { csv: "text/csv", parquet: "application/vnd.apache.parquet", arrow: ARROW_MEDIA };

export const ask = async (sql: string, signal: AbortSignal): Promise<Result> =>
  (await (await send("/query", { sql, limit_rows: ROWS_SHOWN }, { signal, limitMs: QUERY_MS_MAX })).json()) as Result;
export const exported = async (sql: string, form: Form): Promise<Blob> =>
  (await send("/query", { sql, limit_rows: ROWS_EXPORTED }, { accept: MEDIA[form], limitMs: QUERY_MS_MAX })).blob();
export const tables = (signal: AbortSignal) => get<{ items: Table[] }>("/query/tables", {}, signal);
export const saved = (signal: AbortSignal) => get<{ items: Saved[] }>("/queries", {}, signal);
export const save = (body: { name: string; sql: string; shared: boolean }) => post<Saved>("/queries", body);
export const forget = (id: number) => drop<{ items: Saved[] }>(`/queries/${id}`);
