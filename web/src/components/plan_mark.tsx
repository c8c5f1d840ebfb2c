import type { PlanState } from "../api/types";
import { t } from "../i18n";
import { STATE_TEXT } from "../i18n/plan";
import { Icon, type IconName } from "./icon";

const ICON: Record<PlanState, IconName> = { finished: "ok", in_progress: "half", not_started: "ring", unknown: "silent" };

/** A plan state as shape and words; of what really happens, "unknown" means that nobody reported. */
export function PlanMark({ state, real = false }: { state: PlanState; real?: boolean }) {
  return (
    <span class="plan-mark" data-state={state}>
      <Icon name={ICON[state]} size={14} />
      {t(real && state === "unknown" ? "plan.unreported" : STATE_TEXT[state])}
    </span>
  );
}
