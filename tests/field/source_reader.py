"""A source as the agent runs it, in a test: entered, read in the background, its rows at hand."""

import asyncio
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from edge.sources import SourceContext, load_kind
from wire.catalogue import Point
from wire.clock import SystemClock
from wire.schemas import EVENTS

WAIT_S_MAX = 60.0


class Row(NamedTuple):
    """One reading or state."""

    key: str
    ts_us: int
    value: Any
    quality: int


class Reading:
    """`async with Reading(table) as read:` then `await read.until(lambda: …)` and look at `rows` and `events`."""

    def __init__(self, table: dict[str, Any], folder: Path = Path()) -> None:
        row = load_kind(table["kind"])
        self.source = row.create(msgspec.convert(table, row.config), SourceContext(SystemClock(), folder))
        self.health = self.source.health
        self.rows: list[Row] = []
        self.events: list[dict[str, Any]] = []
        self._newest: dict[str, Row] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.source.__aenter__()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.source.__aexit__(None, None, None)

    async def _read(self) -> None:
        async for batch in self.source.batches():
            batch.rows.validate(full=True)
            if batch.schema_id == EVENTS:
                self.events += batch.rows.to_pylist()
            else:
                keys = [point.key for point in self.source.points()]
                ids, _, values, quality = (column.to_pylist() for column in batch.rows.columns)
                times = batch.rows["ts"].cast("int64").to_pylist()
                fresh = [*map(Row._make, zip([keys[at] for at in ids], times, values, quality, strict=True))]
                self.rows += fresh
                self._newest |= {row.key: row for row in fresh}
            if batch.accepted:
                batch.accepted(0)
            self._news.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait for it; what a source counts changes without a row, so it looks now and then too."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not enough():
                assert self._task is not None
                if self._task.done():
                    self._task.result()
                self._news.clear()
                try:
                    async with asyncio.timeout(0.1):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def last(self, key: str) -> Row | None:
        """The newest row of a point."""
        return self._newest.get(key)

    def value(self, key: str) -> Any:
        """Its value, None without one."""
        row = self.last(key)
        return row and row.value

    def point(self, key: str) -> Point:
        """The point of that key."""
        return next(point for point in self.source.points() if point.key == key)


class Serving:
    """A simulated device that holds what the test says: `server` is on the net while it is entered."""

    server: Any
    values: dict[str, Any]

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        await self.server.start(self._tasks)
        await self.server.publish(self.values)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()
        await self._tasks.__aexit__(None, None, None)


async def collect(source: Any, taken: Any) -> None:
    """Read a source on and on into what keeps its rows."""
    async for batch in source.batches():
        taken.add(source, batch)


async def until(condition: Callable[[], object], taken: Any, source: Any) -> None:
    """Wait until it holds, while `collect` reads."""
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise AssertionError(f"not reached: {taken.rows[-5:]}, {source.health}") from error


def sample(module: str) -> list[dict[str, Any]]:
    """The `[[source]]` tables in the docstring of a source's module."""
    text = import_module(module).__doc__ or ""
    tables = [part for part in text.split("\n\n") if part.lstrip().startswith("[[source")]
    return list(tomllib.loads("\n".join(tables))["source"])
