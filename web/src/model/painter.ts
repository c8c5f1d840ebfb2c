import type { Vector4 } from "three";
import { css, fromCss, ramp } from "../state/palette";
import type { Condition } from "../state/condition";
import type { VerdictShade } from "../state/verdicts";
import type { ColourTexture } from "./feature_textures";
import type { Features } from "./features";
import { calm, isHelper, isSpace } from "./greys";
import type { PlanShade } from "../components/legend_rows";
import { PLAN_STATES } from "./shader";

/** The theme's colours for the model, read from the page's tokens. */
export interface Paints {
  paper: string;
  ink: string;
  lines: number;
  dark: number;
  light: number;
  quiet: number;
  accent: number;
  condition: Record<Condition, number>;
  plan: Record<PlanShade, number>;
  verdict: Record<VerdictShade, number>;
}

export function paintsOf(element: Element): Paints {
  const style = getComputedStyle(element);
  const of = (name: string) => fromCss(style.getPropertyValue(name));
  const warn = of("--warn-fill");
  return {
    paper: css(of("--paper")),
    ink: css(of("--history")),
    lines: of("--model-lines"),
    dark: of("--model-dark"),
    light: of("--model-light"),
    quiet: of("--model-quiet"),
    accent: of("--accent"),
    condition: { high: warn, low: warn, range: warn, bad: of("--bad"), stale: of("--line-2"), silent: of("--text-2"), ok: of("--model-ok") },
    plan: { finished: of("--plan-finished"), progress: of("--plan-progress"), late: of("--plan-late"), ahead: of("--plan-ahead"), unlinked: of("--model-quiet") },
    verdict: { built: of("--verdict-built"), early: of("--verdict-early"), late: of("--plan-late"), missing: of("--plan-ahead"), unknown: of("--model-quiet") },
  };
}

/** How much of a feature is seen in each plan state: what is not begun is a ghost. */
const PLAN_ALPHA: Record<PlanShade, number> = { finished: 1, progress: 1, late: 1, ahead: 0.12, unlinked: 0.35 };

export function planVectors(paints: Paints, into: readonly Vector4[]): void {
  PLAN_STATES.forEach((state, i) => {
    const rgb = paints.plan[state];
    into[i]!.set((rgb >> 16) / 255, ((rgb >> 8) & 255) / 255, (rgb & 255) / 255, PLAN_ALPHA[state]);
  });
}

/** Does a feature exist for the eye before any colour? Rooms only as colour, helpers never. */
const base = (type: string, alpha: number) => (isHelper(type) || isSpace(type) ? 0 : alpha);

export function paintMaterial(texture: ColourTexture, features: Features, paints: Paints): void {
  for (let row = 0; row < features.count; row++) {
    const material = features.colours[row]!;
    const see = (material & 255) / 255;
    texture.set(row, calm(features.types[row]!, material, paints.dark, paints.light), base(features.types[row]!, see > 0.95 ? 1 : Math.max(0.25, see)));
  }
}

/** Colour what has a colour of its own; everything else steps back to a ghost, so that rooms are seen through walls. */
function paintOver(texture: ColourTexture, features: Features, paints: Paints, colourOf: (id: string) => number | null, ghost: number): void {
  for (let row = 0; row < features.count; row++) {
    const type = features.types[row]!;
    const rgb = colourOf(features.ids[row]!);
    if (rgb !== null) texture.set(row, rgb, isSpace(type) ? 0.72 : 1);
    else texture.set(row, paints.quiet, base(type, ghost));
  }
}

export function paintValues(texture: ColourTexture, features: Features, paints: Paints, values: ReadonlyMap<string, number>, [low, high]: [number, number]): void {
  paintOver(texture, features, paints, (id) => (values.has(id) ? ramp((values.get(id)! - low) / (high - low)) : null), 0.1);
}

/** What a scan did not decide, or what was not to be there yet, is a ghost. */
const VERDICT_ALPHA: Record<VerdictShade, number> = { built: 1, early: 1, late: 1, missing: 0.3, unknown: 0.2 };

export function paintVerdicts(texture: ColourTexture, features: Features, paints: Paints, shades: ReadonlyMap<string, VerdictShade>): void {
  for (let row = 0; row < features.count; row++) {
    const shade = shades.get(features.ids[row]!);
    if (shade) texture.set(row, paints.verdict[shade], base(features.types[row]!, VERDICT_ALPHA[shade]));
    else texture.set(row, paints.quiet, base(features.types[row]!, 0.08));
  }
}

export function paintConditions(texture: ColourTexture, features: Features, paints: Paints, conditions: ReadonlyMap<string, Condition>): void {
  paintOver(texture, features, paints, (id) => (conditions.has(id) ? paints.condition[conditions.get(id)!] : null), 0.1);
}
