"""What a source gave, with the promises about every batch checked on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from edge.sources import Batch, Source
from wire.names import is_name
from wire.quality import STALE
from wire.schemas import READINGS, STATES, schema

__all__ = ["WAIT_S_MAX", "NotKeptError", "Row", "Taken", "promise", "wait_for"]

WAIT_S_MAX = 60.0  # for what must come at all; generous, since CI machines are shared
LOOK_S = 0.01


class NotKeptError(AssertionError):
    """A promise that the source did not keep."""


def promise(kept: object, what: str) -> None:
    """Raise NotKeptError with `what` unless it was kept."""
    if not kept:
        raise NotKeptError(what)


class Row(NamedTuple):
    """One reading or state."""

    key: str
    us: int
    value: Any
    quality: int

    @property
    def stale(self) -> bool:
        """Whether it is the last known value, repeated because the link is lost."""
        return bool(self.quality & STALE)


class Taken:
    """Rows of a source in the order in which it gave them; `key` is the point that a check follows."""

    def __init__(self, source: Source, key: str = "") -> None:
        self.source, self.all, self._key, self._known = source, list[Row](), key, 0

    @property
    def rows(self) -> list[Row]:
        """Rows of the followed point."""
        return [row for row in self.all if row.key == self.key]

    @property
    def key(self) -> str:
        """The followed point; the first that said something, unless it was named."""
        return self._key or (self.all[0].key if self.all else "")

    @property
    def good(self) -> list[Any]:
        """Values of the followed point that the peer really said."""
        return [row.value for row in self.rows if not row.stale]

    def says(self, value: Any) -> bool:
        """Whether the newest row is a fresh `value`."""
        return bool(rows := self.rows) and not rows[-1].stale and rows[-1].value == value

    async def until(self, enough: Callable[[], object], what: str) -> None:
        """Read batches until `enough`; NotKeptError with `what` when it does not come."""
        try:
            async with asyncio.timeout(WAIT_S_MAX), aclosing(self.source.batches()) as stream:  # type: ignore[type-var]
                while not enough():
                    self.take(await anext(stream))
        except (TimeoutError, StopAsyncIteration) as error:
            last = [tuple(row) for row in self.rows[-3:]]
            raise NotKeptError(f"{what}: not in {WAIT_S_MAX:g} s; last {last}, {self.source.health}") from error

    def take(self, batch: Batch) -> None:
        """Check one batch, keep its rows, and accept it as the spool does."""
        points = self.source.points()
        promise(len(points) >= self._known, "the list of points only grows")
        self._known = len(points)
        promise([point.id for point in points] == list(range(len(points))), "points()[i].id == i")
        promise(len({point.key for point in points}) == len(points), "no two points have one key")
        named = all(is_name(point.device) and is_name(point.metric) for point in points)
        promise(named, "devices and metrics have legal names")
        promise(batch.rows.schema == schema(batch.schema_id), "a batch has the schema of its id")
        batch.rows.validate(full=True)
        if batch.schema_id in {READINGS, STATES}:
            ids, times = batch.rows["point"].to_pylist(), batch.rows["ts"].cast("int64").to_pylist()
            values, flags = batch.rows["value"].to_pylist(), batch.rows["quality"].to_pylist()
            self.all += map(Row, [points[at].key for at in ids], times, values, flags)
        if batch.accepted is not None:
            batch.accepted(0)


async def wait_for(condition: Callable[[], object], what: str) -> None:
    """Look until it holds; NotKeptError with `what` when it does not come."""
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            while not condition():  # noqa: ASYNC110  (counters have no event)
                await asyncio.sleep(LOOK_S)
    except TimeoutError as error:
        raise NotKeptError(f"{what}: not in {WAIT_S_MAX:g} s") from error
