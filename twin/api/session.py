"""Sign in and out, one-time links, and the browsers in which a person is signed in."""

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twin.access.book import Session
from twin.access.desk import SlowDownError, WrongSecretError
from twin.access.oidc import SignInFailedError
from twin.access.roles import RIGHTS, ROLES, Grant, Person
from twin.api.allowed import address_of, person_of
from twin.api.auth import COOKIE
from twin.api.errors import ProblemError, problem
from twin.api.operation import Call, NoQuery, Operation, json_response
from twin.core import Twin
from twin.errors import NotFoundError
from twin.times import iso

__all__ = ["OPERATIONS"]

_FLOW_COOKIE = "aid4_oidc"
_FLOW_PATH = "/api/v1/session/oidc"
_Name = Annotated[str, Meta(max_length=80)]
_Secret = Annotated[str, Meta(max_length=1_000)]


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password, or the twin's token."""

    name: _Name = ""
    password: _Secret = ""
    token: _Secret = ""


class ProviderView(msgspec.Struct):
    """Another way to sign in: open `/api/v1/session/oidc/{id}/start`."""

    id: str
    title: str


class SessionView(msgspec.Struct):
    """Who is signed in, how, and with which rights; `needed` is false on loopback before the first account."""

    signed_in: bool
    needed: bool
    first_run: bool
    how: Literal["", "local", "session", "token", "service"]
    name: str
    full_name: str
    grants: list[Grant]
    rights: list[str]
    site_rights: list[str]
    facilities: list[str]
    csrf: str
    passwords: bool
    token: bool
    providers: list[ProviderView]
    title: str
    languages: list[str]


class WelcomeLook(msgspec.Struct, forbid_unknown_fields=True):
    """The code of a one-time link."""

    code: _Secret


class WelcomeSeen(msgspec.Struct):
    """What the link is for: a person's password, or with no name the first account."""

    name: str


class Welcome(msgspec.Struct, forbid_unknown_fields=True):
    """Use a one-time link."""

    code: _Secret
    password: _Secret
    name: _Name = ""
    full_name: Annotated[str, Meta(max_length=200)] = ""


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The password now, and the one from now on."""

    old: _Secret
    new: _Secret


class SignedInView(msgspec.Struct):
    """One browser; `id` ends it."""

    id: str
    here: bool
    since: str | None
    seen: str | None
    until: str | None
    address: str
    agent: str


class SignedInList(msgspec.Struct):
    """The browsers in which somebody is signed in, the newest first."""

    items: list[SignedInView]


class RolesView(msgspec.Struct):
    """What each role may do, and what each right means."""

    roles: dict[str, list[str]]
    rights: dict[str, str]


class StartQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Where to go afterwards, a path of the page."""

    then: Annotated[str, Meta(max_length=1_000)] = "/"


class CallbackQuery(msgspec.Struct):
    """What the provider says; it may say more than we read."""

    state: _Secret = ""
    code: Annotated[str, Meta(max_length=4_000)] = ""
    error: Annotated[str, Meta(max_length=200)] = ""
    error_description: Annotated[str, Meta(max_length=1_000)] = ""
    iss: Annotated[str, Meta(max_length=500)] = ""
    session_state: str = ""
    scope: str = ""


async def show(call: Call[NoQuery, None]) -> SessionView:
    """Who am I?"""
    return session_view(call.twin, person_of(call.request))


async def sign_in(call: Call[NoQuery, SignIn]) -> Response:
    """Check name and password, or the token, and set a cookie that scripts cannot read."""
    body, access, address = call.body, call.twin.access, address_of(call.request)
    agent = call.request.headers.get("user-agent", "")
    if not access.needed:
        return json_response(session_view(call.twin, person_of(call.request)))
    try:
        if body.token:
            session, cookie = await asyncio.to_thread(access.sign_in_shared, body.token, address, agent)
        else:
            session, cookie = await asyncio.to_thread(access.sign_in, body.name, body.password, address, agent)
    except (WrongSecretError, SlowDownError) as error:
        return _refused(error, "token" if body.token else "password")
    return _signed_in(call.twin, call.request, session, cookie)


async def sign_out(call: Call[NoQuery, None]) -> Response:
    """End this session."""
    person = person_of(call.request)
    if person is not None and person.session:
        await asyncio.to_thread(call.twin.access.sign_out, [person.session], person.name)
    answer = json_response(session_view(call.twin, None if call.twin.access.needed else person))
    answer.delete_cookie(COOKIE)
    return answer


