import { allVerdicts } from "../api/drones";
import type { VerdictRow } from "../api/drone_types";
import { elementStates } from "../api/queries";

/** How an element stands after a scan, in every picture that shows it. */
export type VerdictShade = "built" | "early" | "late" | "missing" | "unknown";

export interface Judged {
  shades: ReadonlyMap<string, VerdictShade>;
  /** mean distance from the design, in millimetres */
  deviations: ReadonlyMap<string, number>;
}

const NOTHING: Judged = { shades: new Map(), deviations: new Map() };
const PLANNED_LATER = 1;
const PLANNED_FINISHED = 3;
const [UNKNOWN, BUILT, NOT_BUILT] = [1, 2, 3];

/** What one scan says, or without one what all scans up to an instant (null: now) say together. */
export async function judged(scan: string | null, at: number | null, signal?: AbortSignal): Promise<Judged> {
  if (scan !== null) return ofScan(await allVerdicts(scan, signal));
  const states = await elementStates(at, signal);
  if (!states?.verdict) return NOTHING;
  const { global_id, verdict, planned, deviation_mm } = states;
  const shades = new Map<string, VerdictShade>();
  const deviations = new Map<string, number>();
  global_id.forEach((id, i) => {
    const shade = shadeOf(verdict[i] ?? 0, planned[i] ?? 0);
    if (shade) shades.set(id, shade);
    const off = deviation_mm?.[i];
    if (typeof off === "number" && Number.isFinite(off)) deviations.set(id, off);
  });
  return { shades, deviations };
}

/** By the codes of the state: null where no scan looked. */
export function shadeOf(verdict: number, planned: number): VerdictShade | null {
  if (verdict === BUILT) return planned === PLANNED_LATER ? "early" : "built";
  if (verdict === NOT_BUILT) return planned === PLANNED_FINISHED ? "late" : "missing";
  return verdict === UNKNOWN ? "unknown" : null;
}

/** One scan's word on one element. */
export function ofVerdict({ verdict, late, early }: Pick<VerdictRow, "verdict" | "late" | "early">): VerdictShade {
  if (verdict === "built") return early ? "early" : "built";
  return verdict === "unknown" ? "unknown" : late ? "late" : "missing";
}

export function ofScan(rows: readonly VerdictRow[]): Judged {
  return {
    shades: new Map(rows.map((row) => [row.global_id, ofVerdict(row)])),
    deviations: new Map(rows.flatMap(({ global_id, deviation_mm }) => (typeof deviation_mm?.mean === "number" ? [[global_id, deviation_mm.mean]] : []))),
  };
}
