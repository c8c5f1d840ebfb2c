"""From readings to rows of one length: the mean of what a stream said in it, held where it reports by exception."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.runtime.intake import Chunk
from inference.windows import Floats

__all__ = ["RowMaker"]

EMPTY_ROWS_MAX = 1_440  # of a silence longer than that only the end is scored
_NO_ROW = -1


class RowMaker:
    """`take` a chunk up to a moment; rows that have ended by then come out as (row, values, known)."""

    def __init__(self, row_s: float, periods_s: Sequence[float | None]) -> None:
        count = len(periods_s)
        self._row_us = round(row_s * 1e6)
        self._by_exception = np.array([period is None for period in periods_s], bool)
        self.sums, self.counts = np.zeros(count), np.zeros(count, np.int64)
        self.last = np.full(count, np.nan)
        self.offsets_us, self.heard_us = (
            np.zeros(count),
            np.full(count, np.nan),
        )  # mean moment of the last row's readings
        self.gaps = np.zeros(count, np.int64)  # rows in which a stream that should have spoken said nothing
        self.row = _NO_ROW

    def take(self, chunk: Chunk, cut_us: int) -> Iterator[tuple[int, Floats, NDArray[np.bool_]]]:
        """Chunk (slots of these streams, ascending in time) and all rows that end at or before `cut_us`."""
        row_of = chunk.ts_us // self._row_us
        start = 0
        if len(row_of):
            edges = np.append(np.flatnonzero(row_of[1:] != row_of[:-1]) + 1, len(row_of))
            for end in edges.tolist():
                yield from self._close_until(int(row_of[start]))
                self._add(chunk.take(slice(start, end)))
                start = end
        yield from self._close_until(int(cut_us // self._row_us))

    def _close_until(self, row: int) -> Iterator[tuple[int, Floats, NDArray[np.bool_]]]:
        if self.row == _NO_ROW:
            self.row = row
        if row - self.row > EMPTY_ROWS_MAX:
            yield self._close()
            self.gaps += ~self._by_exception * (row - EMPTY_ROWS_MAX - self.row)
            self.row = row - EMPTY_ROWS_MAX
        while self.row < row:
            yield self._close()

    def _add(self, chunk: Chunk) -> None:
        self.sums += np.bincount(chunk.slot, chunk.value, len(self.sums))
        self.counts += np.bincount(chunk.slot, minlength=len(self.counts))
        into_us = (chunk.ts_us - self.row * self._row_us).astype(np.float64)
        self.offsets_us += np.bincount(chunk.slot, into_us, len(self.offsets_us))
        self.last[chunk.slot] = chunk.value

    def _close(self) -> tuple[int, Floats, NDArray[np.bool_]]:
        spoke = self.counts > 0
        known = spoke | (self._by_exception & np.isfinite(self.last))
        values = np.where(spoke, self.sums / np.maximum(self.counts, 1), self.last)
        self.gaps += ~known & np.isfinite(self.last)
        mean_us = self.row * self._row_us + self.offsets_us / np.maximum(self.counts, 1)
        self.heard_us[:] = np.where(spoke, mean_us, np.nan)
        self.offsets_us[:] = 0.0
        self.sums, self.counts = np.zeros(len(self.sums)), np.zeros(len(self.counts), np.int64)
        self.row += 1
        return self.row - 1, values, known
