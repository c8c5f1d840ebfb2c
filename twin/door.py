"""The door for gateways: enrolment and renewal over HTTPS with a certificate of the site's own authority.

It is a server of its own beside the page: a page may stay on loopback or have a public certificate, and a browser
would ask its user for client certificates here. Nobody signs in: a token or a key is the proof.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api.errors import answer_error, problem
from twin.api.operation import route
from twin.api.patience import BodyPace, HeadTimer
from twin.api.trust import GATEWAY_OPERATIONS
from twin.pki import local_names

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["DOOR_PORT", "Door", "door_app", "open_door"]

DOOR_PORT: Final = 8481
BODY_BYTES_MAX: Final = 32_768  # two certificates and a signature have 3 KB
CONNECTIONS_MAX: Final = 500  # a park of 10,000 gateways renews one every half minute
RENEW_S: Final = 86_400.0  # the door's own certificate is made anew as often


@dataclass(frozen=True, slots=True)
class Door:
    """Where gateways are let in; `names` are further names of this machine, the first of which is told to gateways.
    `brokers` are the URLs that they are sent to, `{host}` standing for the name by which they came."""

    host: str
    port: int = DOOR_PORT
    names: tuple[str, ...] = ()
    brokers: tuple[str, ...] = ()


class SmallBodies:
    """ASGI middleware: 413 for a body above the bound, before it is in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in."""
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > BODY_BYTES_MAX:
                raise _TooMuchError
            return message

        try:
            await self._app(scope, counted, send)
        except _TooMuchError:
            await problem(413, f"a body has at most {BODY_BYTES_MAX} bytes", field="body")(scope, receive, send)


class _TooMuchError(BaseException):
    """Passes every handler of errors on its way out."""


def door_app(twin: "Twin") -> Starlette:
    """The three routes for gateways and nothing else."""
    return Starlette(
        routes=[route(operation, twin, "/api/v1") for operation in GATEWAY_OPERATIONS],
        middleware=[Middleware(SmallBodies), Middleware(BodyPace)],
        exception_handlers={HTTPException: answer_error},
    )


@contextlib.asynccontextmanager
async def open_door(twin: "Twin", door: Door, listener: socket.socket) -> AsyncIterator[str]:
    """Answer at `listener` until the block ends; gives the URL for gateways."""
    names = local_names(door.host, door.names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def certify() -> None:
        path = twin.trust.authority.server_file("door", names)
        context.load_cert_chain(path)

    await asyncio.to_thread(certify)
    told = f"[{names[0]}]" if ":" in names[0] else names[0]
    url = f"https://{told}:{listener.getsockname()[1]}"
    twin.trust.door, twin.trust.brokers = url, list(door.brokers)
    config = uvicorn.Config(
        door_app(twin), log_config=None, access_log=False, server_header=False, date_header=False, lifespan="off",
        http=HeadTimer, ws="none", limit_concurrency=CONNECTIONS_MAX, timeout_graceful_shutdown=1,
    )  # fmt: skip
    config.load()
    config.ssl = context
    server = _Quiet(config)

    async def keep_certified() -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await asyncio.to_thread(certify)

    async with asyncio.TaskGroup() as tasks:
        listener.listen(1_024)
        answering = tasks.create_task(server.serve(sockets=[listener]), name="door.http")
        renewing = tasks.create_task(keep_certified(), name="door.certificate")
        try:
            yield url
        finally:
            server.should_exit = True
            renewing.cancel()
            await asyncio.wait([answering])


class _Quiet(uvicorn.Server):
    """A uvicorn that leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
