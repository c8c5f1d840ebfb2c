import { scene, setScene, SHADES } from "../state/route";
import type { Measure } from "./measure";
import type { ParkModel } from "./park_model";

const TURN_DEG = 8;

/** Keys of the 3D view: digits choose colours, F flies, Esc lets go; with the picture focused, arrows turn it. */
export function followModelKeys(model: ParkModel, measure: Measure): () => void {
  const onPage: Record<string, () => void> = {
    f: () => {
      const { element } = scene.peek();
      if (element) model.flyTo([element]);
      else model.home();
    },
    Escape: () => (measure.on ? measure.toggle() : setScene({ element: null })),
    m: measure.toggle,
  };
  SHADES.forEach((shade, i) => (onPage[String(i + 1)] = () => setScene({ shade })));
  const onPicture: Record<string, (event: KeyboardEvent) => void> = {
    ArrowLeft: (event) => (event.shiftKey ? model.stage.shift(-1, 0) : model.stage.turn(-TURN_DEG, 0)),
    ArrowRight: (event) => (event.shiftKey ? model.stage.shift(1, 0) : model.stage.turn(TURN_DEG, 0)),
    ArrowUp: (event) => (event.shiftKey ? model.stage.shift(0, 1) : model.stage.turn(0, TURN_DEG)),
    ArrowDown: (event) => (event.shiftKey ? model.stage.shift(0, -1) : model.stage.turn(0, -TURN_DEG)),
    "+": () => model.stage.zoom(0.8),
    "=": () => model.stage.zoom(0.8),
    "-": () => model.stage.zoom(1.25),
  };
  const typing = (target: EventTarget | null) => target instanceof HTMLElement && target.matches("input, select, textarea, [contenteditable]");
  const page = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
    onPage[event.key === "Escape" ? "Escape" : event.key.toLowerCase()]?.();
  };
  const picture = (event: KeyboardEvent) => {
    const action = onPicture[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    action(event);
  };
  const { canvas } = model.stage;
  addEventListener("keydown", page);
  canvas.addEventListener("keydown", picture);
  return () => {
    removeEventListener("keydown", page);
    canvas.removeEventListener("keydown", picture);
  };
}
