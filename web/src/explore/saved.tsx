import { useState } from "preact/hooks";
import * as explore from "../api/explore";
import { TwinError } from "../api/http";
import { Icon } from "../components/icon";
import { t } from "../i18n";
import { useResource } from "../state/resource";
import { session } from "../state/session";

/** Queries that were kept, and the tables that there are. */
export function SavedQueries({ text, choose, tables }: { text: string; choose: (sql: string) => void; tables: readonly explore.Table[] }) {
  const [resource, reload] = useResource("saved", explore.saved);
  const [problem, setProblem] = useState("");
  const keep = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    explore.save({ name: String(fields.get("name")), sql: text, shared: fields.has("shared") }).then(
      () => (form.reset(), setProblem(""), reload()),
      (error: unknown) => setProblem(error instanceof TwinError ? error.message : String(error)),
    );
  };
  const mine = session.value?.name;
  return (
    <aside class="explore-side">
      <section class="panel">
        <h2>{t("explore.saved")}</h2>
        <ul class="explore-saved">
          {resource.value.data?.items.map((one) => (
            <li key={one.id}>
              <button type="button" class="button quiet" onClick={() => choose(one.sql)}>
                {one.name}
                {one.shared && <span class="muted"> · {t("explore.sharedBy", { name: one.owner })}</span>}
              </button>
              {one.owner === mine && (
                <button type="button" class="icon-button" aria-label={t("explore.forget", { name: one.name })} onClick={() => void explore.forget(one.id).finally(reload)}>
                  <Icon name="close" size={14} />
                </button>
              )}
            </li>
          ))}
        </ul>
        <form class="explore-keep" onSubmit={keep}>
          <input name="name" required maxLength={120} aria-label={t("explore.name")} placeholder={t("explore.name")} />
          <label>
            <input type="checkbox" name="shared" />
            <span>{t("explore.share")}</span>
          </label>
          <button type="submit" class="button" disabled={!text.trim()}>
            {t("explore.save")}
          </button>
          {problem && <p role="alert">{problem}</p>}
        </form>
      </section>
      <section class="panel">
        <h2>{t("explore.tables")}</h2>
        {tables.map((one) => (
          <details key={one.name}>
            <summary>{one.name}</summary>
            <ul class="explore-columns">
              {one.columns.map((column) => (
                <li key={column.name}>
                  {column.name} <span class="muted">{column.type}</span>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </section>
    </aside>
  );
}
