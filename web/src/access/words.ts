import type { Right, Role } from "../api/access";
import { TwinError } from "../api/http";
import { t, type Key } from "../i18n";

export const ROLES: readonly Role[] = ["viewer", "operator", "engineer", "pilot", "admin"];
export const ROLE_TEXT: Record<Role, Key> = {
  viewer: "access.roleViewer",
  operator: "access.roleOperator",
  engineer: "access.roleEngineer",
  pilot: "access.rolePilot",
  admin: "access.roleAdmin",
};
export const RIGHT_TEXT: Record<Right, Key> = {
  view: "access.scopeView",
  ask: "access.scopeAsk",
  operate: "access.scopeOperate",
  command: "access.scopeCommand",
  change: "access.scopeChange",
  fly: "access.scopeFly",
  administer: "access.scopeAdminister",
};
const TOO_MANY = 429;
const UNSIGNED = 401;

/** What a refusal means, in the person's language where we know it, else in the twin's words. */
export function said(error: unknown, unsigned: Key): string {
  if (!(error instanceof TwinError)) return String(error);
  if (error.problem.status === 0) return t("error.unreachable");
  if (error.problem.status === TOO_MANY) return t("access.slow");
  return error.problem.status === UNSIGNED ? t(unsigned) : error.message;
}
