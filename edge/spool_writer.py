"""The one thread that writes the spool: groups what waits, one fdatasync for each group, refuses what does not fit.

An append is all or nothing. A refused one leaves a hole in the seqs, which the spool names in a gap record.
Of a resumable stream nothing is taken after a refusal until `resume`: what is there stays the stream's beginning.
"""

import contextlib
import errno
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from edge.epochs import Epoch
from edge.segments import BUFFERS_MAX, Disk, Frame, Segment, create, scan, without_bulk, write_whole
from wire.records import CLASS_BULK

__all__ = ["Append", "Limits", "Writer"]

GROUP_BYTES_MAX: Final = 8 << 20  # one fdatasync; a card that takes 10 MB/s is done within a second
Job = Callable[[], None]
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class Append:
    """Records with consecutive seqs on their way to the disk; `refused` says why they did not get there."""

    records: list[bytes]
    first_seq: int
    cls: int
    readings: int
    clock_us: int
    bytes: int
    catalogue: bool = False
    stream: int = 0
    done: Callable[["Append"], None] | None = None
    refused: str = ""

    @property
    def last_seq(self) -> int:
        """Seq of the last record."""
        return self.first_seq + len(self.records) - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the writer may fill: bulk stays below `budget_bytes` and leaves `reserve_bytes` of the disk."""

    budget_bytes: int
    reserve_bytes: int
    segment_bytes: int
    group_s: Mapping[int, float]


class Writer:
    """Owns the active segment. `settled` is called on this thread with each group, durable or refused; `failed`
    when the thread itself ended, after which nothing is accepted any more."""

    def __init__(
        self,
        epoch: Epoch,
        limits: Limits,
        disk: Disk,
        settled: Callable[[list[Append]], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self.used_bytes = 0
        self.last_error = ""
        self._epoch, self._limits, self._disk = epoch, limits, disk
        self._settled, self._failed = settled, failed
        self._queue: queue.SimpleQueue[Append | Job | None] = queue.SimpleQueue()
        self._fd = -1
        self._stopped: set[int] = set()  # streams of which something was refused
        self._thread = threading.Thread(target=self._run, name="spool writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    def put(self, work: "Append | Job") -> None:
        """Hand over an append, or a job that runs between groups."""
        self._queue.put(work)

    def free_bytes(self) -> int:
        """What the file system of the spool would still take."""
        return self._disk.free_bytes(self._epoch.folder if self._epoch.folder.exists() else self._epoch.folder.parent)

    def resume(self, streams: Iterable[int]) -> None:
        """Job: take rows of streams again, whose source goes on where a refusal began."""
        self._stopped.difference_update(streams)

    def grow(self, size: int) -> None:
        """Job: count the bytes of an epoch that was taken over."""
        self.used_bytes += size

    def retire(self, epoch: Epoch, segment: Segment) -> None:
        """Job: delete a segment that is committed or thinned to nothing."""
        self._note_end(epoch, segment)
        segment.path.unlink(missing_ok=True)
        self._disk.sync_folder(epoch.folder)
        epoch.replace(segment, None)
        self.used_bytes -= segment.bytes

    def bulk(self, epoch: Epoch, segment: Segment) -> list[Frame]:
        """Job: the bulk records of a segment, as its file has them."""
        frames = scan(segment.path.read_bytes(), epoch.epoch).frames
        return [frame for frame in frames if frame.cls == CLASS_BULK]

    def thin(self, epoch: Epoch, segment: Segment) -> None:
        """Job: take the bulk records out of a segment. Their gap record must be durable already."""
        data, kept = without_bulk(segment.path.read_bytes(), epoch.epoch)
        if not kept:
            self.retire(epoch, segment)
            return
        self._note_end(epoch, segment)
        write_whole(self._disk, segment.path, data)
        thinned = Segment(segment.path, segment.first)
        for frame in kept:
            thinned.place(frame)
        epoch.replace(segment, thinned)
        self.used_bytes -= segment.bytes - thinned.bytes

    def _note_end(self, epoch: Epoch, segment: Segment) -> None:
        if epoch is not self._epoch and epoch.segments[-1:] == [segment]:
            epoch.end(self._disk)

    # -- the thread

    def _run(self) -> None:
        try:
            while (work := self._queue.get()) is not None:
                group, follows = self._collect(work) if isinstance(work, Append) else ([], [work])
                if group:
                    self._commit(group)
                    self._settled(group)
                if follows == [None]:
                    break
                for job in follows:
                    self._do(job)
        except BaseException as error:  # noqa: BLE001 - handed to the agent, which must not run on without a spool
            self._failed(error)
        finally:
            self._close_segment()

    def _do(self, job: Job | None) -> None:
        assert job is not None
        try:
            job()
        except OSError as error:
            self.last_error = str(error)

    def _collect(self, first: Append) -> tuple[list[Append], list[Job | None]]:
        """Wait for company as long as the class allows: (the group, and the job or the None that ended it)."""
        group, size = [first], first.bytes
        deadline_s = time.monotonic() + self._limits.group_s[first.cls]
        while size < GROUP_BYTES_MAX:
            try:
                work = self._queue.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                break
            if not isinstance(work, Append):
                return group, [work]
            group.append(work)
            size += work.bytes
            deadline_s = min(deadline_s, time.monotonic() + self._limits.group_s[work.cls])
        return group, []

    def _commit(self, group: list[Append]) -> None:
        try:
            admitted = self._admit(group)
            written = self._write(admitted) if admitted else []
            self._make_durable(written)
        except OSError as error:
            self.last_error = str(error)
            for append in group:
                self._refuse(append, append.refused or f"the disk fails: {error}")
            self._abandon_segment()
        self._index(group)

    def _admit(self, group: list[Append]) -> list[Append]:
        """Refuse bulk beyond the budget or into the reserve of the disk; the rest may use both up."""
        limits = self._limits
        room = min(limits.budget_bytes - self.used_bytes, self.free_bytes() - limits.reserve_bytes)
        for append in group:
            if append.cls == CLASS_BULK and append.bytes > room:
                self._refuse(append, "the spool's budget is used up" if room >= 0 else "the disk is full")
            elif append.stream in self._stopped:
                self._refuse(append, "what stands before it was refused")
            else:
                room -= append.bytes
        admitted = [append for append in group if not append.refused]
        if admitted:
            self._ensure_segment(admitted[0].first_seq)
        return admitted

    def _refuse(self, append: Append, why: str) -> None:
        append.refused = why
        if append.stream:
            self._stopped.add(append.stream)

    def _ensure_segment(self, first_seq: int) -> None:
        full = self._fd >= 0 and self._epoch.segments[-1].bytes >= self._limits.segment_bytes
        if self._fd >= 0 and not full:
            return
        try:
            if not self._epoch.folder.exists():
                self._epoch.folder.mkdir(parents=True)
                self._disk.sync_folder(self._epoch.folder.parent)
            fd, path = create(self._disk, self._epoch.folder, self._epoch.epoch, first_seq)
        except OSError:
            if full:  # a segment that grows beyond its size is better than a refusal
                return
            raise
        self._close_segment()
        self._fd = fd
        segment = Segment(path, first_seq)
        self._epoch.add(segment)
        self.used_bytes += segment.bytes

    def _write(self, admitted: list[Append]) -> list[Append]:
        """Write each append, whole or not at all; those that did not fit are refused."""
        end = self._epoch.segments[-1].bytes
        written: list[Append] = []
        for append in admitted:
            if append.stream in self._stopped:
                self._refuse(append, "what stands before it was refused")
                continue
            try:
                if append.catalogue:
                    write_whole(self._disk, self._epoch.catalogue_path(append.first_seq), append.records[0])
                self._write_records(append.records)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                os.ftruncate(self._fd, end)
                os.lseek(self._fd, end, os.SEEK_SET)
                self._refuse(append, "the disk is full")
                continue
            end += append.bytes
            written.append(append)
        return written

    def _write_records(self, records: list[bytes]) -> None:
        for at in range(0, len(records), BUFFERS_MAX):
            part = records[at : at + BUFFERS_MAX]
            left = sum(map(len, part)) - self._disk.write(self._fd, part)
            rest = b"".join(part)[-left:] if left else b""
            while rest:
                rest = rest[self._disk.write(self._fd, [rest]) :]

    def _make_durable(self, written: list[Append]) -> None:
        """Sync. An error means that the kernel may have dropped anything: this segment takes no more, the group
        goes whole into a new one, and is refused when that fails too."""
        if not written:
            return
        try:
            self._disk.sync(self._fd)
        except OSError:
            self._abandon_segment()
            self._ensure_segment(written[0].first_seq)
            self._write(written)
            self._disk.sync(self._fd)

    def _index(self, group: list[Append]) -> None:
        for append in group:
            if self._fd < 0 or append.first_seq < self._epoch.segments[-1].first:
                continue
            sizes = [0 if append.refused else len(record) for record in append.records]
            self._epoch.extend(append.first_seq, sizes, append.clock_us)
            if append.refused:
                continue
            self.used_bytes += append.bytes
            self._epoch.segments[-1].note(append.cls, append.first_seq, len(append.records), append.readings)
            if append.catalogue:
                self._epoch.catalogues[append.first_seq] = append.bytes

    def _abandon_segment(self) -> None:
        """Leave a segment that failed as it was after the last good sync; never write to it again."""
        if self._fd < 0:
            return
        segment = self._epoch.segments[-1]
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, segment.bytes)
        self._close_segment()
        if segment.last < segment.first:
            segment.path.unlink(missing_ok=True)
            self._epoch.replace(segment, None)

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
