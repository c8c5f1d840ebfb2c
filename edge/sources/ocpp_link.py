"""One charger's connection: OCPP's calls in both directions over a WebSocket, with the library's messages and schemas.

A frame that is no OCPP is answered where it can be and counted; it never ends the connection. Calls down go one at a
time, as the protocol asks.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, CallResult, get_validator
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from edge.sources import SourceError, SourceHealth

__all__ = ["VERSIONS", "ChargerLink", "RefusedError", "faults"]

VERSIONS: Final = {"ocpp2.1": "2.1", "ocpp2.0.1": "2.0.1", "ocpp1.6": "1.6"}  # by subprotocol, best first
LAST_WORDS_S: Final = 0.5
ANSWER_S_MAX: Final = 8.0  # a charger on a 2G modem needs three
UNIQUE_ID_CHARS_MAX: Final = 64  # the specification says 36

Payload = dict[str, Any]
Handle = Callable[["ChargerLink", str, Payload], Awaitable[Payload]]


class RefusedError(Exception):
    """A call that is answered with an error: its OCPP code and what is wrong."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class ChargerLink:
    """A connected charger: `serve` reads until it is gone, `call` asks it."""

    def __init__(
        self, connection: ServerConnection, identity: str, version: str, handle: Handle, health: SourceHealth
    ) -> None:
        self.identity, self.version = identity, version
        self._connection, self._handle, self._health = connection, handle, health
        self._turn = asyncio.Lock()
        self._asked: tuple[str, asyncio.Future[Any]] | None = None

    async def serve(self) -> None:
        """Take what the charger says until the connection ends, for whatever reason."""
        reading = asyncio.create_task(self._read(), name=f"ocpp {self.identity} reads")
        closed = asyncio.create_task(self._connection.wait_closed(), name=f"ocpp {self.identity} closes")
        try:
            await asyncio.wait([reading, closed], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([reading], timeout=LAST_WORDS_S)  # unless it waits for the disk, which may take long
            if reading.done():
                reading.result()
        finally:
            reading.cancel()
            closed.cancel()
            await asyncio.gather(reading, closed, return_exceptions=True)
            if self._asked is not None and not self._asked[1].done():
                self._asked[1].set_exception(SourceError("write", "the charger went away before it answered"))

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self._connection:
                await self._take(text)

    async def call(self, action: str, payload: Payload) -> Payload:
        """Ask the charger and give its answer; SourceError when it has none, or refuses the question."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX), self._turn:
                unique_id = secrets.token_hex(16)
                future = asyncio.get_running_loop().create_future()
                self._asked = (unique_id, future)
                try:
                    await self._connection.send(Call(unique_id, action, payload).to_json())
                    answer = await future
                finally:
                    self._asked = None
        except TimeoutError:
            raise SourceError("write", f"{self.identity} did not answer {action} in {ANSWER_S_MAX:g} s") from None
        except ConnectionClosed as error:
            raise SourceError("write", f"{self.identity} is gone: {error}") from error
        if not isinstance(answer, dict):
            raise SourceError("write", f"{self.identity} answered {action} with no object")
        return answer

    async def lives(self, within_s: float) -> bool:
        """Whether the other end answers a ping."""
        try:
            async with asyncio.timeout(within_s):
                await (await self._connection.ping())
        except (TimeoutError, ConnectionClosed):
            return False
        return True

    async def close(self, code: int, reason: str) -> None:
        """End the connection in peace, as far as the other end takes part."""
        await self._connection.close(code, reason)

    async def _take(self, text: str | bytes) -> None:
        try:
            frame = msgspec.json.decode(text, type=list[Any])
            kind, unique_id = frame[0], frame[1]
            if not isinstance(unique_id, str) or len(unique_id) > UNIQUE_ID_CHARS_MAX:
                raise ValueError("a message without an id")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError, ValueError) as error:
            self._health.error("decode", f"{self.identity}: no OCPP message: {error}")
            return
        match kind:
            case 2:
                await self._called(unique_id, frame)
            case 3 if len(frame) >= 3:
                self._answered(unique_id, frame[2])
            case 4:
                why = " ".join(str(part) for part in frame[2:4])[:200]
                self._answered(unique_id, SourceError("write", f"{self.identity} refused: {why}"))
            case _:
                self._health.error("decode", f"{self.identity}: message type {str(kind)[:20]}")

    async def _called(self, unique_id: str, frame: list[Any]) -> None:
        action = frame[2] if len(frame) > 2 else None
        payload = frame[3] if len(frame) > 3 else None
        try:
            if not isinstance(action, str) or not isinstance(payload, dict):
                raise RefusedError("ProtocolError" if self.version != "1.6" else "FormationViolation", "no call")
            answer = CallResult(unique_id, await self._handle(self, action, payload)).to_json()
        except RefusedError as error:
            self._health.error("refused", f"{self.identity}: {str(action)[:40]}: {error}")
            answer = CallError(unique_id, error.code, str(error)[:250], {}).to_json()
        with suppress(ConnectionClosed):  # it asks again when it is back
            await self._connection.send(answer)

    def _answered(self, unique_id: str, answer: Any) -> None:
        if self._asked is None or self._asked[0] != unique_id or self._asked[1].done():
            self._health.error("decode", f"{self.identity}: an answer to no question")
        elif isinstance(answer, SourceError):
            self._asked[1].set_exception(answer)
        else:
            self._asked[1].set_result(answer)


def faults(action: str, payload: Payload, version: str) -> str:
    """What the version's JSON schema has against a call; "" when it conforms or has no schema."""
    try:
        validator = get_validator(Call.message_type_id, action, version)
    except (OSError, ValueError, OCPPError):
        return ""
    error = next(validator.iter_errors(payload), None)
    return f"{'.'.join(map(str, error.absolute_path)) or action}: {error.message[:160]}" if error else ""
