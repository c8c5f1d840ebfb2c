import { t, type Key } from "../i18n";
import * as format from "../i18n/format";
import { RANK, type Condition } from "../state/condition";
import type { VerdictShade } from "../state/verdicts";
import { CONDITION_TEXT } from "./condition_mark";
import { Icon, type IconName } from "./icon";

/** How an element stands against the plan, in every picture that shows it. */
export type PlanShade = "finished" | "progress" | "late" | "ahead" | "unlinked";

const PLAN: [PlanShade, Key, IconName][] = [
  ["finished", "plan.finished", "ok"],
  ["progress", "plan.progress", "half"],
  ["late", "plan.late", "high"],
  ["ahead", "plan.ahead", "ring"],
  ["unlinked", "plan.unlinked", "silent"],
];

const VERDICTS: [VerdictShade, Key, IconName][] = [
  ["built", "verdict.built", "ok"],
  ["early", "verdict.early", "forward"],
  ["late", "verdict.late", "high"],
  ["missing", "verdict.missing", "ring"],
  ["unknown", "verdict.unknown", "help"],
];
export const VERDICT_TEXT = Object.fromEntries(VERDICTS.map(([shade, key]) => [shade, key])) as Record<VerdictShade, Key>;
export const VERDICT_ICON = Object.fromEntries(VERDICTS.map(([shade, , icon]) => [shade, icon])) as Record<VerdictShade, IconName>;

export function VerdictRows({ counts }: { counts: ReadonlyMap<VerdictShade, number> }) {
  return (
    <ul class="legend-rows">
      {VERDICTS.map(([shade, key]) => (
        <li key={shade} data-verdict={shade}>
          <VerdictMark shade={shade} />
          <span>{t(key)}</span>
          <span class="num">{format.number(counts.get(shade) ?? 0)}</span>
        </li>
      ))}
    </ul>
  );
}

export function VerdictMark({ shade }: { shade: VerdictShade }) {
  return (
    <span class="swatch-box" data-verdict={shade}>
      <Icon name={VERDICT_ICON[shade]} size={12} />
    </span>
  );
}

export function ConditionRows({ counts }: { counts: ReadonlyMap<Condition, number> }) {
  const order = [...counts].sort(([a], [b]) => RANK[a] - RANK[b]);
  return (
    <ul class="legend-rows">
      {order.map(([condition, n]) => (
        <li key={condition} class="condition" data-condition={condition}>
          <Icon name={condition} size={14} />
          <span>{t(CONDITION_TEXT[condition])}</span>
          <span class="num">{format.number(n)}</span>
        </li>
      ))}
    </ul>
  );
}

export function PlanRows({ counts, late = true }: { counts: (state: PlanShade) => number; late?: boolean }) {
  return (
    <ul class="legend-rows">
      {PLAN.filter(([state]) => state !== "late" || late).map(([state, key, icon]) => (
        <li key={state} data-plan={state}>
          <span class="swatch-box" data-plan={state}>
            <Icon name={icon} size={12} />
          </span>
          <span>{t(key)}</span>
          <span class="num">{format.number(counts(state))}</span>
        </li>
      ))}
    </ul>
  );
}
