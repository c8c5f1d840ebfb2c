"""ArduPilot dataflash logs (`.BIN`): records A3 95 type, described by the FMT records of the log itself.

There is no checksum. A place where no known record begins is searched for the next one that is followed by another;
what lies between is reported. Column values are those of pymavlink's DFReader: centi-degrees divided, text to its
first zero byte. `_t_us` is TimeUS, the autopilot's time since boot.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.damage import GAVE_UP, Notes
from drone_ingest.found import Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.dataflash_formats import FMT, FMT_ID, HEAD_BYTES, Format, columns_of, format_of
from drone_ingest.logs.dataflash_track import fill_flight
from drone_ingest.logs.tlog import Progress
from drone_ingest.message_store import MessageStore

__all__ = ["MAGIC", "read_dataflash"]

MAGIC = b"\xa3\x95"
_PADDING = b"\xff\x00"  # logs are written in blocks; their tail is erased flash


def read_dataflash(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """One log; raises InputError when it describes more types than any log."""
    notes, store = Notes(limits.warnings), MessageStore(limits)
    reader = _Reader(notes, store, limits.repairs)
    with path.open("rb") as file:
        left, final = b"", False
        while not final:
            more = file.read(limits.window_bytes)
            final = len(more) < limits.window_bytes
            left = reader.take(left + more, final=final)
            progress(len(more))
    flight = Flight(kind="dataflash", file=path.name, notes=notes, messages=store.tables(), keep=store)
    fill_flight(flight)
    return flight


class _Reader:
    """Windows of a log, one after the other; formats met in one hold in the next."""

    def __init__(self, notes: Notes, store: MessageStore, tries: int) -> None:
        self._notes, self._store, self._tries = notes, store, tries
        self._base = 0
        self._formats: dict[int, Format] = {FMT_ID: FMT}
        self._lengths = [0] * 256
        self._lengths[FMT_ID] = FMT.length
        self._pending: dict[int, list[int]] = {}
        self._window = b""

    def take(self, window: bytes, *, final: bool) -> bytes:
        """Decode what is whole; returns the bytes that the next window must begin with."""
        self._window = window
        used = self._scan(window, final=final)
        self._flush()
        self._base += used
        return window[used:]

    def _scan(self, window: bytes, *, final: bool) -> int:
        at, size, lengths, pending = 0, len(window), self._lengths, self._pending
        while at + HEAD_BYTES <= size:
            number = window[at + 2]
            length = lengths[number]
            if window[at] != 0xA3 or window[at + 1] != 0x95 or not length:
                found = self._search(window, at + 1, final=final)
                self._gap(window, at, found)
                at = found
                if at >= size or (not final and at + HEAD_BYTES > size):
                    break
                continue
            if at + length > size:
                break
            try:
                pending[number].append(at)
            except KeyError:
                pending[number] = [at]
            if number == FMT_ID:
                self._learn(window, at)
            at += length
        if final and at < size:
            self._gap(window, at, size)
            at = size
        return at

    def _search(self, window: bytes, start: int, *, final: bool) -> int:
        """The next place where a known record begins and another follows it."""
        at = start
        while (at := window.find(MAGIC, at)) >= 0 and at + HEAD_BYTES <= len(window):
            self._tries -= 1
            if self._tries < 0:
                self._notes.warn(GAVE_UP)
                return len(window)
            length = self._lengths[window[at + 2]]
            behind = at + length
            if length and (window[behind : behind + 2] == MAGIC or behind >= len(window)):
                return at
            at += 1
        return len(window) if final else max(start, len(window) - HEAD_BYTES)

    def _gap(self, window: bytes, start: int, end: int) -> None:
        lost = window[start:end]
        if end == len(window) and not lost.strip(_PADDING):
            return
        whole = lost[:2] == MAGIC and len(lost) >= HEAD_BYTES and self._lengths[lost[2]] > len(lost)
        problem = "the file ends inside a record" if whole else "bytes that are no record"
        self._notes.damage(self._base + start, "byte", problem, end - start)

    def _learn(self, window: bytes, at: int) -> None:
        row = np.frombuffer(window, FMT.dtype, 1, at + HEAD_BYTES)[0]
        name, codes, columns = (_text(row[key]) for key in ("Name", "Format", "Columns"))
        number, length = int(row["Type"]), int(row["Length"])
        if number == FMT_ID:
            return
        one = format_of(number, length, name, codes, columns)
        old = self._formats.get(number)
        if one is None:
            self._notes.damage(self._base + at, "byte", f"a description of record type {number} contradicts itself")
            if old is None and length >= HEAD_BYTES:
                self._lengths[number] = length  # its records can be passed over
        elif old is None or (old.name, old.columns, old.dtype) != (one.name, one.columns, one.dtype):
            self._flush(number)
            self._formats[number] = one
            self._lengths[number] = length

    def _flush(self, only: int | None = None) -> None:
        """Decode the pending records, by type."""
        data = np.frombuffer(self._window, np.uint8)
        for number in [only] if only is not None else list(self._pending):
            places = self._pending.pop(number, None)
            if places and number in self._formats:
                self._store_rows(data, np.array(places, np.int64), self._formats[number])

    def _store_rows(self, data: NDArray[np.uint8], at: NDArray[np.int64], one: Format) -> None:
        body = data[at[:, None] + np.arange(HEAD_BYTES, one.length)]
        rows = body.view(one.dtype)[:, 0] if one.dtype.itemsize else np.empty(len(at), one.dtype)
        columns: dict[str, pa.Array] = {"_t_us": pa.array(_time_us(rows, one))}
        columns |= columns_of(rows, one)
        name = one.name
        known = self._store.schema(name)
        batch = pa.RecordBatch.from_pydict(columns)
        if known is not None and not known.equals(batch.schema):
            name = f"{one.name}~{one.id}"  # two types of record share a name
            if (other := self._store.schema(name)) is not None and not other.equals(batch.schema):
                self._notes.warn(f"records {one.name} change their columns; the later ones were left out")
                return
        self._store.add(name, batch)


def _time_us(rows: NDArray[Any], one: Format) -> NDArray[np.int64]:
    """Time since boot; 0 for records without one, as FMT."""
    at = np.zeros(len(rows), np.int64)
    if "TimeUS" in one.columns and rows["TimeUS"].dtype.kind in "ui":
        at = np.minimum(rows["TimeUS"].astype(np.uint64), 1 << 62).astype(np.int64)
    elif "TimeMS" in one.columns and rows["TimeMS"].dtype.kind in "ui":
        at = np.minimum(rows["TimeMS"].astype(np.uint64), 1 << 50).astype(np.int64) * 1_000
    return at


def _text(raw: bytes) -> str:
    return bytes(raw).partition(b"\0")[0].decode("latin-1")
