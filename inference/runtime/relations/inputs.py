"""Values that relations are made of, row by row: what a stream said, means and changes over a while, runs, peers.

A value is held while its stream may rightly be silent (three of its periods); a mean or a change needs nine tenths of
its rows, so that what was counted while a link was cut is nobody's deviation.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.runtime.intake import Chunk
from inference.runtime.relations.table import ROWS_MAX, Input
from inference.windows import Floats

__all__ = ["Runs", "Window", "peers_median"]

_KNOWN_SHARE = 0.9
_HELD_ROWS, _HELD_PERIODS = 3, 3.0
_HIGH_FADES = 0.5 ** (1.0 / (14 * 1_440))  # of a row: a high of two weeks ago counts half
_RUN_PULL, _RUN_FRESH_US, _RUN_GAP_US = 0.5, 7_200_000_000, 900_000_000
_PEERS_EXACT = 64
_NO_TIME = np.iinfo(np.int64).min // 2


class Window:
    """The last rows of `count` streams."""

    def __init__(self, periods_s: Sequence[float | None], row_s: float) -> None:
        count = len(periods_s)
        self.ring = np.full((count, ROWS_MAX), np.nan)
        self.at_row = np.full(count, -1, np.int64)  # the row of each stream's newest value
        self.last, self.top = np.full(count, np.nan), np.full(count, np.nan)
        periods = np.array([np.inf if one is None else one for one in periods_s], np.float64)
        self._held_rows = np.maximum(_HELD_ROWS, np.ceil(_HELD_PERIODS * periods / row_s))

    def step(self, row: int, values: Floats, known: NDArray[np.bool_]) -> None:
        """Take a row in."""
        self.last = np.where(known, values, self.last)
        self.at_row = np.where(known, row, self.at_row)
        held = (row - self.at_row <= self._held_rows) & (self.at_row >= 0)
        now = np.where(held, self.last, np.nan)
        self.ring[:, row % ROWS_MAX] = now
        self.top = np.fmax(self.top * _HIGH_FADES, now)

    def value(self, one: Input, slots: NDArray[np.intp], row: int) -> Floats:
        """An input at these streams; NaN where it is not known."""
        if one.how == "high":
            found: Floats = self.top[slots]
            return found
        if one.how in ("mean", "size"):
            part = self.ring[slots][:, (row - np.arange(one.rows)) % ROWS_MAX]
            part = np.abs(part) if one.how == "size" else part
            have = np.isfinite(part)
            enough = have.sum(axis=1) >= _KNOWN_SHARE * one.rows
            total = np.where(have, part, 0.0).sum(axis=1) / np.maximum(have.sum(axis=1), 1)
            return np.where(enough, total, np.nan)
        now = self.ring[slots, row % ROWS_MAX]
        if one.how == "change":
            part = self.ring[slots][:, (row - np.arange(one.rows + 1)) % ROWS_MAX]
            enough = np.isfinite(part).sum(axis=1) >= _KNOWN_SHARE * part.shape[1]
            return np.where(enough, now - self.ring[slots, (row - one.rows) % ROWS_MAX], np.nan)
        return np.asarray(now)


class Runs:
    """How long machines run at a time: minutes of the last runs, of streams that are on (1) or off (0)."""

    def __init__(self, count: int) -> None:
        self.on = np.zeros(count, np.int8)  # 1 on, -1 off, 0 not known
        self.since_us = np.full(count, _NO_TIME)
        self.heard_us, self.ended_us = np.full(count, _NO_TIME), np.full(count, _NO_TIME)
        self.log_min = np.full(count, np.nan)

    def take(self, chunk: Chunk) -> None:
        """Readings of these streams, ascending in time."""
        for slot, ts_us, value in zip(chunk.slot.tolist(), chunk.ts_us.tolist(), chunk.value.tolist(), strict=True):
            on = 1 if value > 0.5 else -1
            if ts_us - self.heard_us[slot] > _RUN_GAP_US:
                self.on[slot], self.since_us[slot] = 0, _NO_TIME
            self.heard_us[slot] = ts_us
            if on == self.on[slot]:
                continue
            if on == -1 and self.since_us[slot] > _NO_TIME:
                self._ended(slot, ts_us)
            self.since_us[slot] = ts_us if on == 1 and self.on[slot] == -1 else _NO_TIME
            self.on[slot] = on

    def minutes(self, now_us: int) -> Floats:
        """The mean length of the last runs, by the logarithm; NaN where none has ended lately."""
        with np.errstate(over="ignore"):
            return np.where(now_us - self.ended_us <= _RUN_FRESH_US, np.exp(self.log_min), np.nan)

    def _ended(self, slot: int, ts_us: int) -> None:
        run = float(np.log(max(ts_us - self.since_us[slot], 1_000_000) / 6e7))
        known = self.log_min[slot]
        fresh = np.isnan(known) or ts_us - self.ended_us[slot] > _RUN_FRESH_US
        self.log_min[slot] = run if fresh else known + _RUN_PULL * (run - known)
        self.ended_us[slot] = ts_us


def peers_median(values: Floats) -> Floats:
    """(n,) values of one make: for each the median of the others; of large makes, of all of them."""
    count = len(values)
    if count > _PEERS_EXACT:
        return np.full(count, np.nanmedian(values) if np.isfinite(values).any() else np.nan)
    others = np.where(np.eye(count, dtype=bool), np.nan, np.broadcast_to(values, (count, count)))
    have = np.isfinite(others)
    ordered = np.sort(others, axis=1)  # NaN last
    n = have.sum(axis=1)
    rows = np.arange(count)
    middle = 0.5 * (ordered[rows, np.maximum(n - 1, 0) // 2] + ordered[rows, n // 2 % count])
    return np.where(n > 0, middle, np.nan)
