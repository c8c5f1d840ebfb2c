import type { Point, Series } from "../api/types";

/** One line a reading: time in UTC, key, value, unit, quality flags. A spreadsheet must not take a text for a formula. */
export function csvOf(points: readonly Point[], series: readonly Series[]): string {
  const known = new Map(points.map((point) => [point.id, point]));
  const lines = ["time,point,value,unit,quality"];
  for (const one of series) {
    const point = known.get(one.point);
    const [key, unit] = [quoted(point?.key ?? String(one.point)), quoted(one.unit)];
    for (let i = 0; i < one.t.length; i++) {
      const value = one.v[i];
      const text = typeof value === "string" ? quoted(/^[=+\-@\t\r]/.test(value) ? `'${value}` : value) : (value ?? "");
      lines.push(`${new Date(one.t[i]!).toISOString()},${key},${text},${unit},${one.quality[i] ?? 0}`);
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
