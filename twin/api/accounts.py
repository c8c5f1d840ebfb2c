"""Accounts for admins, API tokens for their owners, and the audit."""

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twin.access.audit import read_audit
from twin.access.book import Account, ApiToken
from twin.access.people import TOKEN_DAYS_MAX
from twin.access.roles import Grant
from twin.api.allowed import person_of
from twin.api.errors import ProblemError
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search, Time, micros
from twin.errors import NotFoundError
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]

_Name = Annotated[str, Meta(max_length=80)]
_FullName = Annotated[str, Meta(max_length=200)]
_Grants = Annotated[list[Grant], Meta(max_length=50)]


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """An account. Without a password the answer holds a one-time link with which the person sets one."""

    name: _Name
    grants: _Grants
    full_name: _FullName = ""
    password: Annotated[str, Meta(max_length=1_000)] = ""


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; the rest stays."""

    full_name: _FullName | None = None
    grants: _Grants | None = None
    disabled: bool | None = None


class UserView(msgspec.Struct):
    """One account; `link` is the one-time link, shown only in the answer that made it."""

    name: str
    full_name: str
    grants: tuple[Grant, ...]
    disabled: bool
    has_password: bool
    issuer: str
    sessions: int
    tokens: int
    seen: str | None
    created: str | None
    link: str | None = None


class UsersList(msgspec.Struct):
    """All accounts by name."""

    items: list[UserView]


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A name for people, the rights it gets, and for how long."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    scopes: Annotated[list[str], Meta(min_length=1, max_length=20)]
    days: Annotated[float, Meta(gt=0, le=TOKEN_DAYS_MAX)] = 90.0


class TokenView(msgspec.Struct):
    """One token; `secret` only in the answer that made it."""

    id: str
    user: str
    name: str
    scopes: tuple[str, ...]
    created: str | None
    expires: str | None
    used: str | None
    revoked: str | None
    secret: str | None = None


class TokensList(msgspec.Struct):
    """Tokens, the newest first."""

    items: list[TokenView]


class TokensQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`everybody` takes an admin."""

    everybody: bool = False


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Newest first; `q` looks in who, what and detail, `result` is done, refused or failed."""

    by: _Name = ""
    q: Search = ""
    result: Annotated[str, Meta(max_length=40)] = ""
    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class AuditRow(msgspec.Struct):
    """Who did what, when, and how it ended."""

    at: str
    by: str
    what: str
    result: str
    detail: Any


class AuditPage(msgspec.Struct):
    """One page of the audit."""

    items: list[AuditRow]
    total: int
    next: int | None


async def list_users(call: Call[NoQuery, None]) -> UsersList:
    """Everybody who has an account."""
    return UsersList([_user(call, one) for one in call.twin.people.everybody()])


async def show_user(call: Call[NoQuery, None]) -> UserView:
    """One account."""
    return _user(call, call.twin.people.get(call.path["name"]))


async def add_user(call: Call[NoQuery, NewUser]) -> UserView:
    """Make an account."""
    body, people = call.body, call.twin.people
    made = await asyncio.to_thread(
        people.add, body.name, body.grants, full_name=body.full_name, password=body.password, by=call.by
    )
    view = _user(call, made)
    if not body.password:
        view.link = _link(call, await asyncio.to_thread(people.link, made.name, by=call.by))
    return view


async def change_user(call: Call[NoQuery, UserChange]) -> UserView:
    """Change name, roles, or whether it may sign in."""
    body, name = call.body, call.path["name"]
    change = {"full_name": body.full_name, "grants": body.grants, "disabled": body.disabled}
    return _user(call, await asyncio.to_thread(call.twin.people.change, name, by=call.by, **change))  # type: ignore[arg-type]


async def link_user(call: Call[NoQuery, None]) -> UserView:
    """A one-time link with which this person sets a new password."""
    name = call.path["name"]
    view = _user(call, call.twin.people.get(name))
    view.link = _link(call, await asyncio.to_thread(call.twin.people.link, name, by=call.by))
    return view


async def sign_out_user(call: Call[NoQuery, None]) -> UserView:
    """End every session of this person."""
    account = call.twin.people.get(call.path["name"])
    await asyncio.to_thread(call.twin.people.sign_out, account.name, by=call.by)
    return _user(call, account)


async def list_tokens(call: Call[TokensQuery, None]) -> TokensList:
    """One's own tokens, or everybody's."""
    person = person_of(call.request)
    assert person is not None
    everybody = call.query.everybody
    if everybody and not person.may("administer", call.twin.site.name):
        raise ProblemError("these are other people's tokens", field="everybody", fix="leave it out", status=403)
    chosen = [one for one in call.twin.people.tokens() if everybody or one.user == person.name]
    return TokensList([_token(one) for one in chosen])


async def make_token(call: Call[NoQuery, NewToken]) -> TokenView:
    """A token for a program; its secret is shown this once."""
    person, body = person_of(call.request), call.body
    if person is None or person.how != "session" or person.name == "token":
        raise ProblemError("a token is made by somebody who is signed in", fix="sign in with an account", status=403)
    token, secret = await asyncio.to_thread(call.twin.people.make_token, person, body.name, body.scopes, body.days)
    view = _token(token)
    view.secret = secret
    return view


async def revoke_token(call: Call[NoQuery, None]) -> TokenView:
    """It no longer works; an admin may revoke anybody's."""
    person, ident = person_of(call.request), call.path["id"]
    token = call.twin.access.book.tokens.get(ident)
    assert person is not None
    if token is not None and token.user != person.name and not person.may("administer", call.twin.site.name):
        raise NotFoundError(f"you have no token {ident[:40]!r}", field="id", fix="GET /api/v1/tokens lists yours")
    return _token(await asyncio.to_thread(call.twin.people.revoke, ident, by=call.by))


