"""Since when a point is abnormal: its condition is followed as values change, in memory, for all points at once.

A condition is `range` (outside its limits, or flagged so) or `bad` (bad quality, no number); staleness is a matter
of the clock and has no memory. Where the readings before were not seen (after a start, behind a backlog), the
beginning is looked for in the stored past, approximately.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.directory import Directory
from twin.history import Series
from twin.state import LiveState, StateTable
from wire.quality import BAD, NOT_A_NUMBER, OUT_OF_RANGE

__all__ = ["LOOK_BACK_US", "Bounds", "Conditions", "began_us"]

OK, RANGE, BROKEN = 0, 1, 2
LOOK_BACK_US = 24 * 3_600_000_000  # a condition that is older than a day is said to have begun a day ago
_DOUBT_US = 5_000_000  # a reading that follows the last one seen so much later may not have been the first
_RECALLED_MAX = 100  # points whose past is looked up in one go
_NEVER = np.iinfo(np.int64).min


class Bounds(NamedTuple):
    """Limits by global id, infinite where a point has none."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, directory: Directory) -> "Bounds":
        """The limits of the directory: an operator's own before those of the catalogue."""
        size = max((view.id for view in directory.views), default=0) + 1
        bounds = cls(np.full(size, -np.inf), np.full(size, np.inf))
        for view in directory.views:
            if view.low is not None:
                bounds.low[view.id] = view.low
            if view.high is not None:
                bounds.high[view.id] = view.high
        return bounds

    def codes(
        self, ids: NDArray[np.uint32], value: NDArray[np.float64], quality: NDArray[np.uint8]
    ) -> NDArray[np.int8]:
        """The condition of each reading."""
        known = ids < len(self.low)
        outside = (value < self.low.take(ids, mode="clip")) | (value > self.high.take(ids, mode="clip"))
        code = np.where((outside & known) | ((quality & OUT_OF_RANGE) != 0), RANGE, OK)
        return np.where(quality & (BAD | NOT_A_NUMBER), BROKEN, code).astype(np.int8)


class Conditions:
    """Follows the live state; used by one thread. `update` costs what has changed since the last one."""

    def __init__(self, state: LiveState, bounds: Callable[[], Bounds]) -> None:
        self._state, self._bounds = state, bounds
        self._seen, self._by = -1, bounds()
        self._code, self._since_us = np.zeros(0, np.int8), np.zeros(0, np.int64)
        self._at_us = np.zeros(0, np.int64)  # of the reading seen last
        self._doubtful: dict[int, None] = {}

    def update(self) -> None:
        """Take in what changed: a new condition began with the reading that shows it."""
        bounds, version = self._bounds(), self._state.version
        if version == self._seen and bounds is self._by:
            return
        ids = self._state.changed(self._seen) if bounds is self._by else None  # new limits: look at every point
        self._seen, self._by = version, bounds
        table = self._state.snapshot(ids)
        if not len(table.point):
            return
        self._grow(int(table.point.max()) + 1)
        code = bounds.codes(table.point, table.value, table.quality)
        turned = code != self._code[table.point]
        new = table.point[turned]
        self._code[new] = code[turned]
        self._since_us[new] = np.where(code[turned] == OK, _NEVER, table.ts_us[turned])
        unseen = turned & (code != OK) & (table.ts_us > self._at_us[table.point] + _DOUBT_US)
        self._doubtful |= dict.fromkeys(table.point[unseen].tolist())
        self._at_us[table.point] = table.ts_us

    def since_us(self, table: StateTable) -> NDArray[np.int64]:
        """When the present condition of each row's point began; the least integer where it is in order."""
        self.update()
        if not len(self._since_us):
            return np.full(len(table.point), _NEVER)
        known = table.point < len(self._since_us)
        return np.where(known, self._since_us.take(table.point, mode="clip"), _NEVER)

    def doubtful(self) -> NDArray[np.uint32]:
        """Ids of some points whose past is worth looking up, each once a condition."""
        self.update()
        taken = list(self._doubtful)[:_RECALLED_MAX]
        for point in taken:
            del self._doubtful[point]
        return np.array(taken, np.uint32)

    def recall(self, began: dict[int, int]) -> None:
        """What the past says: points that are still abnormal have been so since then."""
        for point, since_us in began.items():
            if point < len(self._code) and self._code[point] != OK:
                self._since_us[point] = min(int(self._since_us[point]), since_us)

    def _grow(self, size: int) -> None:
        more = size - len(self._code)
        if more > 0:
            self._code = np.append(self._code, np.zeros(more, np.int8))
            self._since_us = np.append(self._since_us, np.full(more, _NEVER))
            self._at_us = np.append(self._at_us, np.full(more, _NEVER))


def began_us(series: Series, bounds: Bounds) -> int | None:
    """Start of the last unbroken run of abnormal rows of a point's past; None when its last row is in order."""
    if not len(series.ts_us):
        return None
    value = np.asarray(series.values)
    if value.dtype.kind != "f":
        value = np.full(len(series.ts_us), np.nan)
    ids = np.full(len(series.ts_us), series.point, np.uint32)
    normal = np.flatnonzero(bounds.codes(ids, value, series.quality) == OK)
    first = int(normal[-1]) + 1 if len(normal) else 0
    return int(series.ts_us[min(first, len(series.ts_us) - 1)])
