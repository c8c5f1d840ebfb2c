import { goLive, step, togglePlay, zoomOut } from "./time";
import { go, trendPoints } from "./route";

/** What the keyboard can do that needs a component. */
export interface KeyActions {
  search: () => void;
  help: () => void;
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
  };
  const keys: Record<string, (event: KeyboardEvent) => void> = {
    "/": actions.search,
    "?": actions.help,
    Escape: actions.escape,
    l: goLive,
    "-": zoomOut,
    " ": togglePlay,
    ArrowLeft: (event) => step(-1, event.shiftKey),
    ArrowRight: (event) => step(1, event.shiftKey),
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
    action(event);
  });
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
