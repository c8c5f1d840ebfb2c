import { setScene } from "../state/route";
import type { Sheet } from "./sheet";

const CLICK_PX_MAX = 6;
const KEY_PAN_PX = 60;

/** Wheel and pinch zoom, drag pans, a click chooses what is under it: on the drawing and on the labels over it. */
export function followGestures(sheet: Sheet): () => void {
  const host = sheet.host.parentElement!;
  const pressed = new Map<number, { x: number; y: number }>();
  let travelled = 0;
  const spot = (event: { clientX: number; clientY: number }) => {
    const box = host.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    sheet.zoom(Math.exp(-event.deltaY * 0.0015), spot(event));
  };
  const down = (event: PointerEvent) => {
    if (event.button) return;
    if (!pressed.size) travelled = 0;
    pressed.set(event.pointerId, spot(event));
  };
  const move = (event: PointerEvent) => {
    const old = pressed.get(event.pointerId);
    if (!old) return;
    const now = spot(event);
    travelled += Math.hypot(now.x - old.x, now.y - old.y);
    if (pressed.size === 1) sheet.pan(now.x - old.x, now.y - old.y);
    else {
      const other = [...pressed].find(([id]) => id !== event.pointerId)![1];
      const [before, after] = [Math.hypot(old.x - other.x, old.y - other.y), Math.hypot(now.x - other.x, now.y - other.y)];
      if (before > 1) sheet.zoom(after / before, other);
    }
    pressed.set(event.pointerId, now);
  };
  const up = (event: PointerEvent) => {
    const own = pressed.delete(event.pointerId);
    if (!own || travelled > CLICK_PX_MAX || event.type === "pointercancel") return;
    const shape = (event.target as Element).closest<SVGElement | HTMLElement>("[data-id]");
    setScene({ element: shape?.dataset["id"] ?? null });
  };
  host.addEventListener("wheel", wheel, { passive: false });
  host.addEventListener("pointerdown", down);
  addEventListener("pointermove", move);
  host.addEventListener("pointerup", up);
  addEventListener("pointerup", up);
  addEventListener("pointercancel", up);
  return () => {
    host.removeEventListener("wheel", wheel);
    host.removeEventListener("pointerdown", down);
    removeEventListener("pointermove", move);
    host.removeEventListener("pointerup", up);
    removeEventListener("pointerup", up);
    removeEventListener("pointercancel", up);
  };
}

/** Keys of the sheet while it has the focus. */
export function sheetKeys(sheet: Sheet, event: KeyboardEvent, toStorey: (by: 1 | -1) => void): void {
  const actions: Record<string, () => void> = {
    ArrowLeft: () => sheet.pan(KEY_PAN_PX, 0),
    ArrowRight: () => sheet.pan(-KEY_PAN_PX, 0),
    ArrowUp: () => sheet.pan(0, KEY_PAN_PX),
    ArrowDown: () => sheet.pan(0, -KEY_PAN_PX),
    "+": () => sheet.zoom(1.25),
    "=": () => sheet.zoom(1.25),
    "-": () => sheet.zoom(0.8),
    "0": () => sheet.fit(),
    PageUp: () => toStorey(1),
    PageDown: () => toStorey(-1),
  };
  const action = actions[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}
