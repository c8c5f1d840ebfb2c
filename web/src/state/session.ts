import { signal } from "@preact/signals";
import { get, onSignedOut, useCsrf } from "../api/http";
import type { Right, Session } from "../api/access";

/** Who sits here; null while the twin has not said, which is as good as may nothing. */
export const session = signal<Session | null>(null);

/** Ask who is signed in; true when the page may be shown. A twin that cannot be reached is the page's own matter. */
export async function openSession(): Promise<boolean> {
  onSignedOut(() => location.reload());
  try {
    takeSession(await get<Session>("/session"));
  } catch {
    return true;
  }
  return session.value!.signed_in;
}

export function takeSession(now: Session): void {
  session.value = now;
  useCsrf(now.csrf);
}

export const may = (right: Right): boolean => session.value === null || session.value.rights.includes(right);
