import { setScene } from "../state/route";
import type { Measure } from "./measure";
import type { ParkModel } from "./park_model";

/** A press that moved further than this was a turn of the camera, not a choice. */
const CLICK_PX_MAX = 6;

/** Pointer over the picture: hover marks, click chooses (or measures), a click beside everything lets go. */
export function followPointer(model: ParkModel, measure: Measure): () => void {
  const { canvas } = model.stage;
  let pressed: { x: number; y: number } | null = null;
  let hovering = 0;
  const down = (event: PointerEvent) => (pressed = { x: event.clientX, y: event.clientY });
  const up = (event: PointerEvent) => {
    const start = pressed;
    pressed = null;
    if (!start || event.button || Math.hypot(event.clientX - start.x, event.clientY - start.y) > CLICK_PX_MAX) return;
    const hit = model.pickAt(event.clientX, event.clientY);
    if (measure.on) return hit ? measure.add(model.snap(hit)) : undefined;
    setScene({ element: hit ? (model.features.ids[hit.row] ?? null) : null });
  };
  const move = (event: PointerEvent) => {
    if (event.pointerType === "touch" || event.buttons) return;
    cancelAnimationFrame(hovering);
    hovering = requestAnimationFrame(() => {
      const hit = model.pickAt(event.clientX, event.clientY);
      model.hover(hit?.row ?? -1);
      canvas.style.cursor = measure.on ? "crosshair" : hit ? "pointer" : "grab";
    });
  };
  const leave = () => {
    cancelAnimationFrame(hovering);
    model.hover(-1);
  };
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerleave", leave);
  return () => {
    cancelAnimationFrame(hovering);
    canvas.removeEventListener("pointerdown", down);
    canvas.removeEventListener("pointerup", up);
    canvas.removeEventListener("pointermove", move);
    canvas.removeEventListener("pointerleave", leave);
  };
}
