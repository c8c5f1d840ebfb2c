"""What is usual of each feature of each stream: maxima of blocks of rows, and a tail above them.

As in `inference.novelty`, for thousands of streams at once and in bounded memory: the last 128 block maxima of both
sides of each feature in float32, of which the upper 15 % give a generalised Pareto tail. Below, two quantiles stand
for the ranks. A stream never claims to be rarer than what it has seen lets it say: log10(blocks) + 1.5 decades, so how
long it learns before it may alarm follows from the budget.
"""

import numpy as np
from numpy.typing import NDArray

from inference.windows import Floats

__all__ = ["BLOCKS", "BlockReference"]

BLOCKS = 128
_BLOCKS_LEAST = 6
_TAIL_SHARE, _TAIL_LEAST, _TAIL_SHAPE = 0.15, 4, 0.15
_RANGE_SHARE = 0.1  # of the range of maxima, shared among the exceedances: widens the tail of a short history
_MIDDLE_LOG_P = 0.3
_LOG_P_MAX = 8.0


class BlockReference:
    """`columns` statistics of `streams` streams, each judged on the side of its high values."""

    def __init__(self, streams: int, columns: int, tail_shape: float = _TAIL_SHAPE) -> None:
        both, self._shape = columns, tail_shape
        self.peaks = np.zeros((streams, BLOCKS, both), np.float32)
        self.count = np.zeros(streams, np.int64)  # blocks ever taken
        self._low, self._middle, self._top = (np.zeros((streams, both)) for _ in range(3))
        self._scale = np.ones((streams, both))
        self._base = np.zeros(streams)

    def judge(self, both: Floats) -> Floats:
        """−log10 p (streams, columns) of one row of statistics (streams, columns); 0 before six blocks."""
        above = np.maximum(both - self._top, 0.0) / self._scale
        decades = np.log1p(self._shape * above) / self._shape if self._shape else above
        tail = decades / np.log(10.0) + self._base[:, None]
        lower = np.clip((both - self._low) / np.maximum(self._middle - self._low, 1e-300), 0.0, 1.0) * _MIDDLE_LOG_P
        upper = np.clip((both - self._middle) / np.maximum(self._top - self._middle, 1e-300), 0.0, 1.0)
        inner = lower + upper * (self._base[:, None] - _MIDDLE_LOG_P)
        log_p = np.where(both > self._top, tail, inner)
        known = self.count >= _BLOCKS_LEAST
        found: Floats = np.where(known[:, None], np.clip(log_p, 0.0, _LOG_P_MAX), 0.0)
        return found

    def learn(self, which: NDArray[np.intp], peaks: Floats) -> None:
        """A block of some streams is over; `peaks` (which, columns) are its maxima."""
        self.peaks[which, self.count[which] % BLOCKS] = peaks
        self.count[which] += 1
        have = np.minimum(self.count[which], BLOCKS)
        for n in np.unique(have[have >= _BLOCKS_LEAST]).tolist():
            self._fit(which[have == n], n)

    def _fit(self, which: NDArray[np.intp], n: int) -> None:
        ordered = np.sort(self.peaks[which, :n], axis=1).astype(np.float64)
        exceeding = max(int(n * _TAIL_SHARE), _TAIL_LEAST)
        top = ordered[:, n - exceeding - 1]
        excess = (ordered[:, n - exceeding :] - top[:, None]).sum(axis=1)
        excess += _RANGE_SHARE * (ordered[:, -1] - ordered[:, 0])
        size = np.maximum(np.abs(ordered[:, -1]), np.abs(ordered[:, 0]))
        self._scale[which] = np.maximum(excess / exceeding, 1e-6 * size + 1e-12) * (1.0 - self._shape)
        self._low[which], self._middle[which], self._top[which] = ordered[:, 0], ordered[:, n // 2], top
        self._base[which] = -np.log10((exceeding + 1) / (n + 1))
