"""The latest value of every point, as numpy arrays indexed by global point id. No query, no scan."""

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wire.limits import TIME_AHEAD_S_MAX

__all__ = ["LiveState", "NO_TIME", "Rows", "StateTable"]

NO_TIME = np.iinfo(np.int64).min  # a point that has never reported
_FIRST_CAPACITY = 1_024
_AHEAD_BITS = 17  # a day ahead counts as 0.66 s ahead, so that the order within the future stays
_AHEAD_US_MAX = 1_000_000
_FAR_US = TIME_AHEAD_S_MAX * 1_000_000


class Rows(NamedTuple):
    """Readings by global point id, in the order in which they came. `text` is set for states, then value is NaN."""

    point: NDArray[np.uint32]
    ts_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    recv_us: int
    text: NDArray[np.object_] | None = None


class StateTable(NamedTuple):
    """The state of some points at one moment; one row a point that has a value then."""

    point: NDArray[np.uint32]
    ts_us: NDArray[np.int64]
    value: NDArray[np.float64]  # NaN for a state, whose value is in `text`
    text: NDArray[np.object_]  # str, or None for a number
    quality: NDArray[np.uint8]

    def take(self, rows: NDArray[Any]) -> "StateTable":
        """Some of the rows, by number or by mask."""
        return StateTable(self.point[rows], self.ts_us[rows], self.value[rows], self.text[rows], self.quality[rows])


class LiveState:
    """Latest values; a reading with an older time never replaces a newer one, equal times: the later arrival wins.

    A reading stamped ahead of its arrival counts as at most a second ahead, so that a clock that was wrong for a
    while cannot freeze a point until that time has come. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self.version = 0
        self.time_us_max = NO_TIME  # newest time seen, for GET /site
        self.has_text = False  # whether any state was ever taken in
        self.exact = True  # whether "latest" still means "with the newest time": no clock was ahead of ours
        self.arrived_us = NO_TIME  # receive time of the newest transaction that was committed
        self.turns = 0  # how often a transaction's receive time was not later than that of the one before
        self.taken = {"readings": 0, "states": 0}  # rows since the start
        self._arriving_us = NO_TIME
        self._lock = threading.Lock()
        self._now_us = NO_TIME
        self._grow(_FIRST_CAPACITY, first=True)

    def arriving(self, recv_us: int) -> None:
        """A transaction with this receive time begins."""
        with self._lock:
            self.turns += recv_us <= self._arriving_us
            self._arriving_us = recv_us

    def update(self, rows: Rows) -> None:
        """Take committed readings in."""
        if not len(rows.point):
            return
        with self._lock:
            self.arrived_us = rows.recv_us
            self.taken["readings" if rows.text is None else "states"] += len(rows.point)
            top = int(rows.point.max())
            if top >= len(self.ts_us):
                self._grow(max(top + 1, 2 * len(self.ts_us)))
            self.version += 1
            order_us = rows.ts_us
            newest = int(order_us.max())
            self._now_us = max(self._now_us, rows.recv_us)  # the twin's own clock may be set back, too
            if newest > self._now_us:
                self.exact = False
                order_us = _at_arrival(order_us, self._now_us)
                newest = int(np.where(rows.ts_us > self._now_us + _FAR_US, self._now_us, rows.ts_us).max())
            self.time_us_max = max(self.time_us_max, newest)
            self._scatter(rows, order_us)

    def changed(self, since: int) -> NDArray[np.uint32]:
        """Ids of the points that were updated after version `since`."""
        with self._lock:
            return np.flatnonzero(self._changed_at > since).astype(np.uint32)

    def snapshot(self, points: NDArray[np.uint32] | None = None) -> StateTable:
        """Latest values of these points (default all); those that never reported are left out."""
        with self._lock:
            if points is None:
                points = np.flatnonzero(self._order_us != NO_TIME).astype(np.uint32)
            else:
                points = points[points < len(self._order_us)]
                points = points[self._order_us[points] != NO_TIME]
            return StateTable(points, self.ts_us[points], self.value[points], self.text[points], self.quality[points])

    def ages(self, points: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Receive time (µs) of the latest value of each point; NO_TIME for none."""
        with self._lock:
            return self.recv_us.take(points, mode="clip")

    def load(self, table: StateTable, recv_us: NDArray[np.int64]) -> None:
        """Start from what the store holds."""
        with self._lock:
            if len(table.point):
                self._grow(max(int(table.point.max()) + 1, len(self.ts_us)))
                self.time_us_max = int(table.ts_us.max())
                self.arrived_us = self._arriving_us = int(recv_us.max())
            self.turns += 1
            ids = table.point
            self.has_text = any(text is not None for text in table.text)
            self.ts_us[ids], self.value[ids], self.text[ids] = table.ts_us, table.value, table.text
            self.quality[ids], self.recv_us[ids] = table.quality, recv_us
            self._order_us[ids] = _at_arrival(table.ts_us, recv_us)
            self.exact = bool((table.ts_us <= recv_us).all())
            self.version += 1
            self._changed_at[ids] = self.version

    def _scatter(self, rows: Rows, order_us: NDArray[np.int64]) -> None:
        ids = rows.point
        if not (order_us[1:] >= order_us[:-1]).all():  # then only the newest of each point may be written
            best = self._order_us.copy()
            np.maximum.at(best, ids, order_us)
            take = np.flatnonzero(order_us == best[ids])
        else:  # then the last of each point is the newest, and only that one is looked at
            number = np.arange(len(ids), dtype=np.int32)
            self._row[ids] = number
            take = np.flatnonzero(self._row[ids] == number)
            take = take[order_us[take] >= self._order_us[ids[take]]]
        ids, order_us = ids[take], order_us[take]
        self._order_us[ids], self.ts_us[ids] = order_us, rows.ts_us[take]
        self.value[ids], self.quality[ids] = rows.value[take], rows.quality[take]
        self.recv_us[ids], self._changed_at[ids] = rows.recv_us, self.version
        if rows.text is not None:
            self.has_text = True
            self.text[ids] = rows.text[take]

    def _grow(self, capacity: int, *, first: bool = False) -> None:
        def longer(name: str, dtype: type, fill: object) -> None:
            new: NDArray[Any] = np.full(capacity, fill, dtype)
            if not first:
                old = getattr(self, name)
                new[: len(old)] = old
            setattr(self, name, new)

        self.ts_us: NDArray[np.int64]
        self.recv_us: NDArray[np.int64]
        self.value: NDArray[np.float64]
        self.quality: NDArray[np.uint8]
        self.text: NDArray[np.object_]
        self._order_us: NDArray[np.int64]
        self._changed_at: NDArray[np.int64]
        self._row: NDArray[np.int32]
        for name in ("ts_us", "recv_us", "_order_us"):
            longer(name, np.int64, NO_TIME)
        longer("value", np.float64, np.nan)
        longer("quality", np.uint8, 0)
        longer("text", object, None)
        longer("_changed_at", np.int64, 0)
        longer("_row", np.int32, 0)  # of a point's last reading in the batch at hand


def _at_arrival(ts_us: NDArray[np.int64], recv_us: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Times by which readings are ordered: their own, unless it has not come yet."""
    ahead_us = np.minimum((ts_us - recv_us) >> _AHEAD_BITS, _AHEAD_US_MAX)
    ordered: NDArray[np.int64] = np.where(ts_us > recv_us, recv_us + ahead_us, ts_us)
    return ordered
