import { get, post } from "./http";
import type { Certificate } from "./types";

/** Trust in gateways, as the twin serves it. */

export interface Enrolment {
  node: string;
  token: string;
  expires_at: string;
  /** what to type on the gateway, once */
  command: string;
  /** whether the node has a certificate, which ends when the token is used */
  replaces: boolean;
}

export const invite = (node: string) => post<Enrolment>("/enrolments", { node });
export const revoke = (node: string, why: string) => post<Certificate>(`/nodes/${node}/revoke`, { why });

/** How a section of a gateway's desired state stands, as its agent tells. */
export interface Standing {
  revision: number;
  state: "local" | "fetching" | "trying" | "running" | "refused" | "rolled_back";
  since: string | null;
  problem: string;
}

export interface Wanted {
  revision: number;
  at: string;
  by: string;
  why: string;
  rollout: number | null;
}

export interface NodeConfig {
  online: boolean;
  /** TOML with masked secrets; null while the gateway cannot be asked */
  text: string | null;
  /** the parts that were set from afar */
  remote: string[] | null;
  figures: Standing | null;
  wanted: (Wanted & { text: string }) | null;
  history: Wanted[];
}

export interface DryRun {
  diff: string;
  problems: { problem: string; field: string; fix: string }[];
}

export interface LogPart {
  lines: string[];
  after: number;
  more: boolean;
}

export const config = (node: string) => get<NodeConfig>(`/nodes/${node}/config`);
export const check = (node: string, text: string) => post<DryRun>(`/nodes/${node}/config/check`, { text });
/** The twin has it tried dry once more, then the gateway takes it on trial. */
export const apply = (node: string, text: string) => post<{ id: number }>("/fleet/config", { text, nodes: [node], hold_s: 0 });
/** For all its gateways: those that took it go back. */
export const stop = (rollout: number) => post<{ id: number }>(`/fleet/rollouts/${rollout}/stop`, {});
export const takeBack = (node: string) => post<Wanted>(`/nodes/${node}/config/rollback`, {});
export const logs = (node: string, level: string, after: number | null) => get<LogPart>(`/nodes/${node}/logs`, after === null ? { level } : { level, after });
