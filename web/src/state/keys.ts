import { at, goLive, seek, step, togglePlay, zoomOut } from "./time";
import { go, route, scene, trendPoints } from "./route";
import { markGroups } from "./marks";
import { milestones } from "./schedule";

/** What the keyboard can do that needs a component. */
export interface KeyActions {
  search: () => void;
  help: () => void;
  kiosk: () => void;
  escape: () => void;
  blocked: () => boolean;
}

const CHORD_MS = 1_200;

/** Shortcuts of the whole page; silent while a person types or a dialog is open. */
export function followKeys(actions: KeyActions): void {
  let chordAt = 0;
  const views: Record<string, () => void> = {
    o: () => go({ view: "overview" }),
    b: () => go({ view: "browse" }),
    t: () => go({ view: "trends", points: trendPoints.value }),
    n: () => go({ view: "nodes" }),
    a: () => go({ view: "alarms" }),
    m: () => go({ view: "model", ...scene.value }),
    p: () => go({ view: "plan", ...scene.value }),
    s: () => go({ view: "schedule", task: null }),
    f: () => go({ view: "flights", id: null, scan: false }),
    w: () => go({ view: "map", ...scene.value }),
  };
  const keys: Record<string, (event: KeyboardEvent) => void> = {
    "/": actions.search,
    "?": actions.help,
    K: actions.kiosk,
    Escape: actions.escape,
    a: () => route.peek().view === "alarms" || go({ view: "alarms" }),
    l: goLive,
    "-": zoomOut,
    " ": togglePlay,
    ArrowLeft: (event) => step(-1, event.shiftKey),
    ArrowRight: (event) => step(1, event.shiftKey),
    "[": () => toMark(-1),
    "]": () => toMark(1),
    j: () => focusFirstRow(),
    g: () => (chordAt = Date.now()),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || actions.blocked() || takesKeys(event.target, event.key)) return;
    const inChord = Date.now() - chordAt < CHORD_MS;
    chordAt = 0;
    const action = (inChord && views[event.key]) || keys[event.key];
    if (!action) return;
    event.preventDefault();
    if (inChord) event.stopImmediatePropagation(); // "g m" opens the model and is no "m" for it
    action(event);
  });
}

/** The next mark of the time line, or the one before; beyond what is shown, the milestones of the whole plan. */
function toMark(direction: 1 | -1): void {
  const shown = at.peek();
  const marks = markGroups.peek().flatMap((group) => group.marks.map((mark) => mark.at));
  const times = [...marks, ...milestones.peek().map((one) => one.at)];
  const ahead = times.filter((one) => (direction > 0 ? one > shown + 1_000 : one < shown - 1_000)).sort((a, b) => a - b);
  const next = direction > 0 ? ahead[0] : ahead.at(-1);
  if (next !== undefined) seek(next);
}

function takesKeys(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && target.type === "range") return key.startsWith("Arrow");
  if (target.matches("input, select, textarea, [contenteditable]")) return true;
  return key === " " && target.matches("button, summary, a");
}

function focusFirstRow(): void {
  document.querySelector<HTMLElement>("a.row-link")?.focus();
}