async def audit(call: Call[AuditQuery, None]) -> AuditPage:
    """Who did what."""
    query = call.query
    from_us = micros(query.from_) if query.from_ else None
    to_us = micros(query.to) if query.to else None
    rows, total = await asyncio.to_thread(
        read_audit, call.twin.store, by=query.by, words=query.q, result=query.result, from_us=from_us, to_us=to_us,
        limit=query.limit, offset=query.offset,
    )  # fmt: skip
    end = query.offset + query.limit
    return AuditPage([AuditRow(**row) for row in rows], total, end if end < total else None)


def _user(call: Call[Any, Any], account: Account) -> UserView:
    book = call.twin.access.book
    theirs = call.twin.people.sessions(account.name)
    return UserView(
        name=account.name,
        full_name=account.full_name,
        grants=account.grants,
        disabled=account.disabled,
        has_password=bool(account.password),
        issuer=account.issuer,
        sessions=len(theirs),
        tokens=sum(1 for one in book.tokens.values() if one.user == account.name and not one.revoked_us),
        seen=iso(theirs[0].seen_us if theirs else None),
        created=iso(account.created_us),
    )


def _token(token: ApiToken) -> TokenView:
    return TokenView(
        id=token.id,
        user=token.user,
        name=token.name,
        scopes=token.scopes,
        created=iso(token.created_us),
        expires=iso(token.expires_us),
        used=iso(token.used_us or None),
        revoked=iso(token.revoked_us or None),
    )


def _link(call: Call[Any, Any], code: str) -> str:
    request = call.request
    scheme = "https" if request.app.state.secure else request.url.scheme
    return f"{scheme}://{request.headers.get('host', '')}/welcome#{code}"


OPERATIONS = [
    Operation("GET", "/users", list_users, "accounts", answer=UsersList),
    Operation("POST", "/users", add_user, "add an account", body=NewUser, answer=UserView, status=201),
    Operation("GET", "/users/{name}", show_user, "one account", answer=UserView),
    Operation("POST", "/users/{name}", change_user, "change an account", body=UserChange, answer=UserView),
    Operation("POST", "/users/{name}/link", link_user, "a one-time link for a new password", answer=UserView),
    Operation("POST", "/users/{name}/sign-out", sign_out_user, "end a person's sessions", answer=UserView),
    Operation("GET", "/tokens", list_tokens, "API tokens", TokensQuery, answer=TokensList),
    Operation("POST", "/tokens", make_token, "make an API token", body=NewToken, answer=TokenView, status=201),
    Operation("DELETE", "/tokens/{id}", revoke_token, "revoke an API token", answer=TokenView),
    Operation("GET", "/audit", audit, "who did what, newest first", AuditQuery, answer=AuditPage),
]
