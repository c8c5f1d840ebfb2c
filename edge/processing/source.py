"""A source seen through `[[process]]`: its values scaled, its readings thinned, its commands scaled back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edge.processing.config import ProcessRow
from edge.processing.thinning import Columns, Thinner
from edge.sources import Batch, Source, SourceHealth
from edge.sources.columns import readings
from wire.catalogue import Point
from wire.schemas import READINGS

__all__ = ["ProcessedSource", "processed"]


Tap = Callable[[Sequence[Point], Columns], None]


def processed(source: Source, rows: Sequence[ProcessRow], tap: Tap) -> Source:
    """The source itself when there is nothing to do. `tap` hears its readings scaled and before they are thinned."""
    return ProcessedSource(source, rows, tap) if rows else source


class ProcessedSource:
    """Streams that can be read again (recordings) keep every row, since their place is counted in rows.

    `health` is that of the source itself: what was left out on purpose counts as sent.
    """

    def __init__(self, source: Source, rows: Sequence[ProcessRow], tap: Tap) -> None:
        self._source, self._rows, self._tap = source, rows, tap
        self.health: SourceHealth = source.health
        self._points: list[Point] = []
        self._thinned: dict[int, ProcessRow] = {}
        self._scaled: dict[int, ProcessRow] = {}
        self._factors: NDArray[np.float64] = np.zeros((0, 2))
        self._thinner = Thinner()
        self.can_wait: bool = getattr(source, "can_wait", False)

    @property
    def left_out(self) -> int:
        """Readings that were thinned away."""
        return self._thinner.left_out

    async def __aenter__(self) -> Self:
        await self._source.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._source.__aexit__(kind, error, trace)

    def points(self) -> list[Point]:
        """Those of the source in their new units."""
        for point in self._source.points()[len(self._points) :]:
            self._learn(point)
        return self._points

    async def batches(self) -> AsyncIterator[Batch]:
        """Those of the source; one of which nothing is kept is accepted at once."""
        async with aclosing(self._source.batches()) as batches:  # type: ignore[type-var]  # sources yield, so it closes
            async for batch in batches:
                self.points()
                if batch.schema_id != READINGS or not (self._scaled or self._thinned):
                    yield batch
                    continue
                done = self._process(batch)
                if done.rows.num_rows or done.accepted is None:
                    yield done
                else:
                    done.accepted(0)
                    await asyncio.sleep(0)
        if (rest := self._thinner.rest(self._thinned)).ids.size:
            yield Batch(READINGS, _rows(rest))

    async def write(self, point: Point, value: float | str | bool) -> None:
        """In the unit that `points()` tells."""
        row = self._scaled.get(point.id)
        if row is not None and isinstance(value, int | float) and not isinstance(value, bool):
            value = (value - row.offset) / row.scale
        await self._source.write(self._source.points()[point.id], value)

    def _learn(self, point: Point) -> None:
        row = next((row for row in self._rows if any(fnmatchcase(point.key, one) for one in row.points)), None)
        factors = (1.0, 0.0)
        if row is not None and point.kind == "value":
            if row.thins:
                self._thinned[point.id] = row
            if (row.scale, row.offset) != factors:
                self._scaled[point.id] = row
                factors = (row.scale, row.offset)
            point = _in_unit(point, row)
        self._factors = np.concatenate([self._factors, [factors]])
        self._points.append(point)

    def _process(self, batch: Batch) -> Batch:
        columns = _columns(batch)
        if self._scaled:
            scale, offset = self._factors[columns.ids].T
            columns = columns._replace(values=columns.values * scale + offset)
        if self._thinned and not batch.stream:
            self._tap(self._points, columns)
            columns = self._thinner.thin(columns, self._thinned)
        return replace(batch, rows=_rows(columns))


def _in_unit(point: Point, row: ProcessRow) -> Point:
    changes: dict[str, object] = {} if row.unit is None else {"unit": row.unit}
    if (row.scale, row.offset) != (1.0, 0.0):
        ends = [None if end is None else end * row.scale + row.offset for end in (point.low, point.high)]
        low, high = ends if row.scale > 0 else ends[::-1]
        changes |= {"low": low, "high": high, "declared": "f64"}
    return msgspec.structs.replace(point, **changes)


def _columns(batch: Batch) -> Columns:
    rows = batch.rows
    return Columns(
        rows["point"].to_numpy(),
        rows["ts"].cast("int64").to_numpy(),
        rows["value"].to_numpy(zero_copy_only=False),
        rows["quality"].to_numpy(),
    )


def _rows(columns: Columns) -> pa.RecordBatch:
    return readings(columns.ids, columns.ts_us, columns.values, columns.quality)
