"""Who calls, and how they sign in: joins accounts, sessions, tokens, one-time links and the throttle.

Blocking; the API calls it in threads. On loopback without accounts everybody on this machine is `local`, an admin:
there sign-in begins with the first account, elsewhere it is there from the start.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable
from typing import Final

import msgspec

from twin.access import passwords
from twin.access.book import AccessBook, Account, ApiToken, OneTimeLink, Session
from twin.access.roles import Grant, Person
from twin.access.settings import AccessSettings
from twin.access.throttle import Throttle
from twin.changes import write_audit
from twin.store import Store
from wire.clock import Clock
from wire.errors import Aid4Error, InputError

__all__ = ["LOCAL", "RESERVED", "AccessDesk", "SlowDownError", "WrongSecretError", "sha256"]

ADMIN: Final = (Grant("admin"),)
LOCAL: Final = Person("local", "local", ADMIN)
RESERVED: Final = frozenset({"local", "token", "service", "device", "start", "system", "twin"})
TOKEN_PREFIX: Final = "aid4_"  # noqa: S105  (what scanners of secrets look for)
LINK_HOURS: Final = 24.0
SESSIONS_MAX: Final = 20_000
_SEEN_EVERY_US: Final = 60_000_000
_HASHERS: Final = 2  # argon2 takes 64 MiB a check: many sign-ins at once wait in line


class WrongSecretError(Aid4Error):
    """Name or password, code or token is wrong; which one is not told."""


class SlowDownError(Aid4Error):
    """Too many failures; `wait_s` until the next attempt counts."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"too many failed attempts; wait {wait_s:.0f} s")


