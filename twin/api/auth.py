"""Who may call: on loopback anybody on this machine through a page of ours; elsewhere only with the token.

A browser may not be used against the twin from another site: on loopback the Host must name this machine
(DNS rebinding), and an Origin, where one is sent, must be the Host (cross-site requests and sockets).
"""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from twin.api.errors import problem

__all__ = ["COOKIE", "Guard", "Token"]

COOKIE = "aid4_session"
_OPEN = {"/healthz", "/readyz", "/api/v1/session"}
_HERE = {"localhost", "127.0.0.1", "::1"}


_SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>AID4: sign in</title>
<h1>Sign in</h1><form method="post" action="/api/v1/session"><label>Token
<input name="token" type="password" autocomplete="current-password" autofocus></label>
<button>Sign in</button></form></html>"""


class Token:
    """The one secret of a twin that listens beyond loopback."""

    def __init__(self, secret: str) -> None:
        self._digest = hashlib.sha256(secret.encode()).digest()

    def matches(self, offered: str) -> bool:
        """Whether `offered` is the secret, in constant time."""
        return hmac.compare_digest(hashlib.sha256(offered.encode(errors="replace")).digest(), self._digest)


class Guard:
    """ASGI middleware that lets a request pass or answers 401, 403 or 421; a WebSocket is closed with 1008."""

    def __init__(self, app: ASGIApp, *, token: Token | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it pass or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            status, detail, fix = refusal
            if status == 401 and "text/html" in Headers(scope=scope).get("accept", ""):
                await HTMLResponse(_SIGN_IN, 401)(scope, receive, send)
                return
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            await problem(status, detail, fix=fix, headers=headers)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._token is None and _host_name(host) not in _HERE:
            return 421, f"this twin is for this machine only, not for {host[:80]!r}", "open http://127.0.0.1"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, f"a page of {origin[:80]!r} may not use this twin", "open the twin's own page"
        if self._token is None or scope["path"] in _OPEN:
            return None
        if self._token.matches(_offered(headers)):
            scope["aid4.by"] = "token"
            return None
        return 401, "this twin needs a sign-in", "send Authorization: Bearer TOKEN, or POST /api/v1/session"


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _offered(headers: Headers) -> str:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""
