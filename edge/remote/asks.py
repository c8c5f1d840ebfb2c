"""What a twin asks of this agent, answered one at a time and at the pace of the link."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.remote.layer import Kept
from edge.remote.logs import read_logs
from edge.remote.overlay import check, show
from wire.errors import UserError
from wire.messages import Answer, Ask, CheckAsk, ConfigAsk, Problem, encode

__all__ = ["Asks"]

WAITING_MAX: Final = 4  # a twin asks once and waits; more is a loop
LINK_SHARE: Final = 0.25  # of a metered link's bytes_s, beside what it may send of records
PART_S: Final = 2.0  # of that share in one part of the log
PART_BYTES_MIN: Final = 1_024


class Asks:
    """`heard` takes questions; `run` answers until cancelled. `answer` publishes, and says whether it could."""

    def __init__(
        self,
        file: Path,
        logs: Path,
        kept: Callable[[], Kept],
        answer: Callable[[Answer], None],
        *,
        bytes_s: float = 0.0,
    ) -> None:
        self._file, self._logs, self._kept, self._answer = file, logs, kept, answer
        self._bytes_s = bytes_s * LINK_SHARE
        self._waiting: asyncio.Queue[Ask] = asyncio.Queue(WAITING_MAX)

    def heard(self, ask: Ask) -> None:
        """A question; one too many is told so."""
        try:
            self._waiting.put_nowait(ask)
        except asyncio.QueueFull:
            self._answer(Answer(ask.id, Problem("the agent is busy with other questions", fix="ask again later")))

    async def run(self) -> None:
        """One after the other; on a metered link with a pause after each."""
        while True:
            ask = await self._waiting.get()
            answer = await asyncio.to_thread(self._made, ask)
            self._answer(answer)
            if self._bytes_s:
                await asyncio.sleep(len(encode(answer)) / self._bytes_s)

    def _made(self, ask: Ask) -> Answer:
        about = ask.about
        try:
            if isinstance(about, ConfigAsk):
                return Answer(ask.id, show(self._file, self._kept()))
            if isinstance(about, CheckAsk):
                return Answer(ask.id, check(self._file, about.text))
            part = min(about.bytes, max(PART_BYTES_MIN, int(self._bytes_s * PART_S))) if self._bytes_s else about.bytes
            return Answer(ask.id, read_logs(self._logs, about, part))
        except UserError as error:
            return Answer(ask.id, Problem(error.problem, error.file, error.field, error.fix))
        except (OSError, ValueError) as error:  # the gateway's own file, as somebody is just writing it
            return Answer(ask.id, Problem(f"{type(error).__name__}: {error}"[:500]))
