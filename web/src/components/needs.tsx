import type { ComponentChildren } from "preact";
import type { Right } from "../api/access";
import { t, type Key } from "../i18n";
import { may } from "../state/session";

const ROLE: Record<Right, Key> = {
  view: "access.roleViewer",
  ask: "access.roleOperator",
  operate: "access.roleOperator",
  command: "access.roleOperator",
  change: "access.roleEngineer",
  fly: "access.rolePilot",
  administer: "access.roleAdmin",
};

/** Why somebody may not do a thing; empty for who may. */
export const whyNot = (right: Right): string => (may(right) ? "" : t("access.needs", { role: t(ROLE[right]) }));

/** What takes a right, or the reason why it is not there. */
export function Needs({ right, children }: { right: Right; children: ComponentChildren }) {
  return may(right) ? <>{children}</> : <p class="muted needs">{whyNot(right)}</p>;
}
