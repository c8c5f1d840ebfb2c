"""MAVLink logs: `.tlog` (8 bytes of time before each frame) and raw streams as a serial port gives them.

A frame with a wrong checksum is left out and reported with its byte; what cannot be framed is searched for the next
whole message. The recorder's clock is kept in `_t_us`; UTC comes from SYSTEM_TIME or GPS (see `logs.clock`).
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from drone_ingest.damage import GAVE_UP, Notes
from drone_ingest.found import Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.mavlink_track import fill_flight
from drone_ingest.mavlink.dialect import DEFAULT
from drone_ingest.mavlink.window import Window, decode_window
from drone_ingest.message_store import MessageStore

__all__ = ["STAMP_BYTES", "Progress", "read_raw", "read_tlog"]

STAMP_BYTES = 8
Progress = Callable[[int], None]
"""Told how many more bytes are done."""


def read_tlog(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """A telemetry log of QGroundControl, Mission Planner or MAVProxy."""
    return _read(path, limits, progress, "tlog", STAMP_BYTES)


def read_raw(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """A MAVLink byte stream without times."""
    return _read(path, limits, progress, "mavlink", 0)


def _read(path: Path, limits: DroneLimits, progress: Progress, kind: str, prefix: int) -> Flight:
    notes = Notes(limits.warnings)
    store = MessageStore(limits)
    reader = _Reader(notes, store, limits.repairs, prefix)
    with path.open("rb") as file:
        left = b""
        final = False
        while not final:
            more = file.read(limits.window_bytes)
            final = len(more) < limits.window_bytes
            window = left + more
            found = decode_window(window, name=DEFAULT, prefix=prefix, final=final, tries=reader.tries)
            reader.take(found, window)
            left = window[found.used :]
            progress(len(more))
    reader.conclude()
    flight = Flight(kind=kind, file=path.name, notes=notes, messages=store.tables(), keep=store)
    fill_flight(flight, stamped=prefix > 0)
    return flight


class _Reader:
    """Adds windows up: where each begins in the file, and what was wrong in it."""

    def __init__(self, notes: Notes, store: MessageStore, tries: int, prefix: int) -> None:
        self._notes, self._store, self.tries = notes, store, tries
        self._base, self._prefix = 0, prefix
        self._unknown: Counter[int] = Counter()

    def take(self, found: Window, window: bytes) -> None:
        for name, batch in found.batches.items():
            self._store.add(name, batch)
        for start, end in found.gaps:
            cut = end == len(window) and window[start + self._prefix : start + self._prefix + 1] in (b"\xfd", b"\xfe")
            problem = "the file ends inside a message" if cut else "bytes that are no MAVLink"
            self._notes.damage(self._base + start, "byte", problem, end - start)
        for at in found.bad.tolist():
            self._notes.damage(self._base + at, "byte", "a message with a wrong checksum")
        self._unknown.update(found.unknown)
        self.tries = max(self.tries - found.tried, 0)
        self._base += found.used

    def conclude(self) -> None:
        for number, count in self._unknown.most_common(10):
            self._notes.warn(f"{count} messages of id {number} are in no dialect and were left out")
        if not self.tries:
            self._notes.warn(GAVE_UP)
