"""How long the twin waits for a request: its head within seconds, its body at a least pace.

Whoever opens connections and sends a byte now and then would else hold them all (limit_concurrency counts them).
"""

import asyncio

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from twin.api.errors import ProblemError
from wire.limits import HTTP_BODY_BYTES_S_MIN, HTTP_BODY_GRACE_S, HTTP_HEAD_S_MAX

__all__ = ["BodyPace", "HeadTimer", "SlowBodyError"]

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class SlowBodyError(ProblemError):
    """A body that comes slower than any link that is worth using."""

    status = 408


class HeadTimer(H11Protocol):
    """uvicorn's protocol, with a bound on the time from the connection, or the first byte, to a whole request head."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting once the head is whole; between two requests uvicorn's own keep-alive bound holds."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._head is None:
            self._head = asyncio.get_running_loop().call_later(HTTP_HEAD_S_MAX, self._give_up)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()


class BodyPace:
    """ASGI middleware: SlowBodyError where a body stays behind its pace. Time the twin itself takes does not count."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on with a `receive` that loses patience."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        waited_s, got, whole = 0.0, 0, False

        async def paced() -> Message:
            nonlocal waited_s, got, whole
            if whole:  # what comes now is the disconnect
                return await receive()
            began = loop.time()
            try:
                async with asyncio.timeout(HTTP_BODY_GRACE_S + got / HTTP_BODY_BYTES_S_MIN - waited_s):
                    message = await receive()
            except TimeoutError:
                problem = f"the body stopped after {got} bytes"
                fix = f"send at least {HTTP_BODY_BYTES_S_MIN} bytes a second"
                raise SlowBodyError(problem, field="body", fix=fix) from None
            waited_s += loop.time() - began
            got += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            return message

        await self._app(scope, paced, send)
