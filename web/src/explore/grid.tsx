import { useState } from "preact/hooks";
import type { Cell, Result } from "../api/explore";
import { t } from "../i18n";

const ROW_PX = 28;
const OVERSCAN = 12;
const NUMBERS = /^(u?int|float|double|decimal|hugeint|bigint|half)/i;

export const isNumber = (type: string) => NUMBERS.test(type);
export const cellText = (value: Cell) => (value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** Only the rows in sight are in the document, however many there are. */
export function Grid({ result }: { result: Result }) {
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(480);
  const first = Math.max(0, Math.floor(top / ROW_PX) - OVERSCAN);
  const last = Math.min(result.rows.length, Math.ceil((top + height) / ROW_PX) + OVERSCAN);
  return (
    <div
      class="grid-frame"
      tabIndex={0}
      role="region"
      aria-label={t("explore.rows", { n: result.rows.length })}
      ref={(element) => {
        if (element && element.clientHeight !== height) setHeight(element.clientHeight);
      }}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <table class="grid" aria-rowcount={result.rows.length + 1}>
        <thead>
          <tr>
            {result.columns.map((column) => (
              <th key={column.name} title={column.type} class={isNumber(column.type) ? "numeric" : undefined}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Gap rows={first} columns={result.columns.length} />}
          {result.rows.slice(first, last).map((row, at) => (
            <tr key={first + at} aria-rowindex={first + at + 2}>
              {row.map((value, column) => (
                <td key={column} class={isNumber(result.columns[column]!.type) ? "numeric num" : undefined}>
                  {cellText(value)}
                </td>
              ))}
            </tr>
          ))}
          {last < result.rows.length && <Gap rows={result.rows.length - last} columns={result.columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

const Gap = ({ rows, columns }: { rows: number; columns: number }) => (
  <tr aria-hidden="true">
    <td colSpan={columns} height={rows * ROW_PX} />
  </tr>
);
