import { effect, untracked, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isAbort } from "../api/http";
import { loadedScans } from "../state/flights";
import { scene } from "../state/route";
import { theme } from "../state/settings";
import { useSettled } from "../state/settled";
import { bulk } from "../state/shading";
import { niceRange } from "../state/palette";
import { at, live } from "../state/time";
import { judged, type Judged, type VerdictShade } from "../state/verdicts";
import { paintsOf, paintValues, paintVerdicts } from "./painter";
import type { ColourTexture } from "./feature_textures";
import type { ParkModel } from "./park_model";
import type { LegendState } from "./use_shading";

const UNIT = "mm";

/** Colour the model by what scans say: of the chosen scan, else of all up to the instant shown. */
export function useVerdicts(model: ParkModel, by: "verdict" | "deviation" | null, legend: Signal<LegendState>): void {
  const { scan } = scene.value;
  const instant = useSettled(live.value || scan !== null ? null : at.value);
  const known = loadedScans.value;
  useEffect(() => {
    if (!by) return;
    const abort = new AbortController();
    let stop = () => {};
    judged(scan, instant, abort.signal).then(
      (found) => {
        if (abort.signal.aborted) return;
        stop = effect(() => {
          theme.value;
          untracked(() => requestAnimationFrame(() => abort.signal.aborted || show(model, by, found, legend)));
        });
      },
      (error: unknown) => isAbort(error) || (legend.value = { ...legend.peek(), range: null, verdicts: new Map() }),
    );
    return () => (abort.abort(), stop());
  }, [model, by, scan, instant, known]);
}

function show(model: ParkModel, by: "verdict" | "deviation", found: Judged, legend: Signal<LegendState>): void {
  paintJudged(model, model.colours, by, found);
  const seen = [...found.shades].filter(([id]) => model.row(id) >= 0);
  const verdicts = seen.reduce((sum, [, shade]) => sum.set(shade, (sum.get(shade) ?? 0) + 1), new Map<VerdictShade, number>());
  legend.value = { ...legend.peek(), conditions: null, unit: UNIT, verdicts, range: by === "deviation" ? rangeOf(found) : null };
  model.stage.draw();
}

export function paintJudged(model: ParkModel, colours: ColourTexture, by: "verdict" | "deviation", found: Judged): void {
  const paints = paintsOf(model.stage.host);
  if (by === "verdict") paintVerdicts(colours, model.features, paints, found.shades);
  else paintValues(colours, model.features, paints, found.deviations, rangeOf(found) ?? [0, 1]);
}

const rangeOf = ({ deviations }: Judged) => (deviations.size ? niceRange(...bulk([...deviations.values()])) : null);
