"""Commands from the twin: each is carried out at most once, in time, and answered.

The counter of a command is on disk before anything moves, so that a replayed or repeated command does nothing,
even after a restart. A retained command is never carried out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Literal

from edge.segments import Disk, write_whole
from edge.sources import SourceError
from edge.sources.columns import check_value
from wire.catalogue import Point
from wire.clock import Clock
from wire.limits import CLOCK_TRUSTED_FROM_US
from wire.messages import Command, Reply

__all__ = ["Commands"]

WRITE_S_MAX: Final = 10.0  # a device that takes longer is told to the operator as failed
Status = Literal["accepted", "refused", "done", "failed", "expired"]
Write = Callable[[Point, float | str | bool], Awaitable[None]]


class Commands:
    """`find(key)` gives the point and how to write it, or None. `reply` publishes."""

    def __init__(
        self,
        counter_file: Path,
        clock: Clock,
        find: Callable[[str], tuple[Point, Write] | None],
        reply: Callable[[Reply], None],
        disk: Disk | None = None,
    ) -> None:
        self._file, self._clock, self._find, self._reply = counter_file, clock, find, reply
        self._disk = disk or Disk()
        self.interlock: Callable[[str], str] = lambda _key: ""  # why no command may reach a point now
        self._counter = _read_counter(counter_file)

    async def carry_out(self, command: Command, *, retained: bool) -> None:
        """Check one command, write its value, answer. Raises nothing that a command or a device can cause."""
        if why := self._refusal(command, retained):
            self._answer(command, *why)
            return
        found = self._find(command.point)
        if found is None:
            self._answer(command, "refused", f"no source offers {command.point!r}")
            return
        point, write = found
        if not point.writable:
            self._answer(command, "refused", f"{command.point!r} cannot be written")
            return
        if why_not := self.interlock(command.point):
            self._answer(command, "refused", why_not)
            return
        try:
            self._remember(command.counter)
        except OSError as error:
            self._answer(command, "refused", f"the counter could not be made durable: {error}")
            return
        self._answer(command, "accepted", "")
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await write(point, command.value)
        except SourceError as error:
            self._answer(command, "failed", str(error))
        except TimeoutError:
            self._answer(command, "failed", f"the device did not take it within {WRITE_S_MAX:g} s")
        else:
            self._answer(command, "done", "")

    async def local(self, key: str, value: float | str | bool) -> None:
        """Write a value that came from a publisher's peer: as `by_rule`, unless an interlock holds."""
        if why_not := self.interlock(key):
            raise SourceError("write", why_not)
        await self.by_rule(key, value)

    async def by_rule(self, key: str, value: float | str | bool) -> None:
        """Write a value that a rule of this gateway asks for, which no interlock stops: it may be the safe state.

        Its sender has judged its age; point, type and range are checked here. SourceError says why it was not taken.
        """
        found = self._find(key)
        if found is None:
            raise SourceError("write", f"no source offers {key!r}")
        point, write = found
        check_value(point, value)
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await write(point, value)
        except TimeoutError:
            raise SourceError("write", f"the device did not take it within {WRITE_S_MAX:g} s") from None

    def _refusal(self, command: Command, retained: bool) -> tuple[Status, str] | None:
        now_us = self._clock.wall_us()
        if retained:
            return "refused", "a retained command is never carried out"
        if now_us < CLOCK_TRUSTED_FROM_US:
            return "refused", "the gateway's clock is not set, so the command's age is unknown"
        if now_us > command.expires_us:
            return "expired", f"{(now_us - command.expires_us) / 1e6:.1f} s too late by the gateway's clock"
        if command.counter <= self._counter:
            return "refused", f"counter {command.counter} was used before (now {self._counter})"
        return None

    def _remember(self, counter: int) -> None:
        write_whole(self._disk, self._file, b"%d\n" % counter)
        self._counter = counter

    def _answer(self, command: Command, status: Status, detail: str) -> None:
        self._reply(Reply(id=command.id, status=status, ts_us=self._clock.wall_us(), detail=detail))


def _read_counter(file: Path) -> int:
    """The last counter that was used; 0 on a fresh disk."""
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return 0
