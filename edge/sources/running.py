"""What sources do in one and the same way: how they begin and end, keep a task, gather, wait for a turn, try again.

`FieldSource` waits for its peer once it is entered; what it opens is closed when it is left. `GatheringSource` tells
what came together since it looked last. `RunningSource` has a task of its own besides, which speaks with the peer.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, ClassVar, Final, Self
from zlib import crc32

from edge.cancelling import AGAIN_S, cancel
from edge.sources import Batch, SourceConfig, SourceError, SourceHealth
from edge.sources.columns import LastValues, PointList
from wire.catalogue import Point
from wire.clock import Clock

__all__ = ["Backoff", "FieldSource", "GatheringSource", "Pace", "RunningSource"]

APART_S_MAX: Final = 5.0  # a meter that is read every quarter of an hour is not waited for longer


class FieldSource(ABC):
    """A source that takes no commands unless it says so; `why` is the reason of its silence until its peer speaks.

    What `_open` puts on `_held` is closed in reverse order when the source is left, and at once if `_open` fails.
    """

    def __init__(self, config: SourceConfig, why: str = "") -> None:
        tag: Any = config.__struct_config__.tag
        self.health = SourceHealth()
        self._title, self._why = f"{tag} {config.name}", why
        self._points = PointList()
        self._last = LastValues(self._points)
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.health.state, self.health.why = "waiting", self._why
        try:
            await self._open()
        except BaseException:
            await self._held.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._held.aclose()
        self.health.state = "ended"

    async def _open(self) -> None:  # noqa: B027 - most open their connection when they are read
        """What is opened for as long as the source is entered."""

    def points(self) -> list[Point]:
        """What the peer has told or listed so far."""
        return self._points.points

    @abstractmethod
    def batches(self) -> AsyncIterator[Batch]:
        """Its readings."""

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Most of the field takes none: SourceError."""
        raise SourceError("write", f"{point.key} takes no commands")


class GatheringSource(FieldSource):
    """Tells every `gather_s` what came meanwhile, or, where that is 0, as soon as `_wake` is set."""

    gather_s: ClassVar[float] = 0.1

    def __init__(self, config: SourceConfig, why: str = "") -> None:
        super().__init__(config, why)
        self._wake = asyncio.Event()

    async def batches(self) -> AsyncIterator[Batch]:
        """What was said since the last look; last values of what is lost, stale."""
        while True:
            await self._due()
            for batch in self._poll():
                yield batch

    async def _due(self) -> None:
        if self.gather_s:
            await asyncio.sleep(self.gather_s)
        else:
            await self._wake.wait()
            self._wake.clear()

    @abstractmethod
    def _poll(self) -> list[Batch]:
        """What came since the last call."""


class RunningSource(GatheringSource):
    """Keeps the task `_run` while it is entered; what the task raises is raised to who reads the batches."""

    stop_s_max: ClassVar[float] = 1.0  # the agent gives all sources half a second more
    again_s: ClassVar[float] = AGAIN_S  # until a task that passed over its cancellation is told again

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._runner = asyncio.create_task(self._run(), name=self._title)
        self._runner.add_done_callback(lambda _: self._wake.set())
        self._held.push_async_callback(cancel, [self._runner], self.stop_s_max, self.again_s)
        return self

    @abstractmethod
    async def _run(self) -> None:
        """Speak with the peer until cancelled."""

    async def _due(self) -> None:
        await super()._due()
        if self._runner.done():
            self._runner.result()


class Backoff:
    """Pauses between attempts: each twice as long as the one before, with jitter, which spreads a herd."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s, self._most_s, self._next_s = first_s, most_s, first_s

    def reset(self) -> None:
        """An attempt went well."""
        self._next_s = self._first_s

    async def wait(self) -> None:
        """Until the next attempt."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._most_s)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads a herd


class Pace:
    """The turns of a poll, one a period. Turns that a slow poll took are left out and counted, never made up for.

    Sources that began together part after their first turn, each by what its `name` comes to, so that forty of them do
    not ask in one moment of every second."""

    def __init__(self, clock: Clock, period_s: float, health: SourceHealth, name: str = "") -> None:
        self._clock, self._period_s, self._health = clock, period_s, health
        self._apart_s = min(period_s, APART_S_MAX) * (crc32(name.encode()) / (1 << 32) if name else 0.0)
        self.restart()

    def restart(self) -> None:
        """Count turns from now on."""
        self._due_s = self._clock.monotonic_s()
        self._is_first = True

    async def rest(self) -> None:
        """Until the next turn; after a poll that went on for longer than a period, at once."""
        self._due_s += self._period_s + (self._apart_s if self._is_first else 0.0)
        self._is_first = False
        late_s = self._clock.monotonic_s() - self._due_s
        if late_s <= 0:
            await asyncio.sleep(-late_s)
        elif missed := int(late_s // self._period_s):
            self._due_s += missed * self._period_s
            self._health.error("overrun", f"{missed} polls left out: one takes {late_s + self._period_s:.1f} s")
