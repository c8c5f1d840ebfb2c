"""Segment files of the spool: a 32-byte header, then records end to end (a record's own header is its frame).

Created as temp + fsync + rename + fsync(folder); appended to, never changed; replaced whole when thinned.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from fastcrc import crc32

from wire.errors import RecordError
from wire.records import CLASS_BULK, HEADER_BYTES, MAGIC, check, read_header

__all__ = [
    "BUFFERS_MAX",
    "SEGMENT_HEADER",
    "Disk",
    "Frame",
    "Scan",
    "Segment",
    "create",
    "find",
    "is_intact",
    "scan",
    "without_bulk",
    "write_whole",
]

SEGMENT_HEADER: Final = Struct("<8s16sQ")  # magic, epoch, first seq
SEGMENT_MAGIC: Final = b"AID4SEG1"  # the last byte is the version
BUFFERS_MAX: Final = 1_024  # the kernel's IOV_MAX


class Disk:
    """The calls that can fail on a real disk. Tests put a failing one in its place."""

    def open_new(self, path: Path) -> int:
        """Create or empty a file and return its descriptor."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)

    def write(self, fd: int, buffers: list[bytes]) -> int:
        """Append the buffers; returns the bytes that went in before the disk was full, or all of them."""
        return os.writev(fd, buffers)

    def sync(self, fd: int) -> None:
        """Return when the data is on the disk."""
        os.fdatasync(fd)

    def free_bytes(self, folder: Path) -> int:
        """Bytes that the file system would still give us."""
        state = os.statvfs(folder)
        return state.f_bavail * state.f_frsize

    def sync_folder(self, folder: Path) -> None:
        """Make creations, renames and deletions in `folder` durable."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class Frame(NamedTuple):
    """Where a record stands in its file, and what its header says."""

    seq: int
    at: int
    size: int
    cls: int
    rows: int
    clock_us: int
    stream: int


class Scan(NamedTuple):
    """The good records of a file; `end` follows the last one; `damaged` counts bytes skipped between them."""

    frames: list[Frame]
    end: int
    damaged: int


class Segment:
    """The index of one file: where each of the seqs `first..last` stands. Size 0 marks one that is not there."""

    __slots__ = ("_at", "_size", "bytes", "first", "newest_us", "others", "path", "readings")

    def __init__(self, path: Path, first: int) -> None:
        self.path, self.first = path, first
        self.bytes = SEGMENT_HEADER.size
        self.newest_us = 0
        self.readings = 0  # in its bulk records
        self.others: list[int] = []  # seqs of events and control records, which are never thinned
        self._at, self._size = array("I"), array("I")

    @property
    def last(self) -> int:
        """The highest seq of the span; `first - 1` when it is empty."""
        return self.first + len(self._size) - 1

    @property
    def sizes(self) -> array[int]:
        """Bytes of each record of the span."""
        return self._size

    def extend(self, sizes: Iterable[int]) -> None:
        """Add records that follow each other both in seq and in the file; size 0 skips a seq."""
        at = self.bytes
        for size in sizes:
            self._at.append(at)
            self._size.append(size)
            at += size
        self.bytes = at

    def place(self, frame: Frame) -> None:
        """Add a record found by `scan`; seqs between it and the last one count as not there."""
        hole = frame.seq - self.last - 1
        self._at.extend([0] * hole)
        self._size.extend([0] * hole)
        self._at.append(frame.at)
        self._size.append(frame.size)
        self.newest_us = max(self.newest_us, frame.clock_us)
        self.note(frame.cls, frame.seq, 1, frame.rows)
        self.bytes = max(self.bytes, frame.at + frame.size)

    def note(self, cls: int, first_seq: int, records: int, readings: int) -> None:
        """Remember which of its records are bulk, and how much they hold."""
        if cls == CLASS_BULK:
            self.readings += readings
        else:
            self.others.extend(range(first_seq, first_seq + records))

    def bulk_runs(self) -> list[tuple[int, int]]:
        """The runs of seqs that thinning takes away."""
        runs, lo = [], self.first
        for seq in [*self.others, self.last + 1]:
            if seq > lo:
                runs.append((lo, seq - 1))
            lo = seq + 1
        return runs

    def read(self, fd: int, lo: int, hi: int) -> list[tuple[int, bytes]]:
        """The records of `lo..hi` that are there, with one read of the file."""
        spans = [(seq, self._at[seq - self.first], self._size[seq - self.first]) for seq in range(lo, hi + 1)]
        spans = [span for span in spans if span[2]]
        if not spans:
            return []
        start, end = spans[0][1], spans[-1][1] + spans[-1][2]
        data = os.pread(fd, end - start, start)
        return [(seq, data[at - start : at - start + size]) for seq, at, size in spans]

    def head_of(self, seq: int) -> bytes:
        """The header of one record of the span; empty when the record is not there."""
        if not self._size[seq - self.first]:
            return b""
        with self.path.open("rb") as file:
            file.seek(self._at[seq - self.first])
            return file.read(HEADER_BYTES)


def find(segments: list[Segment], seq: int) -> int:
    """Position of the segment that spans `seq` in a list ascending by `first`; -1 when none does."""
    at = bisect_right(segments, seq, key=lambda segment: segment.first) - 1
    return at if at >= 0 and seq <= segments[at].last else -1


def scan(data: bytes, epoch: bytes) -> Scan:
    """Walk a file's records, CRC and all; after damage, go on at the next good record.

    RecordError("version") when a newer agent wrote the file, which is then no business of this one.
    """
    _refuse_newer(data, epoch)
    frames: list[Frame] = []
    view, at, end, damaged = memoryview(data), SEGMENT_HEADER.size, SEGMENT_HEADER.size, 0
    while at + HEADER_BYTES <= len(data):
        frame = _frame_at(view, at, epoch)
        if frame is None:
            following = data.find(MAGIC, at + 1)
            if following < 0:
                break
            at = following
            continue
        damaged += at - end
        frames.append(frame)
        at = end = at + frame.size
    return Scan(frames, end, damaged)


def create(disk: Disk, folder: Path, epoch: bytes, first: int) -> tuple[int, Path]:
    """A new segment file for seqs from `first` on: its descriptor, at the end of its header, and its path."""
    path = folder / f"{first:020d}.seg"
    temporary = path.with_suffix(".tmp")
    fd = disk.open_new(temporary)
    try:
        header = SEGMENT_HEADER.pack(SEGMENT_MAGIC, epoch, first)
        if disk.write(fd, [header]) != len(header):
            raise OSError(28, "no space for a segment header")
        disk.sync(fd)
        temporary.rename(path)
        disk.sync_folder(folder)
    except OSError:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        raise
    return fd, path


def without_bulk(data: bytes, epoch: bytes) -> tuple[bytes, list[Frame]]:
    """A thinned segment: (the file's new bytes, its records)."""
    parts, kept, at = [data[: SEGMENT_HEADER.size]], [], SEGMENT_HEADER.size
    for frame in scan(data, epoch).frames:
        if frame.cls != CLASS_BULK:
            parts.append(data[frame.at : frame.at + frame.size])
            kept.append(frame._replace(at=at))
            at += frame.size
    return b"".join(parts), kept


def write_whole(disk: Disk, path: Path, data: bytes) -> None:
    """Write a small file so that after a power cut either the old or the new content is there."""
    temporary = path.with_suffix(".tmp")
    fd = disk.open_new(temporary)
    try:
        written = 0
        while written < len(data):
            step = disk.write(fd, [data[written:]])
            if step == 0:
                raise OSError(28, f"no space for {path.name}")
            written += step
        disk.sync(fd)
        temporary.rename(path)
        disk.sync_folder(path.parent)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _refuse_newer(data: bytes, epoch: bytes) -> None:
    """Frames of a later layout would look like damage, and be cut off as a torn tail."""
    if len(data) < SEGMENT_HEADER.size:
        return
    magic, whose, _ = SEGMENT_HEADER.unpack_from(data)
    if magic != SEGMENT_MAGIC and magic[:-1] == SEGMENT_MAGIC[:-1] and whose == epoch:
        raise RecordError("version", f"segment version {magic[-1:].decode('latin-1')!r} is not known to this build")


def _frame_at(view: memoryview, at: int, epoch: bytes) -> Frame | None:
    try:
        header = read_header(view[at : at + HEADER_BYTES])
        check(view[at : at + HEADER_BYTES + header.size])
    except RecordError as error:
        if error.reason == "version" and is_intact(view, at):
            raise
        return None
    if header.epoch != epoch or header.seq == 0:
        return None
    size = HEADER_BYTES + header.size
    return Frame(header.seq, at, size, header.cls, header.count, header.clock_us, header.stream)


def is_intact(view: memoryview, at: int) -> bool:
    """Whether a record of an unknown version is one in truth: its CRC, at the place it always had, is right."""
    crc, size = (int.from_bytes(view[at + field : at + field + 4], "little") for field in (4, 72))
    return at + HEADER_BYTES + size <= len(view) and crc32.iscsi(view[at + 8 : at + HEADER_BYTES + size]) == crc
