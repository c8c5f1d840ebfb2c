import { effect, signal } from "@preact/signals";

const KEY = "aid4.kiosk";

/** A wall display: nothing to operate, everything larger. `?kiosk=1` in the address begins it, and it lasts in this browser. */
export const kiosk = signal(asked());

export function followKiosk(): void {
  effect(() => {
    if (kiosk.value) document.documentElement.dataset["kiosk"] = "true";
    else delete document.documentElement.dataset["kiosk"];
    try {
      if (kiosk.value) localStorage.setItem(KEY, "1");
      else localStorage.removeItem(KEY);
    } catch {
      // private mode: it lasts as long as the page
    }
  });
}

/** Into the kiosk, over the whole screen where the browser lets us, and out of it. */
export function toggleKiosk(): void {
  kiosk.value = !kiosk.value;
  const done = kiosk.value ? document.documentElement.requestFullscreen?.() : document.fullscreenElement && document.exitFullscreen();
  if (done) done.catch(() => undefined); // the window is large, then
}

function asked(): boolean {
  if (typeof location === "undefined") return false;
  const wish = new URLSearchParams(location.search).get("kiosk");
  if (wish !== null) return wish !== "0";
  try {
    return localStorage.getItem(KEY) === "1";
  } catch {
    return false;
  }
}
