import type { Cell, Result } from "../api/explore";
import { t } from "../i18n";
import * as format from "../i18n/format";
import { cellText, isNumber } from "./grid";

const WIDTH = 900;
const HEIGHT = 300;
const LEFT = 64;
const BOTTOM = 34;
const LINES_MAX = 6;
const POINTS_MAX = 2_000;
const BARS_MAX = 40;
const MARKS = 5;

/** The answer as lines over its first column, or as bars when that column is text. */
export function Chart({ result }: { result: Result }) {
  const xs = result.columns[0];
  const lines = result.columns.map((column, at) => ({ column, at })).filter(({ column, at }) => at > 0 && isNumber(column.type)).slice(0, LINES_MAX);
  if (!xs || !lines.length) return <p class="muted">{t("explore.noChart")}</p>;
  const timed = /timestamp|date/i.test(xs.type);
  const bars = !timed && !isNumber(xs.type);
  const rows = thin(result.rows, bars ? BARS_MAX : POINTS_MAX);
  const x = rows.map((row, at) => (bars ? at + 0.5 : timed ? Date.parse(String(row[0])) : Number(row[0])));
  const values = rows.flatMap((row) => lines.map(({ at }) => row[at])).filter((value): value is number => typeof value === "number");
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const [from, to] = bars ? [0, rows.length] : [Math.min(...x), Math.max(...x)];
  const px = (value: number) => LEFT + ((value - from) / (to - from || 1)) * (WIDTH - LEFT - 8);
  const py = (value: number) => 8 + (1 - (value - low) / (high - low || 1)) * (HEIGHT - BOTTOM - 8);
  const marks = Array.from({ length: MARKS }, (_, at) => low + ((high - low) * at) / (MARKS - 1));
  const shown = rows.length < result.rows.length ? t("explore.thinned", { n: rows.length, of: result.rows.length }) : "";
  return (
    <figure class="sql-chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={lines.map(({ column }) => column.name).join(", ")}>
        {marks.map((mark) => (
          <g key={mark}>
            <line class="rule" x1={LEFT} x2={WIDTH - 8} y1={py(mark)} y2={py(mark)} />
            <text x={LEFT - 8} y={py(mark) + 4} text-anchor="end">
              {format.brief(mark)}
            </text>
          </g>
        ))}
        {[0, 0.5, 1].map((share) => (
          <text key={share} x={LEFT + share * (WIDTH - LEFT - 8)} y={HEIGHT - 8} text-anchor={share === 0 ? "start" : share === 1 ? "end" : "middle"}>
            {cellText(rows[Math.min(rows.length - 1, Math.floor(share * rows.length))]?.[0] ?? null)
              .replace("T", " ")
              .slice(0, 19)}
          </text>
        ))}
        {lines.map(({ at }, line) =>
          bars ? (
            rows.map((row, place) => {
              const width = (WIDTH - LEFT - 8) / rows.length / (lines.length + 1);
              const value = Number(row[at] ?? 0);
              return <rect key={place} class={`series-${line + 1}`} x={px(place) + width * (line + 0.5)} width={width * 0.9} y={Math.min(py(value), py(0))} height={Math.abs(py(value) - py(0))} />;
            })
          ) : (
            <path key={at} class={`series-${line + 1}`} d={pathOf(rows, at, x, px, py)} />
          ),
        )}
      </svg>
      <figcaption>
        {lines.map(({ column }, line) => (
          <span key={column.name} class={`series-${line + 1}`}>
            {column.name}
          </span>
        ))}
        {shown && <span class="muted">{shown}</span>}
      </figcaption>
    </figure>
  );
}

/** A gap where there is no number. */
function pathOf(rows: readonly Cell[][], at: number, x: readonly number[], px: (value: number) => number, py: (value: number) => number): string {
  let open = false;
  return rows
    .map((row, place) => {
      const value = row[at];
      if (typeof value !== "number") return (open = false), "";
      const step = `${open ? "L" : "M"}${px(x[place]!).toFixed(1)} ${py(value).toFixed(1)}`;
      open = true;
      return step;
    })
    .join("");
}

function thin(rows: Cell[][], most: number): Cell[][] {
  if (rows.length <= most) return rows;
  return Array.from({ length: most }, (_, at) => rows[Math.floor((at * rows.length) / most)]!);
}