async def look(call: Call[NoQuery, WelcomeLook]) -> Any:
    """What a one-time link is for; looking does not use it."""
    try:
        link = await asyncio.to_thread(call.twin.access.link, call.body.code, address_of(call.request))
    except (WrongSecretError, SlowDownError) as error:
        return _refused(error, "code")
    return WelcomeSeen(link.user)


async def welcome(call: Call[NoQuery, Welcome]) -> Response:
    """Use a one-time link: make the first admin or set a password, and sign in."""
    body, twin, address = call.body, call.twin, address_of(call.request)
    agent = call.request.headers.get("user-agent", "")
    try:
        link = await asyncio.to_thread(twin.access.link, body.code, address)
    except (WrongSecretError, SlowDownError) as error:
        return _refused(error, "code")
    account = await asyncio.to_thread(twin.people.welcome, link, body.name, body.full_name, body.password)
    session, cookie = await asyncio.to_thread(twin.access.open_session, account.name, address, agent, "link")
    return _signed_in(twin, call.request, session, cookie)


async def new_password(call: Call[NoQuery, NewPassword]) -> SessionView:
    """Change one's own password; every other browser is signed out."""
    person = _signed(call.request)
    try:
        address = address_of(call.request)
        account = await asyncio.to_thread(call.twin.access.check_own, person, call.body.old, address)
    except SlowDownError as error:
        raise ProblemError(str(error), field="old", fix="wait", status=429) from error
    set_password = call.twin.people.set_password
    await asyncio.to_thread(set_password, account.name, call.body.new, by=person.name, keep=person.session)
    return session_view(call.twin, person)


async def sessions(call: Call[NoQuery, None]) -> SignedInList:
    """Where am I signed in?"""
    person = person_of(call.request)
    assert person is not None
    return SignedInList(
        [
            SignedInView(
                id=one.digest[:16],
                here=one.digest == person.session,
                since=iso(one.created_us),
                seen=iso(one.seen_us),
                until=iso(one.expires_us),
                address=one.address,
                agent=one.agent,
            )
            for one in call.twin.people.sessions(person.name)
        ]
    )


async def end_session(call: Call[NoQuery, None]) -> SignedInList:
    """End one of one's own sessions; `others` ends all but this."""
    person, wanted = _signed(call.request), call.path["id"]
    mine = call.twin.people.sessions(person.name)
    if wanted == "others":
        chosen = [one.digest for one in mine if one.digest != person.session]
    else:
        chosen = [one.digest for one in mine if one.digest[:16] == wanted]
        if not chosen:
            raise NotFoundError(f"no session {wanted[:40]!r}", field="id", fix="GET /api/v1/sessions lists them")
    if chosen:
        await asyncio.to_thread(call.twin.access.sign_out, chosen, person.name)
    return await sessions(call)


async def roles(_call: Call[NoQuery, None]) -> RolesView:
    """Roles and rights as tables."""
    return RolesView(
        {str(role): [str(right) for right in RIGHTS if right in rights] for role, rights in ROLES.items()},
        {str(right): text for right, text in RIGHTS.items()},
    )


async def oidc_start(call: Call[StartQuery, None]) -> Response:
    """Send the browser to an OpenID provider."""
    then = call.query.then
    if not then.startswith("/") or then.startswith("//") or "\\" in then or urlsplit(then).netloc:
        raise ProblemError("this is no path of the page", field="then", fix="give /…")
    ident = call.path["id"]
    if all(one.id != ident for one in call.twin.access.settings().oidc):
        raise NotFoundError(f"no provider {ident[:40]!r}", field="id", fix="GET /api/v1/session lists them")
    try:
        flow = await call.twin.oidc.start(ident, _base(call.request), then)
    except SignInFailedError as error:
        raise ProblemError(str(error), field="id", fix=error.fix, status=502) from error
    answer = RedirectResponse(flow.url, 303)
    secure = call.request.app.state.secure
    # Lax: the way back from the provider begins at another site, which a strict cookie would not survive
    answer.set_cookie(_FLOW_COOKIE, flow.binding, 600, path=_FLOW_PATH, httponly=True, secure=secure, samesite="lax")
    return answer


