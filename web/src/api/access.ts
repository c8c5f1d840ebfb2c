import { drop, get, post } from "./http";

/** Accounts, sessions, tokens and the audit, as the twin serves them. */

export type Right = "view" | "ask" | "operate" | "command" | "change" | "fly" | "administer";
export type Role = "viewer" | "operator" | "engineer" | "pilot" | "admin";

export interface Grant {
  role: Role;
  site: string;
  facility: string;
}

export interface Session {
  signed_in: boolean;
  needed: boolean;
  first_run: boolean;
  how: "" | "local" | "session" | "token" | "service";
  name: string;
  full_name: string;
  grants: Grant[];
  rights: Right[];
  site_rights: Right[];
  csrf: string;
  passwords: boolean;
  token: boolean;
  providers: { id: string; title: string }[];
  title: string;
}

export interface SignedIn {
  id: string;
  here: boolean;
  since: string;
  seen: string;
  until: string;
  address: string;
  agent: string;
}

export interface User {
  name: string;
  full_name: string;
  grants: Grant[];
  disabled: boolean;
  has_password: boolean;
  issuer: string;
  sessions: number;
  tokens: number;
  seen: string | null;
  link: string | null;
}

export interface ApiToken {
  id: string;
  user: string;
  name: string;
  scopes: Right[];
  created: string;
  expires: string;
  used: string | null;
  revoked: string | null;
  secret: string | null;
}

export interface AuditRow {
  at: string;
  by: string;
  what: string;
  result: string;
  detail: unknown;
}

interface Items<T> {
  items: T[];
}

export const session = () => get<Session>("/session");
export const signIn = (body: { name: string; password: string } | { token: string }) => post<Session>("/session", body);
export const signOut = () => drop<Session>("/session");
export const lookAt = (code: string) => post<{ name: string }>("/welcome/look", { code });
export const welcome = (body: { code: string; name: string; full_name: string; password: string }) => post<Session>("/welcome", body);
export const newPassword = (old: string, next: string) => post<Session>("/password", { old, new: next });
export const sessions = (signal: AbortSignal) => get<Items<SignedIn>>("/sessions", {}, signal);
export const endSession = (id: string) => drop<Items<SignedIn>>(`/sessions/${id}`);
export const tokens = (signal: AbortSignal) => get<Items<ApiToken>>("/tokens", {}, signal);
export const makeToken = (name: string, scopes: readonly Right[], days: number) => post<ApiToken>("/tokens", { name, scopes, days });
export const revokeToken = (id: string) => drop<ApiToken>(`/tokens/${id}`);
export const users = (signal: AbortSignal) => get<Items<User>>("/users", {}, signal);
export const addUser = (body: { name: string; full_name: string; grants: Grant[]; password?: string }) => post<User>("/users", body);
export const changeUser = (name: string, change: { grants?: Grant[]; disabled?: boolean }) => post<User>(`/users/${name}`, change);
export const linkUser = (name: string) => post<User>(`/users/${name}/link`, {});
export const audit = (query: { q: string; result: string; limit: number; offset: number }, signal: AbortSignal) =>
  get<Items<AuditRow> & { total: number; next: number | null }>("/audit", query, signal);
