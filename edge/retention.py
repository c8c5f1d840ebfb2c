"""What leaves the spool and when: committed segments by age and budget, and the oldest bulk when the policy is to thin.

Nothing that the twin lacks goes before a durable gap record names it.
"""

from __future__ import annotations

import asyncio
import shutil
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.epochs import Epoch
from edge.segments import Frame, Segment
from wire.ranges import Range

if TYPE_CHECKING:
    from edge.spool import Spool, SpoolListener
    from edge.spool_writer import Append, Writer

__all__ = ["Retention"]

EPOCHS_KEPT_MAX: Final = 256  # with those of which only the end is left: a quarter of what a hello can name
RETAIN_SHARE: Final = 0.8  # of the budget: above it committed segments go before their age
THIN_SHARE: Final = 0.9  # of the budget: above it, if the policy says so, the oldest bulk goes
THINNED: Final = "thinned: the spool's budget was used up"

Covered = Callable[[bytes, int, int], bool]


class Retention:
    """Belongs to the spool's event loop; files are touched by the writer's thread only."""

    def __init__(self, spool: Spool, writer: Writer, listener: SpoolListener) -> None:
        self._spool, self._writer, self._listener = spool, writer, listener
        self._config, self._clock, self._positions = spool.config, spool.clock, spool.positions
        self._leaving: dict[Path, int] = {}  # segments on their way out, and their bytes

    def maintain(self, covered: Covered) -> None:
        """See `Spool.maintain`."""
        self._note_positions(self._positions.is_due(self._clock.monotonic_s()))
        over = self._over(RETAIN_SHARE)
        for epoch in list(self._spool.epochs.values()):
            over = self._retire(epoch, covered, over)
            self._forget(epoch, covered)
        if self._config.when_full == "thin":
            self._thin(covered)

    def _note_positions(self, now: bool = True) -> None:
        if now and self._positions.is_dirty:
            self._writer.put(self._positions.job())

    def _over(self, share: float) -> float:
        """Bytes above a share of the budget, what is already on its way out not counted; 1 when the disk is low."""
        over = self._writer.used_bytes - sum(self._leaving.values()) - share * self._config.budget_bytes
        return max(over, 1.0) if self._spool.free_bytes < 2 * self._config.reserve_bytes else over

    def _retire(self, epoch: Epoch, covered: Covered, over: float) -> float:
        """Let go of committed segments from the oldest on; returns by how much the budget is still exceeded."""
        oldest_us = self._clock.wall_us() - self._config.keep_committed_s * 1e6
        for segment in self._sealed(epoch):
            if not covered(epoch.epoch, segment.first, segment.last) or (segment.newest_us > oldest_us and over <= 0):
                break
            over -= segment.bytes
            self._let_go(epoch, segment)
        return over

    def _let_go(self, epoch: Epoch, segment: Segment) -> None:
        if segment.path in self._leaving:
            return
        self._leaving[segment.path] = segment.bytes
        self._note_positions()  # its rows are counted before it goes
        loop, floor = asyncio.get_running_loop(), segment.last + 1

        def job() -> None:
            self._writer.retire(epoch, segment)
            loop.call_soon_threadsafe(self._listener.retired, epoch.epoch, floor)
            loop.call_soon_threadsafe(self._leaving.pop, segment.path, None)

        self._writer.put(job)

    def _forget(self, epoch: Epoch, covered: Covered) -> None:
        """Remove the folder of an earlier epoch that holds nothing the twin could still need.

        Where it ended is kept as long as its records would have been: a restored twin is told what it misses.
        """
        oldest_us = self._clock.wall_us() - self._config.keep_committed_s * 1e6
        young = epoch.ended.newest_us > oldest_us and len(self._spool.epochs) <= EPOCHS_KEPT_MAX
        if epoch.epoch == self._spool.epoch or epoch.segments or young:
            return
        if all(covered(epoch.epoch, seq, seq) for seq in epoch.catalogues):
            del self._spool.epochs[epoch.epoch]
            epoch.close()
            self._listener.forgotten(epoch.epoch)
            self._writer.put(lambda: shutil.rmtree(epoch.folder, ignore_errors=True))

    def _thin(self, covered: Covered) -> None:
        """Give up the oldest bulk that the twin lacks: gap record first, segments after it is durable."""
        over = self._over(THIN_SHARE)
        for epoch in self._spool.epochs.values():
            for segment in self._sealed(epoch):
                if over <= 0:
                    return
                if segment.readings and segment.path not in self._leaving:
                    over -= segment.bytes
                    self._thin_segment(epoch, segment, covered)

    def _thin_segment(self, epoch: Epoch, segment: Segment, covered: Covered) -> None:
        """Count what is to go, name it, and then let it go: each step once the one before is done."""
        self._leaving[segment.path] = segment.bytes
        loop = asyncio.get_running_loop()
        runs = [run for run in segment.bulk_runs() if not covered(epoch.epoch, *run)]

        def count() -> None:
            loop.call_soon_threadsafe(name, readings_in(self._writer.bulk(epoch, segment), runs))

        def name(readings: list[int]) -> None:
            rows = [(epoch.epoch, lo, hi, THINNED, lost) for (lo, hi), lost in zip(runs, readings, strict=True)]
            self._spool.append_gap(rows, lambda append: named(append, sum(readings)))

        def named(append: Append, readings: int) -> None:
            if append.refused:
                self._leaving.pop(segment.path, None)
                return
            for lo, hi in runs:
                self._listener.absent(epoch.epoch, lo, hi)
            self._spool.readings_thinned += readings
            self._note_positions()
            self._writer.put(thin)

        def thin() -> None:
            self._writer.thin(epoch, segment)
            loop.call_soon_threadsafe(self._leaving.pop, segment.path, None)

        self._writer.put(count if runs else thin)

    def _sealed(self, epoch: Epoch) -> list[Segment]:
        return list(epoch.segments[:-1] if epoch.epoch == self._spool.epoch else epoch.segments)


def readings_in(frames: list[Frame], runs: list[Range]) -> list[int]:
    """Rows of the records (ascending by seq) in each run of seqs."""
    seqs = [frame.seq for frame in frames]
    return [sum(frame.rows for frame in frames[bisect_left(seqs, lo) : bisect_left(seqs, hi + 1)]) for lo, hi in runs]
