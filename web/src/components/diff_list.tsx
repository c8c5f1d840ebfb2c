import type { DiffRow } from "../api/plan_types";
import { t } from "../i18n";
import * as format from "../i18n/format";

const ROWS_MAX = 200;
const TEXT_MAX = 120;
const SIGN: Record<string, string> = { add: "+", remove: "−", replace: "→" };

/** What a change changes, line by line: what was, what will be. */
export function DiffList({ rows }: { rows: readonly DiffRow[] }) {
  if (!rows.length) return <p class="muted">{t("change.nothing")}</p>;
  return (
    <>
      <ul class="diff-list">
        {rows.slice(0, ROWS_MAX).map((row, i) => (
          <li key={i} data-op={row.op}>
            <span class="diff-sign" aria-hidden="true">
              {SIGN[row.op] ?? "·"}
            </span>
            <span class="diff-path">{row.path}</span>
            {row.op !== "add" && <del>{said(row.old)}</del>}
            {row.op !== "remove" && <ins>{said(row.new)}</ins>}
          </li>
        ))}
      </ul>
      {rows.length > ROWS_MAX && <p class="muted">{t("change.more", { n: rows.length - ROWS_MAX })}</p>}
    </>
  );
}

function said(value: unknown): string {
  if (value === null || value === undefined) return "–";
  const text = typeof value === "number" || typeof value === "string" ? format.value(value) : JSON.stringify(value);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}
