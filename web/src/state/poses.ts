import { effect, signal } from "@preact/signals";
import type { Pose } from "../api/drone_types";

/** Where the drones are: live as the twin says, else at the instant shown. */
export const poses = signal<readonly Pose[]>([]);
/** Views that show drones; the twin sends poses only while there are some. */
export const watchers = signal(0);

/** A live frame names those that moved; a drone not heard of for long is gone. */
const GONE_S = 120;

export function takePoses(items: readonly Pose[]): void {
  const next = new Map(poses.peek().map((pose) => [pose.device, pose]));
  for (const item of items) next.set(item.device, item);
  const newest = Math.max(...[...next.values()].map((pose) => Date.parse(pose.ts)));
  poses.value = [...next.values()].filter((pose) => newest - Date.parse(pose.ts) < GONE_S * 1000);
}

export const showPoses = (items: readonly Pose[] | undefined) => (poses.value = items ?? []);

/** Show drones while a view is open. */
export function watchPoses(): () => void {
  watchers.value++;
  return () => void watchers.value--;
}

/** Tell the twin when the first view wants poses and when the last one does not any more. */
export function followPoses(subscribe: (on: boolean) => void): void {
  let told = false;
  effect(() => {
    const on = watchers.value > 0;
    if (on === told) return;
    told = on;
    if (!on) poses.value = [];
    subscribe(on);
  });
}
