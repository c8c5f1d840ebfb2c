"""The HTTP application: every operation, the live socket, the page, and what guards them."""

import time
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api import (
    accounts,
    alarms,
    backups,
    basemap,
    changes,
    commands,
    commissioning,
    drones,
    elements,
    fleet,
    health,
    history,
    marks,
    points,
    query,
    reports,
    rollouts,
    scans,
    schedule,
    session,
    shift,
    site,
    software,
    state,
    tiles,
    trust,
    uploads,
)
from twin.api.auth import Guard, Token
from twin.api.errors import answer_error
from twin.api.health import HttpFigures, TwinFigures
from twin.api.live import live
from twin.api.openapi import openapi
from twin.api.operation import Operation, route
from twin.api.patience import BodyPace
from twin.api.static import StaticPage
from twin.core import Twin

__all__ = ["API", "OPERATIONS", "build_app"]

API = "/api/v1"
OPERATIONS: list[Operation] = [
    *site.OPERATIONS,
    *points.OPERATIONS,
    *state.OPERATIONS,
    *history.OPERATIONS,
    *elements.OPERATIONS,
    *tiles.OPERATIONS,
    *basemap.OPERATIONS,
    *schedule.OPERATIONS,
    *alarms.OPERATIONS,
    *changes.OPERATIONS,
    *uploads.OPERATIONS,
    *drones.OPERATIONS,
    *marks.OPERATIONS,
    *scans.OPERATIONS,
    *query.OPERATIONS,
    *commands.OPERATIONS,
    *backups.OPERATIONS,
    *rollouts.OPERATIONS,
    *software.OPERATIONS,
    *session.OPERATIONS,
    *accounts.OPERATIONS,
    *shift.OPERATIONS,
    *reports.OPERATIONS,
    *trust.OPERATIONS,
    *fleet.OPERATIONS,
    *commissioning.OPERATIONS,
]
_STATIC = Path(__file__).parents[1] / "static"
_HEADERS = {
    # wasm: the decoder of the tiles
    "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    "img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def build_app(
    twin: Twin,
    *,
    token: Token | None = None,
    static: Path = _STATIC,
    secure: bool = False,
    sign_in: bool = False,
    service: Token | None = None,
) -> Starlette:
    """The application over an open twin. Sign-in is needed with `token`, with `sign_in`, and once there is an account;
    `secure` says that TLS is on. `service` is the token of the park that started this twin."""
    shared = token.digest if token else ""
    twin.access.expose(required=sign_in, shared=shared, service=service.digest if service else "")
    registry = CollectorRegistry()
    registry.register(TwinFigures(twin))
    ProcessCollector(namespace="aid4", registry=registry)
    app = Starlette(
        routes=[
            *(route(operation, twin, "") for operation in health.OPERATIONS),
            *(route(operation, twin, API) for operation in OPERATIONS),
            WebSocketRoute(f"{API}/live", live),
            Route("/{path:path}", StaticPage(static).serve, methods=["GET"]),
        ],
        middleware=[
            Middleware(Watch, figures=HttpFigures(registry)),
            Middleware(Guard, access=twin.access, site=twin.site.name),
            Middleware(BodyPace),
        ],
        exception_handlers={HTTPException: answer_error},
    )
    app.state.twin, app.state.registry, app.state.secure = twin, registry, secure
    app.state.openapi = msgspec.json.encode(_description(twin))
    return app


def _description(twin: Twin) -> dict[str, object]:
    document = openapi(OPERATIONS, title="AID4 twin", version=twin.version, prefix=API)
    own = openapi(health.OPERATIONS, title="", version="", prefix="")
    document["paths"] |= own["paths"]
    document["components"]["schemas"] |= own["components"]["schemas"]
    return document


class Watch:
    """ASGI middleware: security headers on every answer, and the figures of /metrics."""

    def __init__(self, app: ASGIApp, *, figures: HttpFigures) -> None:
        self._app, self._figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on and watch the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}  # a report has a stricter policy of its own
                ours = ((name.encode(), value.encode()) for name, value in _HEADERS.items())
                message["headers"] = [*message["headers"], *(one for one in ours if one[0] not in own)]
                found = scope.get("route")
                path = found.path if isinstance(found, Route) else "other"
                self._figures.note(scope["method"], path, message["status"], time.monotonic() - started)
            await send(message)

        await self._app(scope, receive, watched)
