import { signal } from "@preact/signals";
import { LiveSocket, type LinkState } from "../api/live";
import type { StateFrame } from "../api/types";
import { followPoses, takePoses } from "./poses";
import { clockSkewMs, live } from "./time";
import { takeFrame } from "./values";

/** The connection to the twin, as the page shows it. */
export const link = signal<LinkState>({ phase: "connecting" });
/** What the twin says about itself; null until it has said anything. */
export const twinState = signal<StateFrame | null>(null);
/** When the last frame of values came, by the browser's clock. */
export const lastFrameAt = signal<number | null>(null);

let opened: LiveSocket | undefined;
export const socket = () => opened;

export function openLink(): void {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  opened = new LiveSocket(`${scheme}://${location.host}/api/v1/live`, {
    link: (state) => (link.value = state),
    hello: (nowMs) => {
      if (!Number.isNaN(nowMs)) clockSkewMs.value = nowMs - Date.now();
    },
    state: (frame) => (twinState.value = frame),
    poses: (items) => live.peek() && takePoses(items),
    values: (frame) => {
      lastFrameAt.value = Date.now();
      takeFrame(frame);
    },
  });
  opened.open();
  followPoses((on) => opened?.showPoses(on));
  addEventListener("online", () => opened?.retry());
  document.addEventListener("visibilitychange", () => document.hidden || opened?.retry());
}
