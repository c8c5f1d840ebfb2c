"""What the agent lends a publisher: its points, the rows as they are accepted from sources, and a way to write."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from wire.catalogue import Point
from wire.clock import Clock
from wire.schemas import READINGS, STATES

__all__ = ["Outlet", "Row", "Rows"]

ROWS_MAX: Final = 200_000  # rows that wait for a publisher; beyond it the oldest go, which is counted


class Row(NamedTuple):
    """One value of a point, of the node's own numbering; a text is a state."""

    point: int
    ts_us: int
    value: float | str
    quality: int


@dataclass(slots=True)
class Outlet:
    """`points()` is the node's catalogue, whose ids rows use; `offered()` are the keys that sources have now."""

    site: str
    node: str
    folder: Path  # of the configuration
    spool_dir: Path
    clock: Clock
    points: Callable[[], Sequence[Point]]
    offered: Callable[[], Collection[str]]
    write: Callable[[str, float | str | bool], Awaitable[None]]  # raises SourceError
    listeners: list[Callable[[int, pa.RecordBatch], None]] = field(default_factory=list)


class Rows:
    """The rows of the points that some globs of `device/metric` name, until they are carried off."""

    def __init__(self, outlet: Outlet, globs: Sequence[str]) -> None:
        self._outlet, self._globs = outlet, globs
        self._wanted: list[bool] = []
        self._waiting: list[tuple[int, pa.RecordBatch]] = []
        self._count = 0
        self._again: list[Row] = []
        self.dropped = 0
        self.latest: dict[int, Row] = {}
        outlet.listeners.append(self._hear)

    def wanted(self) -> list[Point]:
        """The points to publish so far."""
        points = self._outlet.points()
        for point in points[len(self._wanted) :]:
            named = any(fnmatchcase(point.key, glob) for glob in self._globs)
            self._wanted.append(named and point.kind != "pose")
        return [point for point, wanted in zip(points, self._wanted, strict=True) if wanted]

    def take(self) -> list[Row]:
        """The rows since the last call, in order; `latest` then knows them."""
        self.wanted()
        waiting, self._waiting, self._count = self._waiting, [], 0
        found, self._again = self._again, []
        for _, rows in waiting:
            ids, times, values, flags = (rows[name] for name in ("point", "ts", rows.schema.names[2], "quality"))
            us = times.view(pa.int64()).to_pylist()
            columns = zip(ids.to_pylist(), us, values.to_pylist(), flags.to_pylist(), strict=True)
            found += [Row(*row) for row in columns if self._wanted[row[0]]]
        for row in found:
            known = self.latest.get(row.point)
            if known is None or row.ts_us >= known.ts_us:
                self.latest[row.point] = row
        return found

    def again(self, row: Row) -> None:
        """Let a row be told once more."""
        self._again.append(row)

    def _hear(self, schema_id: int, rows: pa.RecordBatch) -> None:
        if schema_id not in (READINGS, STATES):
            return
        self._waiting.append((schema_id, rows))
        self._count += rows.num_rows
        while self._count > ROWS_MAX and len(self._waiting) > 1:
            gone = self._waiting.pop(0)[1].num_rows
            self._count -= gone
            self.dropped += gone
