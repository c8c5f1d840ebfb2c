import { offsetMinutes } from "../i18n/format";

/** An instant as `datetime-local` text in a zone: `2026-11-23T14:05:09`. */
export function toLocalInput(ms: number, zone: string): string {
  return new Date(ms + offsetMinutes(ms, zone) * 60_000).toISOString().slice(0, 19);
}

/** The instant that such a text means in the zone; null for what is no time. Twice for the hour in which the offset changes. */
export function fromLocalInput(text: string, zone: string): number | null {
  const wall = Date.parse(`${text}Z`);
  if (Number.isNaN(wall)) return null;
  const guess = wall - offsetMinutes(wall, zone) * 60_000;
  return wall - offsetMinutes(guess, zone) * 60_000;
}
