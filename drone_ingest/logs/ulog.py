"""PX4 logs (`.ulg`): definitions, subscriptions and data, logged strings, parameters, dropouts, appended data.

Each topic instance is a table (`battery_status`, `battery_status#1`) whose values are those of pyulog. Where no
message can begin, the next place is searched from which three follow one another; what lies between is reported.
`_t_us` is the autopilot's time since boot; UTC comes from GPS.
"""

import re
import struct
from pathlib import Path

import numpy as np

from drone_ingest.damage import GAVE_UP, Notes
from drone_ingest.found import Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.tlog import Progress
from drone_ingest.logs.ulog_formats import Fields, Topic, fields_of, topic_of, topic_table
from drone_ingest.logs.ulog_records import Records
from drone_ingest.logs.ulog_track import fill_flight
from drone_ingest.message_store import MessageStore
from wire.errors import InputError

__all__ = ["MAGIC", "read_ulog"]

MAGIC = b"ULog\x01\x12\x35"
_HEADER_BYTES = 16
_HEAD_BYTES = 3
_DATA = ord("D")
_KNOWN = frozenset(b"BFIMPQARDLCSO")
_KINDS = re.compile(b"[BFIMPQARDLCSO]")
_DEFINED_BYTES_MAX = 10_000  # a longer message that is no data was not written by PX4 (pyulog draws the same line)
_LOOKS = 30  # bytes looked at for each place tried: ten seconds of nothing but type letters
_CHAIN = 3  # messages in a row make a place believable


