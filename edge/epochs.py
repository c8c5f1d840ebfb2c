"""One epoch of the spool: a folder of segments and copies of the epoch's catalogue records.

`<spool>/<epoch hex>/<first seq, 20 digits>.seg` and `<spool>/<epoch hex>/catalogue-<seq>.rec`; once the last segment of
an earlier epoch is gone, `end` says where the epoch ended, so that a twin restored from a backup learns what it misses.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple

from edge.segments import Disk, Scan, Segment, find, is_intact, scan, write_whole
from wire.errors import RecordError
from wire.ranges import Range, Ranges
from wire.records import check, read_header

__all__ = ["Epoch", "Recovered", "epoch_folders", "recover"]

END: Final = "end"
FILES_OPEN_MAX: Final = 4  # backlog is read from its two ends


class End(NamedTuple):
    """The highest seq that an epoch ever had, and when its newest record was packed."""

    head: int
    newest_us: int


class Epoch:
    """What the spool holds of one epoch. The writer thread adds and drops; any thread may read."""

    def __init__(self, epoch: bytes, folder: Path) -> None:
        self.epoch, self.folder = epoch, folder
        self.segments: list[Segment] = []
        self.catalogues: dict[int, int] = {}  # seq → bytes
        self.ended = End(0, 0)
        self._lock = threading.Lock()
        self._files: OrderedDict[Path, int] = OrderedDict()

    @property
    def floor(self) -> int:
        """The lowest seq that a segment still spans; `head + 1` when there is none."""
        segments = self.segments
        return segments[0].first if segments else self.head + 1

    @property
    def head(self) -> int:
        """The highest seq."""
        return max(self.ended.head, *self.catalogues, *(segment.last for segment in self.segments[-1:]), 0)

    @property
    def size_bytes(self) -> int:
        """Bytes of all segment files."""
        return sum(segment.bytes for segment in self.segments)

    def catalogue_path(self, seq: int) -> Path:
        """Where the copy of a catalogue record stands."""
        return self.folder / f"catalogue-{seq}.rec"

    def sizes(self) -> tuple[int, array[int]]:
        """(first seq, bytes of every record from there to the head; 0 for one that is not there)."""
        sizes = array("I")
        for segment in self.segments:
            sizes.extend([0] * (segment.first - self.floor - len(sizes)))
            sizes.extend(segment.sizes)
        if self.segments:
            sizes.extend([0] * (self.ended.head - self.segments[-1].last))
        return self.floor, sizes

    def end(self, disk: Disk) -> None:
        """Note durably where the epoch ends, before its last records go."""
        last = self.segments[-1]
        self.ended = End(max(self.ended.head, last.last), max(self.ended.newest_us, last.newest_us))
        write_whole(disk, self.folder / END, f"{self.ended.head} {self.ended.newest_us}\n".encode())

    def add(self, segment: Segment) -> None:
        """Append a segment; its seqs follow all others'."""
        with self._lock:
            self.segments.append(segment)

    def extend(self, first_seq: int, sizes: list[int], newest_us: int) -> None:
        """Add records at the end of the last segment; seqs between them and its last one are not there."""
        with self._lock:
            segment = self.segments[-1]
            segment.extend([0] * (first_seq - segment.last - 1))
            segment.extend(sizes)
            segment.newest_us = newest_us

    def replace(self, old: Segment, new: Segment | None) -> None:
        """Put the thinned form in place of a segment, or take it away."""
        with self._lock:
            at = self.segments.index(old)
            self.segments = [*self.segments[:at], *([] if new is None else [new]), *self.segments[at + 1 :]]
            if (fd := self._files.pop(old.path, None)) is not None:
                os.close(fd)

    def read(self, lo: int, hi: int) -> list[tuple[int, bytes]]:
        """(seq, bytes) of the records of `lo..hi` that are there and whole; may block on the disk."""
        found: dict[int, bytes] = {}
        with self._lock:
            at = lo
            while at <= hi:
                position = find(self.segments, at)
                if position < 0:
                    at += 1
                    continue
                segment = self.segments[position]
                found.update(segment.read(self._open(segment.path), at, min(hi, segment.last)))
                at = segment.last + 1
        whole = {seq: data for seq, data in found.items() if _is_whole(data, seq)}
        for seq in self.catalogues:
            if lo <= seq <= hi and seq not in whole:
                whole[seq] = self.catalogue_path(seq).read_bytes()
        return sorted(whole.items())

    def packed_us(self, seq: int) -> int | None:
        """When a record was packed; None when it is not in a segment, or damaged."""
        with self._lock:
            position = find(self.segments, seq)
            if position < 0:
                return None
            segment = self.segments[position]
            try:
                return read_header(segment.head_of(seq)).clock_us
            except (OSError, RecordError):
                return None

    def close(self) -> None:
        """Close the files that reading has opened."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])

    def _open(self, path: Path) -> int:
        fd = self._files.pop(path, None)
        if fd is None:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._files[path] = fd
        if len(self._files) > FILES_OPEN_MAX:
            os.close(self._files.popitem(last=False)[1])
        return fd


class Recovered(NamedTuple):
    """An epoch found on disk: its seqs lost to damage, bytes of the torn tail, when its first record was packed."""

    epoch: Epoch
    lost: list[Range]
    torn_bytes: int
    began_us: int


def epoch_folders(spool: Path) -> list[Path]:
    """The folders of `spool` that are named like an epoch, last changed first."""
    if not spool.is_dir():
        return []
    found = [path for path in spool.iterdir() if path.is_dir() and _epoch_of(path.name) is not None]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def recover(folder: Path, disk: Disk) -> Recovered:
    """Read an earlier epoch back: truncate the torn tail, skip damage and say which seqs it cost.

    RecordError("version") when a newer agent wrote it: it stays as it is.
    """
    epoch_id = _epoch_of(folder.name)
    assert epoch_id is not None, f"{folder} is no epoch"
    epoch, here = Epoch(epoch_id, folder), Ranges()
    torn_bytes = began_us = 0
    paths = sorted(folder.glob("*.seg"))
    for path in paths:
        data = path.read_bytes()
        found = scan(data, epoch_id)
        if path == paths[-1] and found.end < len(data):
            torn_bytes = len(data) - max(found.end, min(len(data), 32))
            _truncate(path, found.end, disk)
        segment = _index(path, found, above=epoch.head)
        if segment is None:
            continue
        began_us = began_us or found.frames[0].clock_us
        epoch.add(segment)
        for frame in found.frames:
            here.add(frame.seq)
    for path in folder.glob("catalogue-*.rec"):
        _adopt_catalogue(epoch, path)
    epoch.ended = _read_end(folder / END)
    lost = here.missing(epoch.floor, epoch.segments[-1].last) if epoch.segments else []
    return Recovered(epoch, [gap for gap in lost if not _is_catalogue(epoch, gap)], torn_bytes, began_us)


def _index(path: Path, found: Scan, above: int) -> Segment | None:
    """The index of a scanned file; records that another segment has already are left out."""
    frames, before = [], above
    for frame in found.frames:
        if frame.seq > above:
            frames.append(frame)
            above = frame.seq
    if not frames:
        return None
    first = int(path.stem) if path.stem.isdigit() else frames[0].seq
    segment = Segment(path, max(before + 1, min(first, frames[0].seq)))
    for frame in frames:
        segment.place(frame)
    return segment


def _adopt_catalogue(epoch: Epoch, path: Path) -> None:
    try:
        data = path.read_bytes()
        header = check(data)
    except OSError:
        return
    except RecordError as error:
        if error.reason == "version" and is_intact(memoryview(data), 0):
            raise
        return
    if header.epoch == epoch.epoch and path == epoch.catalogue_path(header.seq):
        epoch.catalogues[header.seq] = path.stat().st_size


def _read_end(path: Path) -> End:
    try:
        head, newest_us = map(int, path.read_text().split())
    except (OSError, ValueError):
        return End(0, 0)
    return End(head, newest_us)


def _truncate(path: Path, end: int, disk: Disk) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, end)
        disk.sync(fd)
    finally:
        os.close(fd)


def _is_catalogue(epoch: Epoch, gap: Range) -> bool:
    return gap[0] == gap[1] and gap[0] in epoch.catalogues


def _is_whole(data: bytes, seq: int) -> bool:
    try:
        return check(data).seq == seq
    except RecordError:
        return False


def _epoch_of(name: str) -> bytes | None:
    try:
        return bytes.fromhex(name) if len(name) == 32 else None
    except ValueError:
        return None