def sha256(secret: str) -> str:
    """The digest under which a random secret is kept; argon2 is for what people choose."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


class AccessDesk:
    """`expose` says how the twin listens; until then it is a loopback twin."""

    def __init__(self, store: Store, clock: Clock, settings: Callable[[], AccessSettings]) -> None:
        self.book = AccessBook(store)
        self.settings, self.throttle = settings, Throttle(clock.monotonic_s)
        self._store, self._clock = store, clock
        self._hashing = threading.Semaphore(_HASHERS)
        self._required, self._shared, self._service = False, "", ""
        store.writer.on_doubt.append(self.book.read)

    def expose(self, *, required: bool, shared: str = "", service: str = "") -> None:
        """`required`: sign-in from the start. `shared` is the digest of the twin's one token (an admin), `service`
        that of the park which started this twin (a viewer)."""
        self._required, self._shared, self._service = required or bool(shared), shared, service

    @property
    def needed(self) -> bool:
        """Whether a caller must say who it is."""
        return self._required or bool(self.book.accounts)

    @property
    def first_run(self) -> bool:
        """Whether nobody can sign in yet but by the one-time link."""
        return self.needed and not self.book.accounts and not self._shared

    @property
    def has_shared(self) -> bool:
        """Whether the twin's one token opens a session."""
        return bool(self._shared)

    def now_us(self) -> int:
        """The wall clock."""
        return self._clock.wall_us()

    def who(self, bearer: str, cookie: str) -> Person | None:
        """The person behind a token or cookie; `LOCAL` where no sign-in is needed, else None for nobody."""
        found = self._of_bearer(bearer) if bearer else self._of_session(sha256(cookie)) if cookie else None
        return found or (None if self.needed else LOCAL)

    def still(self, person: Person) -> bool:
        """Whether what this person came in with still holds; for sockets that stay open."""
        if person.how == "session":
            return self._of_session(person.session, touch=False) is not None
        if person.token:
            token = self.book.tokens.get(person.token)
            return token is not None and self._token_holds(token)
        return person.how != "local" or not self.needed

    def sign_in(self, name: str, password: str, address: str, agent: str) -> tuple[Session, str]:
        """The session and its cookie; WrongSecretError, SlowDownError. Each attempt is in the audit."""
        keys = (("both", name.lower()[:80], address), ("name", name.lower()[:80]), ("address", address))
        self.check_pace(*keys)
        account = self.book.accounts.get(name)
        with self._hashing:
            fits = passwords.matches(account.password if account else "", password)
        if account is None or not fits or account.disabled:
            self.throttle.failed(*keys)
            self.note(name[:80], "sign in", {"from": address}, "refused")
            raise WrongSecretError("name or password is wrong, or the account is disabled")
        self.throttle.passed(keys[0], keys[1])
        if passwords.is_stale(account.password):
            self.book.put(msgspec.structs.replace(account, password=passwords.digest(password)))
        return self.open_session(account.name, address, agent, "password")

    def sign_in_shared(self, token: str, address: str, agent: str) -> tuple[Session, str]:
        """A session by the twin's one token."""
        keys = (("address", address),)
        self.check_pace(*keys)
        if not self._shared or not secrets.compare_digest(sha256(token), self._shared):
            self.throttle.failed(*keys)
            self.note("token", "sign in", {"from": address}, "refused")
            raise WrongSecretError("this is not the twin's token")
        return self.open_session("token", address, agent, "token")

    def open_session(self, user: str, address: str, agent: str, way: str) -> tuple[Session, str]:
        """A new session of somebody whose identity is proven."""
        now_us, times = self._clock.wall_us(), self.settings().session
        cookie = secrets.token_urlsafe(32)
        expires_us = now_us + round(times.absolute_h * 3.6e9)
        session = Session(
            sha256(cookie), user, secrets.token_urlsafe(24), now_us, now_us, expires_us, address, agent[:200]
        )
        self._sweep(now_us)
        self.book.put(session, by=user, what="sign in", detail={"from": address, "way": way})
        return session, cookie

    def sign_out(self, digests: list[str], by: str) -> None:
        """End sessions."""
        self.book.drop(Session, digests, by=by, what="sign out", detail={"sessions": len(digests)})

    def make_link(self, user: str, *, hours: float = LINK_HOURS) -> str:
        """The code of a one-time link for a person's password, or with no user for the first account; the link
        before it no longer works."""
        code = secrets.token_urlsafe(32)
        old = [link.digest for link in self.book.links.values() if link.user == user]
        if old:
            self.book.drop(OneTimeLink, old)
        self.book.put(OneTimeLink(sha256(code), user, self._clock.wall_us() + round(hours * 3.6e9)))
        return code

    def link(self, code: str, address: str) -> OneTimeLink:
        """What a code is for; WrongSecretError when it was used or has expired, SlowDownError."""
        keys = (("address", address),)
        self.check_pace(*keys)
        found = self.book.links.get(sha256(code))
        if found is None or found.expires_us < self._clock.wall_us() or (not found.user and self.book.accounts):
            self.throttle.failed(*keys)
            raise WrongSecretError("this link was used, has expired or was replaced")
        return found

    def hashed(self, password: str, name: str) -> str:
        """Check a new password and digest it; InputError."""
        passwords.check_password(password, name)
        with self._hashing:
            return passwords.digest(password)

    def check_own(self, person: Person, password: str, address: str) -> Account:
        """The account of a signed-in person who says the password once more; InputError, SlowDownError."""
        account = self.book.accounts.get(person.name)
        keys = (("both", person.name, address),)
        self.check_pace(*keys)
        with self._hashing:
            if account is None or not passwords.matches(account.password, password):
                self.throttle.failed(*keys)
                raise InputError("this is not your password", field="old", fix="type the password that you have now")
        return account

    def check_pace(self, *keys: tuple[str, ...]) -> None:
        """SlowDownError while one of the keys waits."""
        if (wait_s := self.throttle.wait_s(*keys)) > 0:
            raise SlowDownError(wait_s)

    def note(self, by: str, what: str, detail: object, result: str) -> None:
        """A line of the audit; written soon, not waited for."""
        self._store.writer.submit(lambda connection: write_audit(connection, by, what, detail, result))

    def _of_bearer(self, bearer: str) -> Person | None:
        digest = sha256(bearer)
        if self._service and secrets.compare_digest(digest, self._service):
            return Person("service", "service", (Grant("viewer"),))
        if self._shared and secrets.compare_digest(digest, self._shared):
            return Person("token", "token", ADMIN)
        name = bearer.removeprefix(TOKEN_PREFIX).partition("_")[0]
        token = self.book.tokens.get(name)
        if token is None or not secrets.compare_digest(token.digest, digest) or not self._token_holds(token):
            return None
        if self._clock.wall_us() - token.used_us > _SEEN_EVERY_US:
            self.book.later(msgspec.structs.replace(token, used_us=self._clock.wall_us()))
        account = self.book.accounts[token.user]
        return Person(account.name, "token", account.grants, account.full_name, frozenset(token.scopes), token=token.id)

    def _token_holds(self, token: ApiToken) -> bool:
        account = self.book.accounts.get(token.user)
        return (
            not token.revoked_us
            and token.expires_us > self._clock.wall_us()
            and account is not None
            and not account.disabled
        )

    def _of_session(self, digest: str, *, touch: bool = True) -> Person | None:
        session = self.book.sessions.get(digest)
        if session is None:
            return None
        now_us, idle_us = self._clock.wall_us(), round(self.settings().session.idle_min * 6e7)
        if session.expires_us < now_us or session.seen_us + idle_us < now_us:
            return None
        if touch and now_us - session.seen_us > min(_SEEN_EVERY_US, idle_us // 4):
            self.book.later(msgspec.structs.replace(session, seen_us=now_us))
        if session.user == "token":
            return Person("token", "session", ADMIN, session=digest, csrf=session.csrf) if self._shared else None
        account = self.book.accounts.get(session.user)
        if account is None or account.disabled:
            return None
        return Person(account.name, "session", account.grants, account.full_name, None, digest, session.csrf)

    def _sweep(self, now_us: int) -> None:
        """Forget sessions and links that are over, and the oldest of too many."""
        over = [one.digest for one in self.book.sessions.values() if one.expires_us < now_us]
        if len(self.book.sessions) - len(over) >= SESSIONS_MAX:
            over.append(min(self.book.sessions.values(), key=lambda one: one.seen_us).digest)
        if over:
            self.book.drop(Session, over)
        if links := [one.digest for one in self.book.links.values() if one.expires_us < now_us]:
            self.book.drop(OneTimeLink, links)
