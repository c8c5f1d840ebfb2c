"""Accounts and tokens as an admin, or their owner, changes them. Nobody is deleted: the audit names people."""

import re
import secrets
from typing import Final

import msgspec

from twin.access.book import Account, ApiToken, OneTimeLink, Session
from twin.access.desk import RESERVED, TOKEN_PREFIX, AccessDesk, sha256
from twin.access.roles import EVERYWHERE, RIGHTS, Grant, Person
from twin.errors import ConflictError, NotFoundError
from wire.errors import InputError

__all__ = ["TOKEN_DAYS_MAX", "People"]

ACCOUNTS_MAX: Final = 10_000
TOKENS_MAX: Final = 50  # a person
GRANTS_MAX: Final = 50
TOKEN_DAYS_MAX: Final = 366
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}\Z")
_DAY_US: Final = 86_400_000_000


class People:
    """What is done with accounts; every step is audited."""

    def __init__(self, desk: AccessDesk, site: str) -> None:
        self._desk, self._book, self._site = desk, desk.book, site

    def add(
        self,
        name: str,
        grants: list[Grant],
        *,
        full_name: str = "",
        password: str = "",
        by: str,
        identity: tuple[str, str] = ("", ""),
    ) -> Account:
        """A new account; the first one is an admin's. Without a password it waits for a one-time link. `identity`
        is the issuer and subject of OpenID."""
        self._check_name(name)
        _check_grants(grants)
        if not self._book.accounts and not _rules(grants, self._site):
            fix = "give this account the role admin, then add the others"
            raise ConflictError("the first account is that of an admin", field="grants", fix=fix)
        if len(self._book.accounts) >= ACCOUNTS_MAX:
            raise ConflictError(
                f"there are {ACCOUNTS_MAX} accounts", field="name", fix="use an OpenID provider's groups"
            )
        digest = self._desk.hashed(password, name) if password else ""
        now_us = self._now_us()
        made = Account(name, full_name[:200], digest, *identity, tuple(grants), False, now_us, now_us)
        self._book.put(made, by=by, what="account added", detail={"name": name, "grants": grants})
        return made

    def change(
        self,
        name: str,
        *,
        by: str,
        full_name: str | None = None,
        grants: list[Grant] | None = None,
        disabled: bool | None = None,
    ) -> Account:
        """Change what is given; who is disabled is signed out. The last admin stays one."""
        account = self.get(name)
        if grants is not None:
            _check_grants(grants)
        new = msgspec.structs.replace(
            account,
            full_name=account.full_name if full_name is None else full_name[:200],
            grants=account.grants if grants is None else tuple(grants),
            disabled=account.disabled if disabled is None else disabled,
            changed_us=self._now_us(),
        )
        if self._is_admin(account) and not self._is_admin(new) and sum(map(self._is_admin, self._all())) == 1:
            raise ConflictError("this is the last admin", field="name", fix="make somebody else an admin first")
        detail = {"name": name, "grants": new.grants, "disabled": new.disabled}
        self._book.put(new, by=by, what="account changed", detail=detail)
        if new.disabled:
            self.sign_out(name, by=by)
        return new

    def set_password(self, name: str, password: str, *, by: str, keep: str = "") -> Account:
        """A new password; every session of the person but `keep` ends, and so do its links."""
        account = self.get(name)
        new = msgspec.structs.replace(account, password=self._desk.hashed(password, name), changed_us=self._now_us())
        self._book.put(new, by=by, what="password set", detail={"name": name})
        self.sign_out(name, by=by, keep=keep)
        self._book.drop(OneTimeLink, [link.digest for link in self._book.links.values() if link.user == name])
        return new

    def sign_out(self, name: str, *, by: str, keep: str = "") -> None:
        """End the sessions of a person."""
        theirs = [one.digest for one in self._book.sessions.values() if one.user == name and one.digest != keep]
        if theirs:
            self._desk.sign_out(theirs, by)

    def link(self, name: str, *, by: str) -> str:
        """The code of a one-time link with which this person sets a password."""
        self.get(name)
        code = self._desk.make_link(name)
        self._desk.note(by, "link made", {"name": name}, "done")
        return code

    def welcome(self, link: OneTimeLink, name: str, full_name: str, password: str) -> Account:
        """Use a one-time link: the first account, or a new password. A link works once."""
        if link.user:
            return self.set_password(link.user, password, by=link.user)
        made = self.add(name, [Grant("admin")], full_name=full_name, password=password, by=name)
        self._book.drop(OneTimeLink, [link.digest])
        return made

    def of_identity(self, issuer: str, subject: str, name: str, full_name: str, grants: list[Grant]) -> Account:
        """The account of somebody whom an OpenID provider vouches for; its roles are what the provider says now."""
        for account in self._all():
            if (account.issuer, account.subject) == (issuer, subject):
                if (account.grants, account.full_name) == (tuple(grants), full_name[:200]):
                    return account
                new = msgspec.structs.replace(account, grants=tuple(grants), full_name=full_name[:200])
                self._book.put(new, by=account.name, what="account changed", detail={"grants": grants})
                return new
        return self.add(self._free(name), grants, full_name=full_name, by=issuer, identity=(issuer, subject))

    def make_token(self, person: Person, name: str, scopes: list[str], days: float) -> tuple[ApiToken, str]:
        """A token of this person and its secret, which is shown this once. It can do no more than its owner."""
        account = self.get(person.name)
        if unknown := [scope for scope in scopes if scope not in RIGHTS]:
            fix = f"take some of {', '.join(RIGHTS)}"
            raise InputError(f"there is no scope {unknown[0][:40]!r}", field="scopes", fix=fix)
        if not scopes or any(not person.may(scope, self._site) for scope in scopes):  # type: ignore[arg-type]
            raise InputError("a token has some of its owner's rights", field="scopes", fix="GET /api/v1/session")
        live = [one for one in self._book.tokens.values() if one.user == account.name and not one.revoked_us]
        if len(live) >= TOKENS_MAX:
            raise ConflictError(f"you have {TOKENS_MAX} tokens", field="name", fix="revoke one that is not used")
        now_us, ident = self._now_us(), secrets.token_hex(6)
        secret = f"{TOKEN_PREFIX}{ident}_{secrets.token_urlsafe(32)}"
        expires_us = now_us + round(min(days, TOKEN_DAYS_MAX) * _DAY_US)
        token = ApiToken(ident, account.name, name[:80], sha256(secret), tuple(scopes), now_us, expires_us)
        self._book.put(token, by=account.name, what="token made", detail={"id": ident, "scopes": scopes, "days": days})
        return token, secret

    def revoke(self, ident: str, *, by: str) -> ApiToken:
        """A token that no longer works."""
        token = self._book.tokens.get(ident)
        if token is None:
            raise NotFoundError(f"no token {ident[:40]!r}", field="id", fix="GET /api/v1/tokens lists them")
        new = msgspec.structs.replace(token, revoked_us=token.revoked_us or self._now_us())
        self._book.put(new, by=by, what="token revoked", detail={"id": ident, "of": token.user})
        return new

    def everybody(self) -> list[Account]:
        """All accounts by name."""
        return sorted(self._all(), key=lambda one: one.name)

    def tokens(self) -> list[ApiToken]:
        """Everybody's tokens, the newest first."""
        return sorted(self._book.tokens.values(), key=lambda one: -one.created_us)

    def get(self, name: str) -> Account:
        """One account; NotFoundError."""
        account = self._book.accounts.get(name)
        if account is None:
            raise NotFoundError(f"no account {name[:80]!r}", field="name", fix="GET /api/v1/users lists them")
        return account

    def sessions(self, name: str) -> list[Session]:
        """Where a person is signed in, the newest first."""
        theirs = [one for one in self._book.sessions.values() if one.user == name]
        return sorted(theirs, key=lambda one: -one.seen_us)

    def _all(self) -> list[Account]:
        return list(self._book.accounts.values())

    def _is_admin(self, account: Account) -> bool:
        return not account.disabled and _rules(account.grants, self._site)

    def _check_name(self, name: str) -> None:
        if not _NAME.match(name) or name in RESERVED:
            fix = "take 1 to 64 of a-z 0-9 . _ @ -, beginning with a letter or digit"
            raise InputError(f"{name[:80]!r} is no name for an account", field="name", fix=fix)
        if name in self._book.accounts:
            raise ConflictError(f"there is an account {name!r} already", field="name", fix="take another name")

    def _free(self, wanted: str) -> str:
        """A legal name that nobody has: an OpenID person never becomes a local account of the same name."""
        base = re.sub(r"[^a-z0-9._@-]+", "-", wanted.lower()).strip("-._@")[:56] or "person"
        names = (base, *(f"{base}-{number}" for number in range(2, ACCOUNTS_MAX + 2)))
        return next(name for name in names if name not in self._book.accounts and name not in RESERVED)

    def _now_us(self) -> int:
        return self._desk.now_us()


def _check_grants(grants: list[Grant]) -> None:
    if not grants or len(grants) > GRANTS_MAX:
        raise InputError(f"an account has 1 to {GRANTS_MAX} roles", field="grants", fix='give [{"role": "viewer"}]')


def _rules(grants: "list[Grant] | tuple[Grant, ...]", site: str) -> bool:
    return any(one.role == "admin" and one.facility == EVERYWHERE and one.site in (EVERYWHERE, site) for one in grants)
