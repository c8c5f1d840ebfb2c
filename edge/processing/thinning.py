"""Report by exception and by period: which readings of a point are kept. Causal, one pass, a few numbers a point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.processing.config import ProcessRow

__all__ = ["Columns", "Thinner"]


class Columns(NamedTuple):
    """Readings as columns (n,): ids, µs, values, quality."""

    ids: NDArray[np.uint32]
    ts_us: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Columns:
        """Some of the rows."""
        return Columns(self.ids[rows], self.ts_us[rows], self.values[rows], self.quality[rows])

    def and_then(self, more: Columns) -> Columns:
        """Its rows, then those of another."""
        return Columns(
            np.concatenate([self.ids, more.ids]),
            np.concatenate([self.ts_us, more.ts_us]),
            np.concatenate([self.values, more.values]),
            np.concatenate([self.quality, more.quality]),
        )


class _Window:
    """The readings of one period of one point, as far as they must be remembered."""

    __slots__ = ("begin_us", "count", "high", "last", "low", "quality", "total")

    def __init__(self, begin_us: int) -> None:
        self.begin_us, self.count, self.total, self.quality = begin_us, 0, 0.0, 0
        self.last = self.low = self.high = (0, 0.0)

    def add(self, ts_us: int, value: float, quality: int) -> None:
        here = (ts_us, value)
        if not self.count or value < self.low[1]:
            self.low = here
        if not self.count or value > self.high[1]:
            self.high = here
        self.last, self.count, self.total, self.quality = here, self.count + 1, self.total + value, quality

    def told(self, how: str) -> list[tuple[int, float]]:
        """The readings that stand for it."""
        if how == "mean":
            return [(self.last[0], self.total / self.count)]
        if how == "extremes":
            return sorted({self.low, self.high})
        return [self.last]


class Thinner:
    """All points of one source. A change of quality, and what is no number, is always kept."""

    def __init__(self) -> None:
        self.left_out = 0
        self._kept: dict[int, tuple[int, float, int]] = {}  # µs, value, quality of the newest that was kept
        self._windows: dict[int, _Window] = {}

    def thin(self, columns: Columns, rows: dict[int, ProcessRow]) -> Columns:
        """What is kept; `rows` gives what happens to each point, and leaves others as they are."""
        touched = np.isin(columns.ids, np.fromiter(rows, np.uint32, len(rows)))
        if not touched.any():
            return columns
        found: list[tuple[int, int, float, int]] = []
        mine = columns.take(touched)
        for point, ts_us, value, quality in zip(*(column.tolist() for column in mine), strict=True):
            row = rows[point]
            if row.every_s is not None:
                found += self._by_period(point, ts_us, value, quality, row)
            elif self._by_exception(point, ts_us, value, quality, row):
                found.append((point, ts_us, value, quality))
        self.left_out += len(mine.ids) - len(found)
        return _joined(columns.take(~touched), found)

    def _by_exception(self, point: int, ts_us: int, value: float, quality: int, row: ProcessRow) -> bool:
        before = self._kept.get(point)
        if before is not None and row.deadband is not None:
            kept_us, kept, flags = before
            same = abs(value - kept) <= row.deadband or (np.isnan(value) and np.isnan(kept))
            if same and flags == quality and 0 <= ts_us - kept_us < row.keep_s * 1e6:
                return False
        self._kept[point] = (ts_us, value, quality)
        return True

    def _by_period(
        self, point: int, ts_us: int, value: float, quality: int, row: ProcessRow
    ) -> list[tuple[int, int, float, int]]:
        assert row.every_s is not None
        period_us = round(row.every_s * 1e6)
        begin_us, window, told = ts_us - ts_us % period_us, self._windows.get(point), []
        if window is not None and (window.begin_us != begin_us or window.quality != quality or np.isnan(value)):
            told = [(point, at_us, one, window.quality) for at_us, one in self._windows.pop(point).told(row.how)]
            window = None
        if np.isnan(value):
            return [*told, (point, ts_us, value, quality)]
        if window is None:
            window = self._windows[point] = _Window(begin_us)
        window.add(ts_us, value, quality)
        return told

    def rest(self, rows: dict[int, ProcessRow]) -> Columns:
        """What open periods stand for, at the end of a source."""
        found = [
            (point, at_us, value, window.quality)
            for point, window in self._windows.items()
            for at_us, value in window.told(rows[point].how)
        ]
        self._windows.clear()
        return _joined(None, found)


def _joined(others: Columns | None, found: list[tuple[int, int, float, int]]) -> Columns:
    ids, times, values, quality = zip(*found, strict=True) if found else ((), (), (), ())
    mine = Columns(
        np.array(ids, np.uint32), np.array(times, np.int64), np.array(values, np.float64), np.array(quality, np.uint8)
    )
    return mine if others is None else others.and_then(mine)
