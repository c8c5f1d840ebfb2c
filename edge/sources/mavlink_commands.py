"""Commands to a vehicle through MAVLink's command protocol: sent, sent again, and answered by COMMAND_ACK."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa

from edge.sources import SourceError

__all__ = ["COMMAND_WORDS", "SAFE_WORDS", "Commander"]

ANSWER_S_MAX: Final = 1.5  # as the standard proposes
TRIES_MAX: Final = 3
PROGRESS_S_MAX: Final = 6.0  # a vehicle that says "in progress" may take longer
_ACCEPTED, _IN_PROGRESS = 0, 5
_RESULTS: Final = {
    1: "not now", 2: "denied", 3: "it does not know this command", 4: "it failed", 6: "cancelled",
    7: "only as COMMAND_LONG", 8: "only as COMMAND_INT", 9: "this frame is not supported",
}  # fmt: skip

COMMAND_WORDS: Final[dict[str, tuple[tuple[int, dict[str, float]], ...]]] = {
    "return_home": ((20, {}),),  # MAV_CMD_NAV_RETURN_TO_LAUNCH
    "hold": ((193, {"param1": 0.0}),),  # MAV_CMD_DO_PAUSE_CONTINUE
    "continue": ((193, {"param1": 1.0}),),
    "land": ((21, {}),),  # MAV_CMD_NAV_LAND, here
    "start": ((400, {"param1": 1.0}), (300, {})),  # MAV_CMD_COMPONENT_ARM_DISARM, MAV_CMD_MISSION_START
}
SAFE_WORDS: Final = ("return_home", "hold", "continue", "land")  # what ends a danger; `start` must be asked for

Send = Callable[[int, str, Mapping[str, Any]], bool]
"""(system, message, fields) → whether the link took it."""


class Commander:
    """Sends words to vehicles, one at a time each; `me` is our own system id, to which acknowledgements are sent."""

    def __init__(self, send: Send, me: int) -> None:
        self._send, self._me = send, me
        self._waiting: dict[tuple[int, int], asyncio.Queue[int]] = {}
        self._busy: dict[int, asyncio.Lock] = {}

    def take(self, batches: Mapping[str, pa.RecordBatch]) -> None:
        """Look for answers to us; those to another ground station are none of ours."""
        answers = batches.get("COMMAND_ACK")
        for row in [] if answers is None or not self._waiting else answers.to_pylist():
            waiting = self._waiting.get((row["_system"], row["command"]))
            if waiting is not None and row["target_system"] in (0, self._me) and waiting.qsize() < TRIES_MAX:
                waiting.put_nowait(row["result"])

    async def carry_out(self, system: int, word: str) -> None:
        """Carry out one of COMMAND_WORDS; SourceError("write") when the vehicle did not take it."""
        async with self._busy.setdefault(system, asyncio.Lock()):
            for command, params in COMMAND_WORDS[word]:
                await self._one(system, word, command, params)

    async def _one(self, system: int, word: str, command: int, params: Mapping[str, float]) -> None:
        answers = self._waiting[system, command] = asyncio.Queue()
        try:
            for attempt in range(TRIES_MAX):
                fields = {"target_system": system, "target_component": 1, "command": command, **params}
                if not self._send(system, "COMMAND_LONG", {**fields, "confirmation": attempt}):
                    raise SourceError("write", f"{word}: no link to vehicle {system}")
                try:
                    result = await self._answer(answers)
                except TimeoutError:
                    continue
                if result != _ACCEPTED:
                    raise SourceError("write", f"{word}: vehicle {system} says {_RESULTS.get(result, result)}")
                return
            raise SourceError("write", f"{word}: vehicle {system} did not answer {TRIES_MAX} times")
        finally:
            self._waiting.pop((system, command), None)

    @staticmethod
    async def _answer(answers: asyncio.Queue[int]) -> int:
        async with asyncio.timeout(ANSWER_S_MAX):
            result = await answers.get()
        if result == _IN_PROGRESS:
            async with asyncio.timeout(PROGRESS_S_MAX):
                while result == _IN_PROGRESS:
                    result = await answers.get()
        return result
