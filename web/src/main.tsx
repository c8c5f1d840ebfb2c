import { effect, untracked } from "@preact/signals";
import { h, render } from "preact";
import { App } from "./app";
import { endSearch, startSearch } from "./components/browse";
import { dialogOpen, openDialog } from "./components/dialogs";
import { useCatalogue } from "./i18n";
import { followAlarmSpans } from "./state/alarm_spans";
import { followSound, ringing } from "./state/alarms";
import { site } from "./state/catalogue";
import { followInterest } from "./state/interest";
import { followKeys } from "./state/keys";
import { followKiosk, toggleKiosk } from "./state/kiosk";
import { openLink } from "./state/link";
import { followCatalogue } from "./state/refresh";
import { followAddress } from "./state/route";
import { openSession } from "./state/session";
import { keepSettings, language } from "./state/settings";
import { fitSpan, nowMs, tick, twinNow } from "./state/time";
import "./styles/index.css";

const TICK_MS = 250;

keepSettings();
const words = new Promise<void>((ready) => effect(() => void useCatalogue(language.value).then(ready)));
effect(() => {
  const calls = ringing.value ? `(${ringing.value}) ` : "";
  document.title = `${calls}${site.value?.title || site.value?.name || "AID4"} · AID4`;
});

/** The page once somebody may see it. */
function start(): void {
  followAddress();
  followCatalogue();
  let fitted = false;
  effect(() => {
    const first = site.value?.time.first;
    if (fitted || !site.value) return;
    fitted = true;
    if (first) untracked(() => fitSpan(Date.parse(first)));
  });
  openLink();
  followSound();
  followKiosk();
  followAlarmSpans();
  followInterest();
  followKeys({ search: startSearch, escape: endSearch, help: () => openDialog("help"), kiosk: toggleKiosk, blocked: dialogOpen });

  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    tick(now - last);
    last = now;
    const twin = twinNow();
    if (Math.floor(twin / 1000) !== Math.floor(nowMs.peek() / 1000)) nowMs.value = twin;
  }, TICK_MS);

  render(<App />, document.getElementById("app")!);
}

void Promise.all([openSession(), words]).then(async ([open]) => {
  if (open) return start();
  const gate = await import("./access/gate");
  render(h(gate.default, {}), document.getElementById("app")!);
});
