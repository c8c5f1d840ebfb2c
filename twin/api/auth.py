"""Who calls: the guard before every route finds the person, and refuses what comes from another site.

On loopback without accounts everybody on this machine is `local`. A browser may not be used against the twin from
another site: there the Host must name this machine (DNS rebinding) and no proxy may stand between; and always an
Origin, where one is sent, must be the Host (cross-site requests and sockets).
"""

import hashlib
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.access.desk import AccessDesk
from twin.access.roles import Person
from twin.api.errors import problem

__all__ = ["COOKIE", "Guard", "Token"]

COOKIE = "aid4_session"
_HERE = {"localhost", "127.0.0.1", "::1"}
_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip")


class Token:
    """The one secret of a twin: an admin's, for scripts and for the first steps."""

    def __init__(self, secret: str) -> None:
        self.digest = hashlib.sha256(secret.encode()).hexdigest()


class Guard:
    """ASGI middleware that puts the person into the scope, or answers 401, 403 or 421; a WebSocket is closed with
    1008, also later when its session ends."""

    def __init__(self, app: ASGIApp, *, access: AccessDesk, site: str) -> None:
        self._app, self._access, self._site = app, access, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it pass or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        person, refusal = self._access.who(*_offered(headers)), self._foreign(headers)
        if person is not None:
            scope["aid4.person"], scope["aid4.by"] = person, person.name
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, person, refusal)
        elif refusal is not None:
            status, detail, fix = refusal
            await problem(status, detail, fix=fix)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _socket(
        self, scope: Scope, receive: Receive, send: Send, person: Person | None, refusal: tuple[int, str, str] | None
    ) -> None:
        """A socket shows what `view` shows, and no longer than its person may."""
        if refusal is None and (person is None or not person.may("view", self._site)):
            refusal = (401, "this twin needs a sign-in", "")
        if refusal is not None or person is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1] if refusal else ""})
            return
        is_over = False

        async def watched(message: Message) -> None:
            nonlocal is_over
            if is_over:
                return
            if message["type"] == "websocket.send" and not self._access.still(person):
                is_over = True
                message = {"type": "websocket.close", "code": 1008, "reason": "signed out"}
            await send(message)

        await self._app(scope, receive, watched)

    def _foreign(self, headers: Headers) -> tuple[int, str, str] | None:
        host = headers.get("host", "")
        if not self._access.needed:
            if _host_name(host) not in _HERE:
                return 421, f"this twin is for this machine only, not for {host[:80]!r}", "open http://127.0.0.1"
            if any(name in headers for name in _PROXIES):
                return 421, "this twin is for this machine only, not behind a proxy", "add an account first"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, f"a page of {origin[:80]!r} may not use this twin", "open the twin's own page"
        return None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _offered(headers: Headers) -> tuple[str, str]:
    """The bearer token and the cookie of a request, empty where there is none."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    bearer = secret.strip() if scheme.lower() == "bearer" else ""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return bearer, ""
    return bearer, cookie.value if cookie else ""
