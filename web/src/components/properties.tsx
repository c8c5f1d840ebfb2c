import type { ElementDetail } from "../api/types";
import { t } from "../i18n";
import * as format from "../i18n/format";

/** Property sets, quantities and identity of an element, closed until asked for (the first set open). */
export function Properties({ element }: { element: ElementDetail }) {
  const sets = Object.entries(element.properties ?? {});
  const quantities = Object.entries(element.quantities ?? {});
  return (
    <section class="panel">
      <h2>{t("properties.title")}</h2>
      <Facts rows={[["GlobalId", element.id], [t("properties.type"), element.type], [t("properties.name"), element.name]]} />
      {sets.map(([name, values], i) => (
        <details key={name} open={i === 0}>
          <summary>{name}</summary>
          <Facts rows={Object.entries(values)} />
        </details>
      ))}
      {quantities.length > 0 && (
        <details>
          <summary>{t("properties.quantities")}</summary>
          <Facts rows={quantities} />
        </details>
      )}
      {!sets.length && !quantities.length && <p class="muted">{t("properties.none")}</p>}
    </section>
  );
}

export function Facts({ rows }: { rows: readonly (readonly [string, unknown])[] }) {
  return (
    <dl class="facts-list">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{factText(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function factText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return t(value ? "answer.yes" : "answer.no");
  if (typeof value === "number" || typeof value === "string") return format.value(value);
  return JSON.stringify(value);
}