async def oidc_callback(call: Call[CallbackQuery, None]) -> Response:
    """Take the provider's answer, prove it, and sign in; a failure is shown in the page."""
    query, request = call.query, call.request
    address, agent = address_of(request), request.headers.get("user-agent", "")
    try:
        signed = await call.twin.oidc.finish(
            call.path["id"],
            state=query.state,
            code=query.code,
            error=query.error_description or query.error,
            issuer=query.iss,
            binding=request.cookies.get(_FLOW_COOKIE, ""),
        )
    except SignInFailedError as error:
        call.twin.access.note("oidc", "sign in", {"from": address, "why": str(error)[:300]}, "refused")
        answer = RedirectResponse("/sign-in?failed=provider", 303)
        answer.delete_cookie(_FLOW_COOKIE, path=_FLOW_PATH)
        return answer
    session, cookie = await asyncio.to_thread(call.twin.access.open_session, signed.name, address, agent, "oidc")
    answer = RedirectResponse(signed.then, 303)
    answer.delete_cookie(_FLOW_COOKIE, path=_FLOW_PATH)
    _set_cookie(answer, call.twin, request, session, cookie)
    return answer


def session_view(twin: Twin, person: Person | None) -> SessionView:
    """What the page needs to know before it shows anything."""
    access, site = twin.access, twin.site
    rights = [right for right in RIGHTS if person is not None and person.may(right, site.name)]
    whole = [right for right in rights if person is not None and person.may_in(right, site.name, ())]
    return SessionView(
        signed_in=person is not None,
        needed=access.needed,
        first_run=access.first_run,
        how=person.how if person else "",
        name=person.name if person else "",
        full_name=person.full_name if person else "",
        grants=list(person.grants) if person else [],
        rights=[str(one) for one in rights],
        site_rights=[str(one) for one in whole],
        facilities=sorted(person.places("operate", site.name)) if person else [],
        csrf=person.csrf if person else "",
        passwords=bool(access.book.accounts),
        token=access.has_shared,
        providers=[ProviderView(one.id, one.title) for one in access.settings().oidc],
        title=site.title or site.name,
        languages=site.languages,
    )


def _signed_in(twin: Twin, request: Request, session: Session, cookie: str) -> Response:
    person = twin.access.who("", cookie)
    answer = json_response(session_view(twin, person))
    _set_cookie(answer, twin, request, session, cookie)
    return answer


def _set_cookie(answer: Response, twin: Twin, request: Request, session: Session, cookie: str) -> None:
    lasts_s = (session.expires_us - twin.access.now_us()) // 1_000_000
    secure = request.app.state.secure
    answer.set_cookie(COOKIE, cookie, max_age=lasts_s, httponly=True, secure=secure, samesite="strict")


def _refused(error: WrongSecretError | SlowDownError, field: str) -> Response:
    if isinstance(error, SlowDownError):
        headers = {"Retry-After": str(max(1, round(error.wait_s)))}
        return problem(429, str(error), field=field, fix="wait, then try again", headers=headers)
    fix = "ask an admin for a new link" if field == "code" else "try again, or ask an admin for a one-time link"
    return problem(401, str(error), field=field, fix=fix)


def _signed(request: Request) -> Person:
    """A person with an account."""
    person = person_of(request)
    if person is None or person.how not in {"session", "token"} or person.name == "token":
        raise ProblemError("only somebody with an account has this", fix="sign in with an account", status=403)
    return person


def _base(request: Request) -> str:
    return f"{'https' if request.app.state.secure else request.url.scheme}://{request.headers.get('host', '')}"


OPERATIONS = [
    Operation("GET", "/session", show, "who is signed in, with which rights", answer=SessionView),
    Operation("POST", "/session", sign_in, "sign in", body=SignIn, answer=SessionView),
    Operation("DELETE", "/session", sign_out, "sign out", answer=SessionView),
    Operation("GET", "/session/oidc/{id}/start", oidc_start, "sign in elsewhere", StartQuery, status=303),
    Operation("GET", "/session/oidc/{id}/callback", oidc_callback, "back from there", CallbackQuery, status=303),
    Operation("POST", "/welcome/look", look, "what a one-time link is for", body=WelcomeLook, answer=WelcomeSeen),
    Operation("POST", "/welcome", welcome, "use a one-time link", body=Welcome, answer=SessionView),
    Operation("POST", "/password", new_password, "change one's own password", body=NewPassword, answer=SessionView),
    Operation("GET", "/sessions", sessions, "where one is signed in", answer=SignedInList),
    Operation("DELETE", "/sessions/{id}", end_session, "end a session of one's own", answer=SignedInList),
    Operation("GET", "/roles", roles, "what each role may do", answer=RolesView),
]
