import { t } from "../i18n";

/** How many of how many points are verified or found wrong: in words, and as a bar that needs no colour to be read. */
export function Bar({ points, verified, wrong }: { points: number; verified: number; wrong: number }) {
  const share = (n: number) => `${(100 * n) / Math.max(points, 1)}%`;
  return (
    <span class="verified-bar">
      <span class="verified-track" aria-hidden="true">
        <span data-verdict="ok" style={{ width: share(verified) }} />
        <span data-verdict="wrong" style={{ width: share(wrong) }} />
      </span>
      <span class="num">{t("verify.progress", { done: verified, all: points })}</span>
      {wrong > 0 && <span class="num verified-wrong">{t("verify.wrongCount", { n: wrong })}</span>}
    </span>
  );
}
