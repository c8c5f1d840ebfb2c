"""Readings on their way to rows: kept until their time has passed, then given out in the order of their own times.

What is scored depends on the times of readings alone, never on when they came or in what batches.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference.windows import Floats
from wire.quality import TIME_SUSPECT, UNUSABLE

__all__ = ["Chunk", "Intake"]

WAITING_MAX = 2_000_000  # readings; 48 MB
_DENSE_ID = 1 << 20
_DROP = UNUSABLE | TIME_SUSPECT


class Chunk(NamedTuple):
    """Readings in the order of their times; `slot` is the stream's place in the scorer."""

    slot: NDArray[np.intp]
    ts_us: NDArray[np.int64]
    value: Floats

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Chunk":
        """Some of the rows."""
        return Chunk(self.slot[rows], self.ts_us[rows], self.value[rows])


class Intake:
    """`add` in any order, `take` what is older than a moment; later than that is too late and counted."""

    def __init__(self) -> None:
        self._parts: list[Chunk] = []
        self._slots = np.full(1, -1, np.intp)
        self.waiting, self.too_late, self.dropped = 0, 0, 0
        self.cut_us = np.iinfo(np.int64).min  # everything before was given out
        self.newest_us = np.iinfo(np.int64).min

    def place(self, point: int, slot: int) -> None:
        """Readings of this point belong to this slot."""
        if not 0 <= point < _DENSE_ID * 64:
            raise ValueError(f"{point} is no id of a point")
        if point >= len(self._slots):
            grown = np.full(max(point + 1, 2 * len(self._slots)), -1, np.intp)
            grown[: len(self._slots)] = self._slots
            self._slots = grown
        self._slots[point] = slot

    def slots_of(self, points: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The slot of each point, and where there is one."""
        slot = self._slots.take(points, mode="clip")
        return slot, (slot >= 0) & (points < len(self._slots))

    def add(
        self,
        points: NDArray[np.uint32],
        ts_us: NDArray[np.int64],
        values: Floats,
        quality: NDArray[np.uint8] | None = None,
    ) -> None:
        """Take a batch; what is no number, flagged unusable or of no stream is left out."""
        slot, good = self.slots_of(points)
        good &= np.isfinite(values)
        if quality is not None:
            good &= (quality & _DROP) == 0
        late = good & (ts_us < self.cut_us)
        self.too_late += int(np.count_nonzero(late))
        good &= ~late
        if not good.any():
            return
        part = Chunk(slot[good], ts_us[good], values[good])
        self._parts.append(part)
        self.waiting += len(part.slot)
        self.newest_us = max(self.newest_us, int(part.ts_us.max()))
        while self.waiting > WAITING_MAX and len(self._parts) > 1:
            gone = self._parts.pop(0)
            self.waiting -= len(gone.slot)
            self.dropped += len(gone.slot)

    def take(self, cut_us: int) -> Chunk:
        """Everything older than `cut_us`, which becomes the bound of what is too late."""
        self.cut_us = max(self.cut_us, cut_us)
        if not self._parts:
            return Chunk(np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros(0))
        whole = Chunk(*(np.concatenate(columns) for columns in zip(*self._parts, strict=True)))
        ripe = whole.ts_us < cut_us
        rest = whole.take(~ripe)
        self._parts = [rest] if len(rest.slot) else []
        self.waiting = len(rest.slot)
        found = whole.take(ripe)
        return found.take(np.lexsort((found.slot, found.ts_us)))

    @property
    def oldest_us(self) -> int | None:
        """The time of the oldest reading that waits."""
        return min((int(part.ts_us.min()) for part in self._parts), default=None)
