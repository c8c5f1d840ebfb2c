import { useState } from "preact/hooks";
import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { site, zone } from "../state/catalogue";
import { horizon } from "../state/schedule";
import { aheadMs, at, future, goLive, live, loop, mode, nowMs, range, scrub, seek, setHorizon, setRange, setSpan, SPANS_S, speed, SPEEDS, spanMs, step, togglePlay } from "../state/time";
import { fromLocalInput, toLocalInput } from "../state/zoned_input";
import { Icon } from "./icon";
import { TimeMarks } from "./time_marks";

const SPAN_TEXT: Record<(typeof SPANS_S)[number], Key> = {
  300: "span.5min",
  900: "span.15min",
  3600: "span.1h",
  21600: "span.6h",
  86400: "span.24h",
  604800: "span.7d",
  2592000: "span.30d",
};

/** The page's one time control: live, paused or playing; which instant; how much around it. */
export function TimeBar() {
  const playing = mode.value === "playing";
  return (
    <section class="time-bar" aria-label={t("time.control")} data-mode={future.value ? "future" : mode.value}>
      <div class="time-buttons">
        <button type="button" class="button live-button" aria-pressed={live.value} onClick={goLive} title={t("time.liveKey")}>
          <span class="live-dot" aria-hidden="true" />
          {t("time.live")}
        </button>
        <button type="button" class="icon-button" aria-label={t("time.stepBack")} title={`${t("time.stepBack")} (←)`} onClick={() => step(-1)}>
          <Icon name="back" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label={t(playing ? "time.pause" : "time.play")}
          title={`${t(playing ? "time.pause" : "time.play")} (${t("key.space")})`}
          onClick={togglePlay}
        >
          <Icon name={playing ? "pause" : "play"} />
        </button>
        <button type="button" class="icon-button" aria-label={t("time.stepForward")} title={`${t("time.stepForward")} (→)`} disabled={live.value && !aheadMs.value} onClick={() => step(1)}>
          <Icon name="forward" />
        </button>
        <select class="speed" aria-label={t("time.speed")} value={String(speed.value)} onChange={(event) => (speed.value = Number(event.currentTarget.value))}>
          {SPEEDS.map((one) => (
            <option key={one} value={one}>
              {speedText(one)}
            </option>
          ))}
        </select>
        <button type="button" class="icon-button wide-only" aria-label={t("time.loop")} title={t("time.loop")} aria-pressed={loop.value} onClick={() => (loop.value = !loop.value)}>
          <Icon name="loop" />
        </button>
      </div>
      <Scrubber />
      <SpanSelect />
    </section>
  );
}

/** As a factor, and where that says nothing any more as days a second. */
const speedText = (one: number) => (one < 86_400 ? `${format.number(one)}×` : t("time.daysPerSecond", { n: one / 86_400 }));

function Scrubber() {
  const { from, to } = range.value;
  const shown = at.value;
  const wide = to - from > 86_400_000 * 2;
  const end = wide ? format.shortMoment : format.clock;
  return (
    <div class="scrubber">
      <span class="num muted wide-only">{end(from, zone.value)}</span>
      <div class="track" style={{ "--at": `${((shown - from) / (to - from)) * 100}%`, "--now": `${Math.min(1, Math.max(0, (nowMs.value - from) / (to - from))) * 100}%` }}>
        <input
          type="range"
          min={0}
          max={1000}
          step={1}
          value={Math.round(((shown - from) / (to - from)) * 1000)}
          aria-label={t("time.instant")}
          aria-valuetext={format.moment(shown, zone.value)}
          onInput={(event) => scrub(from + (Number(event.currentTarget.value) / 1000) * (to - from))}
        />
        <TimeMarks />
      </div>
      <span class="num muted wide-only">{end(to, zone.value)}</span>
      <Instant />
    </div>
  );
}

/** The instant shown, and an exact one typed in. */
function Instant() {
  const [editing, setEditing] = useState(false);
  if (!editing)
    return (
      <button type="button" class="button instant num" title={t("time.goTo")} onClick={() => setEditing(true)}>
        <Icon name="calendar" />
        {!live.value && <span class="date">{format.day(at.value, zone.value)}</span>}
        {format.clock(at.value, zone.value)}
      </button>
    );
  return (
    <input
      class="instant"
      type="datetime-local"
      step={1}
      autofocus
      ref={(element) => element?.focus()}
      aria-label={t("time.goTo")}
      value={toLocalInput(at.peek(), zone.value)}
      onBlur={() => setEditing(false)}
      onKeyDown={(event) => {
        if (event.key === "Escape") setEditing(false);
        if (event.key !== "Enter") return;
        const ms = fromLocalInput(event.currentTarget.value, zone.value);
        if (ms !== null) seek(ms);
        setEditing(false);
      }}
    />
  );
}

function SpanSelect() {
  const plan = horizon.value;
  const known = aheadMs.value ? undefined : SPANS_S.find((s) => Math.abs(s * 1000 - spanMs.value) < 500);
  const whole = plan !== null && (live.value ? aheadMs.value > 0 : range.value.to - range.value.from > 0 && Math.abs(range.value.from - plan.from) < 1_000);
  const first = Date.parse(site.value?.time.first ?? "");
  const last = Date.parse(site.value?.time.last ?? "");
  return (
    <select
      class="span"
      aria-label={t("time.range")}
      value={whole ? "plan" : known ? String(known) : "other"}
      onChange={(event) => {
        const chosen = event.currentTarget.value;
        if (chosen === "plan" && plan) setHorizon(plan.from, plan.to);
        else if (chosen === "all") setRange(first, last);
        else if (chosen !== "other") setSpan(Number(chosen) * 1000);
      }}
    >
      {SPANS_S.map((s) => (
        <option key={s} value={s}>
          {t(SPAN_TEXT[s])}
        </option>
      ))}
      {first < last && <option value="all">{t("span.all")}</option>}
      {plan && <option value="plan">{t("span.plan")}</option>}
      {!known && !whole && <option value="other">{format.duration(spanMs.value / 1000)}</option>}
    </select>
  );
}
