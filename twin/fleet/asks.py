"""Questions to an agent over the broker, and their answers; a node that is not there is told at once."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from twin.errors import ConflictError, NotFoundError
from wire.errors import InputError
from wire.messages import Answer, Ask, CheckAsk, ConfigAsk, LogsAsk, Problem

__all__ = ["Asks"]

ANSWER_S_MAX: Final = 60.0  # a check loads the sources' libraries, on a gateway that is busy
_WAITING_MAX: Final = 200


class Asks:
    """`online` says whether a node is there, None for one that was never heard of; `send` publishes."""

    def __init__(self, send: Callable[[str, str, msgspec.Struct], bool], online: Callable[[str], bool | None]) -> None:
        self._send, self._online = send, online
        self._waiting: dict[tuple[str, str], asyncio.Future[Any]] = {}

    def heard(self, node: str, answer: Answer) -> None:
        """An answer; what nobody waits for is dropped."""
        waiting = self._waiting.get((node, answer.id))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.about)

    async def ask(self, node: str, about: ConfigAsk | CheckAsk | LogsAsk) -> Any:
        """The answer's `about`; NotFound, Conflict where the node cannot answer now, InputError with its problem."""
        online = self._online(node)
        if online is None:
            raise NotFoundError(f"no node {node!r}", field="node", fix="GET /api/v1/nodes lists them")
        if not online:
            fix = "ask again when it is back; what it shall run can be applied now and reaches it then"
            raise ConflictError(f"{node} is offline and cannot be asked", field="node", fix=fix)
        if len(self._waiting) >= _WAITING_MAX:
            raise ConflictError("too many questions are open", fix="ask again in a minute")
        key = (node, secrets.token_hex(8))
        waiting = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            self._send(node, "ask", Ask(key[1], about))
            async with asyncio.timeout(ANSWER_S_MAX):
                found = await waiting
        except TimeoutError:
            fix = "is its agent older than this twin, or its link very slow? `aid4 edge status` at the gateway says"
            raise ConflictError(f"{node} did not answer within {ANSWER_S_MAX:.0f} s", field="node", fix=fix) from None
        finally:
            del self._waiting[key]
        if isinstance(found, Problem):
            raise InputError(found.problem, file=found.file, field=found.field, fix=found.fix)
        return found
