"""Which scores are worth keeping or sending: those of streams that are not calm, as far as they changed."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["SCORE_CLASS", "SUFFIX", "Worth"]

SUFFIX: Final = "-score"  # of the metric; the score is a point of the same device
SCORE_CLASS: Final = "score"
_NOTABLE, _CHANGE = 1.5, 0.5  # decades
_BEAT_US = 900_000_000


class Worth:
    """`choose` from tables of scores in the order of time; used by one thread."""

    def __init__(self) -> None:
        self._last, self._last_us = np.zeros(1), np.zeros(1, np.int64)
        self._has = np.zeros(1, bool)  # the stream was ever worth it

    def choose(self, table: pa.RecordBatch) -> NDArray[np.intp]:
        """Rows of `table` to keep: the first score of a decade and a half of a stream, and from then on what changed by
        half a decade while it is not calm, what explains an alarm, and a heartbeat of a quarter of an hour."""
        points = table["point"].to_numpy(zero_copy_only=False)
        if not len(points):
            return np.zeros(0, np.intp)
        score, alarm = (table[name].to_numpy(zero_copy_only=False) for name in ("score", "alarm"))
        ts_us = table["ts"].view("int64").to_numpy(zero_copy_only=False)
        explained = table["channels"].is_valid().to_numpy(zero_copy_only=False)
        self._grow(int(points.max()))
        has, last = self._has[points], self._last[points]
        stirred = np.maximum(score, last) >= _NOTABLE
        worth = stirred & (~has | (np.abs(score - last) >= _CHANGE)) | (alarm & ~has)
        due = has & (last >= _NOTABLE) & (ts_us - self._last_us[points] >= _BEAT_US)
        chosen = np.flatnonzero(worth | due | explained)
        self._last[points[chosen]], self._last_us[points[chosen]] = score[chosen], ts_us[chosen]
        self._has[points[chosen]] = True
        return chosen

    def _grow(self, top: int) -> None:
        if top < len(self._last):
            return
        for name in ("_last", "_last_us", "_has"):
            old = getattr(self, name)
            new: NDArray[Any] = np.zeros(2 * (top + 1), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
