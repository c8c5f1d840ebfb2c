"""The spool: records on disk between the sources and the uplink. Accepted means: after fdatasync.

This half lives on the event loop; `spool_writer` owns the writing thread, `epochs` and `segments` the files.
Every start is a new epoch. What is lost on purpose or by damage is named in a gap record, never silent.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, Self

import pyarrow as pa

from edge.config import SpoolConfig
from edge.epochs import Epoch, Recovered
from edge.positions import Positions, SourcePosition
from edge.retention import Retention
from edge.segments import Disk
from edge.spool_writer import Append, Limits, Writer
from edge.tail_cache import TailCache
from wire.clock import Clock, boot_id
from wire.errors import ConfigError
from wire.limits import LINK_BUFFER_BYTES
from wire.ranges import Range
from wire.records import CLASS_BULK, CLASS_CONTROL, CLASS_EVENT, Stamp, pack
from wire.schemas import GAP, schema

__all__ = ["Spool", "SpoolListener"]

log = logging.getLogger("aid4.edge")

QUEUE_BYTES_MAX: Final = LINK_BUFFER_BYTES  # packed but not yet on disk; above it the sources wait


class SpoolListener(Protocol):
    """Who wants to know what the spool has: the uplink's core."""

    def appended(self, epoch: bytes, first_seq: int, sizes: array[int]) -> None:
        """Records are durable; size 0 marks one that is not there."""

    def declared(self, epoch: bytes, seq: int) -> None:
        """A catalogue record is durable."""

    def absent(self, epoch: bytes, lo: int, hi: int) -> None:
        """Records are gone for good; a gap record names them."""

    def retired(self, epoch: bytes, floor: int) -> None:
        """Committed records below `floor` were deleted."""

    def forgotten(self, epoch: bytes) -> None:
        """The whole epoch was deleted."""


