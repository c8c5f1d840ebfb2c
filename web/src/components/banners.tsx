import { t } from "../i18n";
import * as format from "../i18n/format";
import { loadCatalogue, loadProblem, site, zone } from "../state/catalogue";
import { asOfFailed, shownAt } from "../state/interest";
import { lastFrameAt, link, socket, twinState } from "../state/link";
import { at, clockSkewMs, future, goLive, live, mode, nowMs, speed } from "../state/time";
import { Icon } from "./icon";

/** What everybody must know before reading a value: not connected, degraded, not live. */
export function Banners() {
  return (
    <div class="banners">
      <LinkBanner />
      <DegradedBanner />
      <HistoryBanner />
      <ReloadBanner />
    </div>
  );
}

function LinkBanner() {
  const state = link.value;
  nowMs.value;
  if (state.phase !== "lost") return null;
  const now = Date.now();
  const seen = lastFrameAt.value;
  return (
    <div class="banner" data-kind="lost" role="alert">
      <Icon name="cut" />
      <p>
        <strong>{t("link.lost", { age: format.duration((now - state.since) / 1000) })}</strong>{" "}
        {live.value && seen !== null && t("link.shownFrom", { time: format.clock(seen + clockSkewMs.value, zone.value) })}{" "}
        {t("link.retryIn", { n: Math.max(0, Math.ceil((state.retryAt - now) / 1000)) })}
      </p>
      <button type="button" class="button" onClick={() => socket()?.retry()}>
        {t("link.retryNow")}
      </button>
    </div>
  );
}

function DegradedBanner() {
  const state = twinState.value;
  if (link.value.phase !== "open" || !state || (state.connected && !state.degraded)) return null;
  return (
    <div class="banner" data-kind="degraded" role="status">
      <Icon name="high" />
      <p>
        <strong>{t(state.connected ? "link.degraded" : "link.brokerGone")}</strong> {state.degraded}
      </p>
    </div>
  );
}

function HistoryBanner() {
  if (live.value) return null;
  const instant = shownAt.value ?? at.value;
  return (
    <div class="banner" data-kind={future.value ? "future" : "history"} role="status">
      <Icon name={future.value ? "forward" : "stale"} />
      <p>
        <strong>{t(future.value ? "time.ahead" : "time.notLive", { time: format.moment(instant, zone.value) })}</strong>{" "}
        <span class="num">{format.offset(instant, zone.value)}</span>{" "}
        {mode.value === "playing" && t("time.playing", { speed: speed.value })}
        {asOfFailed.value && t("time.asOfFailed")}
      </p>
      <button type="button" class="button" onClick={goLive}>
        {t("time.backToLive")}
      </button>
    </div>
  );
}

/** Parts of the catalogue could not be loaded although something is shown. */
function ReloadBanner() {
  if (!loadProblem.value || !site.value || link.value.phase === "lost") return null;
  return (
    <div class="banner" data-kind="degraded" role="status">
      <Icon name="bad" />
      <p>
        <strong>{t("error.catalogue")}</strong> {loadProblem.value.detail ?? loadProblem.value.title}
      </p>
      <button type="button" class="button" onClick={() => void loadCatalogue()}>
        {t("action.retry")}
      </button>
    </div>
  );
}
