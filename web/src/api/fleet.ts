import { post } from "./http";
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
