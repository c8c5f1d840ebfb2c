"""The state at moments a few seconds apart, of the time whose rows are not in cold files yet.

At 33,333 readings a second thirty million rows wait for their file; to find the state of a moment among them takes
seconds. A hot frame is the state at `at_us` of all that had arrived by `recv_us`; a question about a later moment
reads only what arrived after that or is stamped after it, and DuckDB skips the rest by its zone maps: a fifth of a
million rows, 20 ms. Frames live in memory and are made again after a start. They stay true because receive times
only grow; a transaction whose receive time does not (a clock was set back) makes them all void. What compaction
moves into a cold file is merged into them before its commit.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import duckdb
import numpy as np

from twin.asof import Candidates, Frame, moment, newest
from twin.cold import ColdReader
from twin.compaction import SLOT_US, slots
from twin.state import LiveState
from wire.clock import Clock

__all__ = ["HotFrames"]

FRAME_ROWS = 200_000  # between two frames: what the state of a moment has to read beside the frame, 20 ms
FRAMES_BYTES_MAX = 64 << 20  # 10,000 points take 290 KB a frame; beyond, every second frame goes
FRAMES_AT_ONCE = 200  # after a start: as many as a quarter of an hour of 33,333 readings a second needs
REST_FACTOR = 50  # after a frame that took 20 ms none for a second: two hundredths of a core at any load
FIRST_REST_FACTOR = 4  # those of all warm rows are made once; a fifth of a core even if clocks void them for ever
_ROW_BYTES = 29


class HotFrames:
    """The frames of one kind of rows. `before` from any thread, `extend` from one at a time."""

    def __init__(self, kind: str, state: LiveState, clock: Clock) -> None:
        self.kind, self._state, self._clock = kind, state, clock
        self._frames: list[Frame] = []
        self._rows: int | None = None  # that had been taken in when the newest frame was made; None: look at all
        self._moves = 0
        self._rest_until_s = 0.0
        self._turns = state.turns
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._frames)

    def before(self, at_us: int, known_at_us: int | None = None) -> Frame | None:
        """The newest frame at or before a moment that holds nothing which arrived after `known_at_us`.

        The caller's snapshot of the database must have begun: then what it sees of later rows completes the frame.
        """
        with self._lock:
            self._check()
            for frame in self._frames[::-1]:
                if frame.at_us <= at_us and (known_at_us is None or frame.known_us <= known_at_us):
                    return frame
        return None

    def extend(
        self, snapshot: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], reader: ColdReader
    ) -> int:
        """Make the frames that are due, returns how many: one for now, or after a start those of all warm rows."""
        now_s, taken = self._clock.monotonic_s(), self._state.taken[self.kind]
        with self._lock:
            self._check()
            since = self._turns, self._moves  # before the snapshot, so that it has all that came so far
            first, recv_us = self._rows is None, self._state.arrived_us
            if now_s < self._rest_until_s or (self._rows is not None and taken - self._rows < FRAME_ROWS):
                return 0
        with snapshot() as cursor:
            moments, beside = self._moments(cursor, recv_us) if first else ([recv_us], 0)
            for at_us in moments:
                state = moment(cursor, reader, self.kind, at_us, hot=self.before)
                known_us = max(recv_us, int(state.recv_us.max(initial=recv_us)))
                self._add(Frame(at_us, recv_us, known_us, state), since)
        with self._lock:
            self._check()
            if since[0] == self._turns:
                self._rows = taken - beside
        end_s = self._clock.monotonic_s()
        self._rest_until_s = end_s + (end_s - now_s) * (FIRST_REST_FACTOR if first else REST_FACTOR)
        return len(moments)

    def moved(self, lo_us: int, hi_us: int, lasts: Candidates) -> None:
        """Rows of a span are about to be in a cold file, `lasts` are the newest of each point."""
        with self._lock:
            self._moves += 1
            frames = [frame for frame in self._frames if not lo_us <= frame.at_us < hi_us]
            self._frames = [_merged(frame, lasts) if frame.at_us >= hi_us else frame for frame in frames]

    def clear(self) -> None:
        """Forget all frames; they are made anew."""
        with self._lock:
            self._moves += 1
            self._frames = []
            self._rows = None

    def _check(self) -> None:
        if self._turns != self._state.turns:
            self._turns, self._rows = self._state.turns, None
            self._frames = []

    def _moments(self, cursor: duckdb.DuckDBPyConnection, recv_us: int) -> tuple[list[int], int]:
        """Moments up to now between which lie FRAME_ROWS warm rows each, and how many rows lie after the last."""
        warm = slots(cursor, self.kind)
        total = int(warm.rows.sum())
        if total < FRAME_ROWS:
            return [], total
        step = max(FRAME_ROWS, total // FRAMES_AT_ONCE)
        wanted = np.arange(step, total + 1, step)
        known = np.append(0, np.cumsum(warm.rows))
        times = np.append(warm.slot[0], warm.slot + 1) * SLOT_US
        found = np.interp(wanted, known, times).astype(np.int64)
        return [*np.unique(found[found < recv_us]).tolist(), recv_us], 0

    def _add(self, frame: Frame, since: tuple[int, int]) -> None:
        """Keep a frame, unless something has happened since its snapshot that it ought to know."""
        with self._lock:
            self._check()
            if since != (self._turns, self._moves) or (self._frames and frame.at_us <= self._frames[-1].at_us):
                return
            self._frames.append(frame)
            while len(self._frames) > 2 and sum(len(f.state.point) for f in self._frames) * _ROW_BYTES > (
                FRAMES_BYTES_MAX
            ):
                self._frames = self._frames[::-2][::-1]


def _merged(frame: Frame, lasts: Candidates) -> Frame:
    state = newest([frame.state, lasts])
    return frame._replace(state=state, known_us=max(frame.known_us, int(state.recv_us.max(initial=frame.known_us))))