class Spool:
    """One spool folder of one running agent. Enter it on the event loop; all methods but `read` belong there."""

    def __init__(
        self, folder: Path, config: SpoolConfig, clock: Clock, listener: SpoolListener, disk: Disk | None = None
    ) -> None:
        self.folder, self.config, self.clock = folder, config, clock
        self.epoch = os.urandom(16)
        self.generation = 0
        self.next_seq = 1
        self.epochs: dict[bytes, Epoch] = {}  # oldest first; the running one is the last
        self.readings_accepted = self.readings_refused = self.readings_thinned = self.torn_bytes = 0
        self.why_refused = ""
        self._listener, self._disk = listener, disk or Disk()
        self.positions = Positions(folder, self._disk)
        self._boot = boot_id()
        self._current = Epoch(self.epoch, folder / self.epoch.hex())
        self._cache = TailCache(config.cache_bytes)
        self._holes: list[tuple[int, int, int]] = []  # lo, hi, readings: refused and not yet named in a gap record
        self._gap_waits = False
        self._queued_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._lock_fd = -1

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock_fd = _lock(self.folder)
        await asyncio.to_thread(self.positions.load)
        loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = loop.create_future()
        limits = Limits(
            budget_bytes=self.config.budget_bytes,
            reserve_bytes=self.config.reserve_bytes,
            segment_bytes=min(self.config.segment_bytes, max(4_096, self.config.budget_bytes // 16)),
            group_s={
                CLASS_BULK: self.config.group_bulk_s, CLASS_EVENT: self.config.group_event_s, CLASS_CONTROL: 0.0
            },
        )  # fmt: skip
        self._writer = Writer(
            self._current, limits, self._disk,
            settled=lambda group: loop.call_soon_threadsafe(self._settle, group),
            failed=lambda error: loop.call_soon_threadsafe(self.failed.set_exception, error),
        )  # fmt: skip
        self.epochs[self.epoch] = self._current
        self._retention = Retention(self, self._writer, self._listener)
        self._writer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self._writer.close)
        await asyncio.sleep(0)  # the last group settles
        with suppress(OSError):  # then the spool is counted again at the next start
            self.positions.close()
        for epoch in self.epochs.values():
            epoch.close()
        os.close(self._lock_fd)
        if not self.failed.done():
            self.failed.cancel()

    # -- in

    def stamp(self, cls: int, stream: int = 0) -> Stamp:
        """What a record packed now carries."""
        now_us, mono_us = self.clock.wall_us(), round(self.clock.monotonic_s() * 1e6)
        return Stamp(self.epoch, self.generation, self._boot, now_us, mono_us, cls, stream)

    def append(
        self, records: list[bytes], *, readings: int, cls: int, done: Callable[[Append], None] | None = None,
        catalogue: bool = False, stream: int = 0,
    ) -> None:  # fmt: skip
        """Take records numbered from `next_seq` on; `done` is called once they are durable or refused, all alike."""
        size = sum(map(len, records))
        append = Append(records, self.next_seq, cls, readings, self.clock.wall_us(), size, catalogue, stream, done)
        self.next_seq += len(records)
        self._queued_bytes += size
        if self._queued_bytes > QUEUE_BYTES_MAX:
            self._room.clear()
        self._writer.put(append)

    def position(self, source: str) -> SourcePosition:
        """Where a source that can go on learns how far it got."""
        return SourcePosition(self, source)

    async def open_streams(self, streams: Iterable[int]) -> None:
        """Make the positions durable, then take rows of these streams; OSError when the disk fails."""
        loop, save = asyncio.get_running_loop(), self.positions.job()
        done: asyncio.Future[None] = loop.create_future()

        def job() -> None:
            try:
                save()
            except OSError as error:
                loop.call_soon_threadsafe(done.set_exception, error)
                return
            self._writer.resume(streams)
            loop.call_soon_threadsafe(done.set_result, None)

        self._writer.put(job)
        await asyncio.shield(done)

    async def room(self) -> None:
        """Wait until the disk has caught up."""
        await self._room.wait()

    def _settle(self, group: list[Append]) -> None:
        """A group is durable or refused: count, tell the listener, cache, answer."""
        for append in group:
            self._queued_bytes -= append.bytes
            if append.refused:
                self._refused(append)
            else:
                self._accepted(append)
            if append.stream:
                self.positions.settled(append)
            if append.done is not None:
                append.done(append)
        if self._queued_bytes <= QUEUE_BYTES_MAX:
            self._room.set()
        if self._holes and any(not append.refused for append in group):
            self._name_holes()

    def _accepted(self, append: Append) -> None:
        if append.cls == CLASS_BULK:
            self.readings_accepted += append.readings
        self._cache.add(append.first_seq, append.records)
        self._listener.appended(self.epoch, append.first_seq, array("I", map(len, append.records)))
        if append.catalogue:
            self._listener.declared(self.epoch, append.first_seq)

    def _refused(self, append: Append) -> None:
        if not self._holes:
            log.error("readings are refused: %s", append.refused)
        self.why_refused = append.refused
        readings = 0 if append.stream else append.readings  # of a stream they are offered again
        self.readings_refused += readings
        self._listener.appended(self.epoch, append.first_seq, array("I", [0] * len(append.records)))
        hole = (append.first_seq, append.last_seq, readings)
        if self._holes and self._holes[-1][1] + 1 == hole[0]:
            lo, _, before = self._holes.pop()
            hole = (lo, hole[1], before + readings)
        self._holes.append(hole)

    def _name_holes(self) -> None:
        """Name what was refused in one gap record; when that is refused too, try again with the next success."""
        if self._gap_waits:
            return
        self._gap_waits, holes, self._holes = True, self._holes, []

        def named(append: Append) -> None:
            self._gap_waits = False
            if append.refused:
                self._holes = holes + self._holes

        rows = [(self.epoch, lo, hi, "refused: the spool was full", readings) for lo, hi, readings in holes]
        self.append_gap(rows, named)

    def append_gap(
        self, rows: Sequence[tuple[bytes, int, int, str, int | None]], done: Callable[[Append], None] | None
    ) -> None:
        """Append a gap record of (epoch, lo, hi, reason, readings if known)."""
        batch = pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema(GAP), strict=True)],
            schema=schema(GAP),
        )
        record = pack(batch, schema_id=GAP, stamp=self.stamp(CLASS_CONTROL), seq=self.next_seq)
        self.append([record], readings=0, cls=CLASS_CONTROL, done=done)

    # -- out

    def cached(self, epoch: bytes, lo: int, hi: int) -> list[bytes] | None:
        """The records `lo..hi` when all of them are still in memory."""
        return self._cache.get(lo, hi) if epoch == self.epoch else None

    def read(self, epoch: bytes, lo: int, hi: int) -> list[tuple[int, bytes]]:
        """(seq, bytes) of the records of `lo..hi` that are on disk and whole. Blocks: call it in a thread."""
        found = self.epochs.get(epoch)
        return found.read(lo, hi) if found is not None else []

    def packed_us(self, epoch: bytes, seq: int) -> int | None:
        """When a record was packed, by the gateway's clock; None when it is not there."""
        found = self.epochs.get(epoch)
        return found.packed_us(seq) if found is not None else None

    # -- earlier epochs, losses, retention

    def adopt(self, recovered: Recovered) -> None:
        """Take in an epoch of an earlier start; its damage becomes a gap record in the running epoch."""
        epoch = recovered.epoch
        current = self.epochs.pop(self.epoch)
        self.epochs = {**self.epochs, epoch.epoch: epoch, self.epoch: current}
        size = epoch.size_bytes
        self._writer.put(lambda: self._writer.grow(size))
        self.torn_bytes += recovered.torn_bytes
        if recovered.lost:
            self.lose(epoch.epoch, recovered.lost, "damaged on disk")

    def lose(self, epoch: bytes, ranges: list[Range], reason: str) -> None:
        """Name records that are not there any more in a gap record, and stop offering them."""
        for lo, hi in ranges:
            self._listener.absent(epoch, lo, hi)
        self.append_gap([(epoch, lo, hi, reason, None) for lo, hi in ranges], None)

    def maintain(self, covered: Callable[[bytes, int, int], bool]) -> None:
        """Once a second: delete what is committed and old, thin if the policy says so.

        `covered(epoch, lo, hi)` tells whether the twin has committed all of a range.
        """
        self._retention.maintain(covered)
        if self._holes and not self._gap_waits and self._has_room():
            self._name_holes()

    def _has_room(self) -> bool:
        return self.free_bytes > self.config.reserve_bytes and self._writer.used_bytes < self.config.budget_bytes

    # -- figures

    @property
    def used_bytes(self) -> int:
        """Bytes of all segments."""
        return self._writer.used_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes that the disk would still take."""
        return self._disk.free_bytes(self.folder)

    @property
    def last_error(self) -> str:
        """What the disk said last when it failed."""
        return self._writer.last_error


def _lock(folder: Path) -> int:
    """Hold the spool for this process; ConfigError when another agent has it."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        fix = "stop the other agent, or give this one a spool.dir of its own"
        raise ConfigError(f"another agent uses {folder}", field="spool.dir", fix=fix) from error
    return fd
