import type { DiffRow } from "../api/plan_types";
import { t } from "../i18n";
import * as format from "../i18n/format";

const ROWS_MAX = 200;
const TEXT_MAX = 160;
const LIST_MAX = 3;
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

/** A value as people read it: fields of an object one after the other, long lists only counted. */
function said(value: unknown): string {
  const text = plain(value);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

function plain(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number" || typeof value === "string") return format.value(value);
  if (Array.isArray(value)) return value.length > LIST_MAX ? t("change.entries", { n: value.length }) : value.map(plain).join(", ") || "–";
  if (typeof value !== "object") return String(value);
  const fields = Object.entries(value).filter(([, one]) => one !== "" && one !== null && !(Array.isArray(one) && !one.length));
  return fields.map(([name, one]) => `${name.replaceAll("_", " ")} ${plain(one)}`).join(" · ") || "–";
}
