import type { ComponentChildren } from "preact";
import type { Problem } from "../api/types";
import { t } from "../i18n";
import { Icon, type IconName } from "./icon";

/** Nothing to show, said plainly, with what to do about it. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="notice">
      <Icon name={icon} size={24} />
      <p class="notice-title">{title}</p>
      {children && <div class="muted">{children}</div>}
    </div>
  );
}

/** What failed, in the twin's words, with the fix it names and a way to try again. */
export function Failed({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const unreachable = problem.status === 0;
  return (
    <div class="notice" role="alert">
      <Icon name="bad" size={24} />
      <p class="notice-title">{unreachable ? t("error.unreachable") : problem.title}</p>
      <div class="muted">
        {unreachable ? t("error.unreachableFix") : problem.detail}
        {problem.fix && <p>{t("error.fix", { fix: problem.fix })}</p>}
      </div>
      {retry && (
        <button type="button" class="button" onClick={retry}>
          {t("action.retry")}
        </button>
      )}
    </div>
  );
}

/** The shape of what is coming. */
export function Skeleton({ rows = 4, tiles = false }: { rows?: number; tiles?: boolean }) {
  return (
    <div class={tiles ? "tiles" : "skeleton-rows"} aria-busy="true" aria-label={t("state.loading")} role="status">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} class={tiles ? "tile skeleton" : "skeleton"} />
      ))}
    </div>
  );
}