def read_ulog(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """One log; raises InputError for a log with features that would make every value wrong."""
    notes, store = Notes(limits.warnings), MessageStore(limits)
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            raise InputError("it ends inside its header", file=str(path), fix="copy the log from the card again")
        start_us = min(int.from_bytes(header[8:], "little"), 1 << 62)
        reader = _Reader(notes, store, limits, str(path), start_us)
        progress(len(header))
        left, final = b"", False
        while not final:
            more = file.read(limits.window_bytes)
            final = len(more) < limits.window_bytes
            left = reader.take(left + more, final=final)
            progress(len(more))
    flight = Flight(kind="ulog", file=path.name, notes=notes, messages=store.tables(), keep=store)
    fill_flight(flight, reader.records)
    return flight


class _Reader:
    """Windows of a log, one after the other."""

    def __init__(self, notes: Notes, store: MessageStore, limits: DroneLimits, file: str, start_us: int) -> None:
        self._notes, self._store, self._limits, self._file = notes, store, limits, file
        self._tries, self._looks = limits.repairs, _LOOKS * limits.repairs
        self._base = _HEADER_BYTES
        self._formats: dict[str, Fields] = {}
        self._topics: dict[int, Topic] = {}
        self._sizes: dict[int, tuple[int, int]] = {}  # of the whole message body, by subscription
        self._pending: dict[int, list[int]] = {}
        self._window = b""
        self._cuts: list[int] = []  # places in the file where appended data begins
        self._orphans = 0
        self.records = Records(start_us)

    def take(self, window: bytes, *, final: bool) -> bytes:
        """Decode what is whole; returns the bytes that the next window must begin with."""
        self._window = window
        used = self._scan(window, final=final)
        for number in list(self._pending):
            self._flush(number)
        self._base += used
        if final and self._orphans:
            self._notes.warn(f"{self._orphans} messages belong to no subscription and were left out")
        return window[used:]

    def _scan(self, window: bytes, *, final: bool) -> int:
        at, size, sizes, pending = 0, len(window), self._sizes, self._pending
        while at + _HEAD_BYTES <= size:
            length = window[at] | window[at + 1] << 8
            kind = window[at + 2]
            end = at + _HEAD_BYTES + length
            if self._cuts and end > self._cuts[0] - self._base >= at:
                at = self._append(window, at)
                continue
            if kind == _DATA and end <= size and length >= 2:
                number = window[at + 3] | window[at + 4] << 8
                bound = sizes.get(number)
                if bound is not None and bound[0] <= length <= bound[1]:
                    pending[number].append(at)
                    at = end
                    continue
            if not self._believable(window, at) and (end <= size or kind not in _KNOWN):
                at = self._skip(window, at, final=final)
                if not final and at + _DEFINED_BYTES_MAX > size:
                    break
                continue
            if end > size:
                break
            if kind == _DATA:
                self._orphans += 1
            else:
                self._handle(kind, window[at + _HEAD_BYTES : end], at)
            at = end
        if final and at < size:
            self._notes.damage(self._base + at, "byte", "the file ends inside a message", size - at)
            at = size
        return at

    def _believable(self, window: bytes, at: int) -> bool:
        """Whether a message could begin here."""
        if at + _HEAD_BYTES > len(window):
            return False
        length, kind = window[at] | window[at + 1] << 8, window[at + 2]
        if kind not in _KNOWN or not length:
            return False
        if kind != _DATA:
            return length <= _DEFINED_BYTES_MAX
        if length < 2 or at + 5 > len(window):
            return False
        bound = self._sizes.get(window[at + 3] | window[at + 4] << 8)
        return length <= _DEFINED_BYTES_MAX if bound is None else bound[0] <= length <= bound[1]

    def _skip(self, window: bytes, start: int, *, final: bool) -> int:
        """Behind a broken place: where three messages follow one another again."""
        size = len(window)
        stop = size if final else max(size - _DEFINED_BYTES_MAX, start + 1)
        for kind in _KINDS.finditer(window, start + 3, min(stop + 2, size)):
            at = kind.start() - 2
            self._looks -= 1
            if self._looks < 0:
                self._tries = 0
            if self._believable(window, at):
                self._tries -= 1
                if self._chain(window, at):
                    break
            if self._tries <= 0:
                break
        else:
            at = stop
        if self._tries <= 0:
            at = size
            self._notes.warn(GAVE_UP)
        self._notes.damage(self._base + start, "byte", "bytes that are no message", at - start)
        return at

    def _chain(self, window: bytes, at: int) -> bool:
        for _ in range(_CHAIN):
            if at == len(window):
                return True
            if not self._believable(window, at):
                return False
            at += _HEAD_BYTES + (window[at] | window[at + 1] << 8)
        return at <= len(window)

    def _append(self, window: bytes, at: int) -> int:
        """Go on where appended data begins; a message cut by it was never finished."""
        cut = self._cuts.pop(0) - self._base
        if cut > at:
            self._notes.warn(f"{cut - at} bytes of an unfinished message lie before appended data")
        return min(cut, len(window)) if cut > at else at

    def _handle(self, kind: int, body: bytes, at: int) -> None:
        try:
            if kind == ord("B"):
                self._flags(body)
            elif kind == ord("F"):
                name, fields = fields_of(body.decode("utf-8", "replace"))
                if len(self._formats) < self._limits.message_types:
                    self._formats[name] = fields
            elif kind == ord("A"):
                self._subscribe(body)
            else:
                if kind == ord("O"):
                    self._look_at_clock()
                self.records.take(chr(kind), body)
        except (ValueError, struct.error, IndexError) as error:
            self._notes.damage(self._base + at, "byte", f"a message that cannot be read ({error})")

    def _flags(self, body: bytes) -> None:
        incompatible = body[8:16]
        if len(body) < 40:
            raise ValueError("flag bits are cut")
        if incompatible[0] & ~1 or any(incompatible[1:]):
            problem = "it uses features that came after this reader; its values would be wrong"
            raise InputError(problem, file=self._file, fix="convert it with the newest pyulog")
        if incompatible[0] & 1:
            cuts = struct.unpack_from("<3Q", body, 16)
            self._cuts = [cut for cut in cuts if cut > self._base]

    def _subscribe(self, body: bytes) -> None:
        instance, number = struct.unpack_from("<BH", body)
        name = body[3:].decode("utf-8", "replace")
        topic = topic_of(name, instance, self._formats, self._limits.fields)
        self._flush(number)
        self.records.logging = True
        self._topics[number] = topic
        self._sizes[number] = (topic.dtype.itemsize + 2, max(topic.size_max, topic.dtype.itemsize) + 2)
        self._pending.setdefault(number, [])

    def _look_at_clock(self) -> None:
        """Take the time of the newest row that waits to be decoded."""
        waiting = [(places[-1], number) for number, places in self._pending.items() if places]
        if waiting and self._topics[max(waiting)[1]].has_time:
            at, number = max(waiting)
            offset = self._topics[number].dtype.fields["timestamp"][1]  # type: ignore[index]
            self.records.tell(struct.unpack_from("<Q", self._window, at + _HEAD_BYTES + 2 + offset)[0])

    def _flush(self, number: int) -> None:
        places = self._pending.get(number)
        if not places:
            return
        topic = self._topics[number]
        at = np.array(places, np.int64) + _HEAD_BYTES + 2
        body = np.frombuffer(self._window, np.uint8)[at[:, None] + np.arange(topic.dtype.itemsize)]
        batch = topic_table(body.view(topic.dtype)[:, 0], topic)
        places.clear()
        known = self._store.schema(topic.name)
        if known is not None and not known.equals(batch.schema):
            self._notes.warn(f"topic {topic.name} changes its fields; the later rows were left out")
        else:
            self._store.add(topic.name, batch)
        if topic.has_time:
            self.records.tell(int(batch["_t_us"][-1].as_py()))
