import { t, type Key } from "../i18n";
import type { Condition } from "../state/condition";
import { Icon } from "./icon";

export const CONDITION_TEXT: Record<Condition | "unbound", Key> = {
  high: "condition.high",
  low: "condition.low",
  range: "condition.range",
  bad: "condition.bad",
  stale: "condition.stale",
  silent: "condition.silent",
  unbound: "condition.unbound",
  ok: "condition.ok",
};

/** A condition as shape, colour and words together. */
export function ConditionMark({ condition, compact = false }: { condition: Condition | "unbound"; compact?: boolean }) {
  const text = t(CONDITION_TEXT[condition]);
  return (
    <span class="condition" data-condition={condition} title={compact ? text : undefined}>
      <Icon name={condition} size={14} />
      <span class={compact ? "visually-hidden" : ""}>{text}</span>
    </span>
  );
}
