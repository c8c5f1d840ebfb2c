"""What the uplink knows of one epoch: which records are there, which are committed, which were sent. Pure."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from wire.limits import HELLO_ABSENT_MAX
from wire.messages import EpochSpan
from wire.ranges import Range, Ranges

__all__ = ["RUN_BYTES_MAX", "RUN_RECORDS_MAX", "EpochState", "Part"]

RUN_RECORDS_MAX: Final = 512  # one run is one read of the spool and one write to the link
HELLO_CATALOGUES_MAX: Final = 1_024  # of one epoch; what the message may hold
RUN_BYTES_MAX: Final = 1 << 20  # so that the window opens in small steps


class Part(NamedTuple):
    """Consecutive records and their bytes."""

    lo: int
    hi: int
    bytes: int


class EpochState:
    """Sets of seqs. `sent` holds everything that need not be sent now: committed, on the way, held or not there."""

    __slots__ = (
        "absent", "answered", "base", "catalogues", "catalogues_due", "committed", "epoch", "head", "pending_bytes",
        "sent", "sizes",
    )  # fmt: skip

    def __init__(self, epoch: bytes, base: int) -> None:
        self.epoch, self.base = epoch, base
        self.head = max(base - 1, 0)  # the highest seq
        self.sizes = array("I")  # bytes of record `base + i`, 0 when it is not there
        self.catalogues: dict[int, int] = {}  # seq → bytes; kept below the base too
        self.catalogues_due: list[int] = []
        self.committed, self.absent, self.sent = Ranges(), Ranges(), Ranges()
        self.answered = False
        self.pending_bytes = 0

    @property
    def floor(self) -> int:
        """The lowest seq that the spool still spans."""
        return self.base

    @property
    def pending_records(self) -> int:
        """Records that are there and not known to be committed."""
        return sum(
            hi - lo + 1 - self.sizes[lo - self.base : hi + 1 - self.base].count(0)
            for lo, hi in self.committed.missing(self.base, self.base + len(self.sizes) - 1)
        )

    @property
    def first_pending(self) -> int | None:
        """The lowest seq that is there and not known to be committed."""
        for lo, hi in self.committed.missing(self.base, self.base + len(self.sizes) - 1):
            for start, _ in self.absent.missing(lo, hi):
                return start
        return None

    def bytes_of(self, lo: int, hi: int) -> int:
        """Bytes of the records of `lo..hi` that are there."""
        if hi < self.base:
            return sum(size for seq, size in self.catalogues.items() if lo <= seq <= hi)
        return sum(self.sizes[max(lo - self.base, 0) : hi + 1 - self.base])

    def span(self) -> EpochSpan:
        """What a hello says of this epoch."""
        return EpochSpan(
            epoch=self.epoch.hex(),
            floor=self.floor,
            head=self.head,
            catalogues=sorted(self.catalogues)[-HELLO_CATALOGUES_MAX:],
            absent=self.absent_uncommitted()[:HELLO_ABSENT_MAX],
        )

    def absent_uncommitted(self) -> list[Range]:
        """Seqs from the floor on that are not there and that the twin has not committed, as gaps, so far."""
        return [
            part for lo, hi in self.absent if hi >= self.base for part in self.committed.missing(max(lo, self.base), hi)
        ]

    def extend(self, first_seq: int, sizes: Sequence[int]) -> int:
        """Add records at the head; returns their bytes."""
        hole = first_seq - self.base - len(self.sizes)
        if hole > 0:
            self.sizes.extend([0] * hole)
        self.sizes.extend(sizes)
        self.head = max(self.head, self.base + len(self.sizes) - 1)
        if hole > 0:
            self._miss(first_seq - hole, first_seq - 1)
        if 0 in sizes:
            for seq in (seq for seq, size in enumerate(sizes, first_seq) if size == 0):
                self._miss(seq, seq)
        added = sum(sizes)
        self.pending_bytes += added
        return added

    def declare(self, seq: int) -> None:
        """A record that was added is a catalogue."""
        self.catalogues[seq] = self.bytes_of(seq, seq)
        self.head = max(self.head, seq)
        if seq not in self.sent:
            self.catalogues_due.append(seq)

    def adopt_catalogues(self, catalogues: dict[int, int]) -> None:
        """Bytes of the catalogues by seq, for an epoch of an earlier start."""
        self.catalogues = dict(catalogues)
        self.head = max(self.head, *catalogues, 0)

    def drop(self, lo: int, hi: int) -> None:
        """Records are not there any more: neither sent nor awaited."""
        for part in self.absent.missing(lo, hi):
            for start, end in self.committed.missing(*part):
                self.pending_bytes -= self.bytes_of(start, end)
            first, last = max(part[0], self.base), min(part[1], self.base + len(self.sizes) - 1)
            if first <= last:
                self.sizes[first - self.base : last + 1 - self.base] = array("I", [0]) * (last - first + 1)
            self._miss(*part)

    def retire(self, floor: int) -> None:
        """The spool deleted what stood below `floor`; catalogues stay."""
        count = min(floor - self.base, len(self.sizes))
        if count > 0:
            self.drop(self.base, self.base + count - 1)
            del self.sizes[:count]
            self.base += count

    def commit(self, lo: int, hi: int) -> list[Range]:
        """The twin has `lo..hi`; returns what of it is news."""
        fresh = self.committed.add(lo, min(hi, self.head)) if lo <= min(hi, self.head) else []
        for start, end in fresh:
            if end >= self.base:
                self.pending_bytes -= self.bytes_of(max(start, self.base), end)
            self.sent.add(start, end)
        return fresh

    def forget_commits(self) -> None:
        """What an earlier twin had counts no more."""
        self.answered, self.committed = False, Ranges()
        self.pending_bytes = sum(self.sizes)

    def restart(self) -> None:
        """Nothing is on the way."""
        self.sent = self.committed.copy()
        for lo, hi in self.absent:
            self.sent.add(lo, hi)
        self.catalogues_due = [seq for seq in sorted(self.catalogues) if seq not in self.committed]

    def unsend(self, lo: int, hi: int) -> None:
        """Records that were taken for sending were not sent."""
        kept = [(a, min(b, lo - 1)) for a, b in self.sent if a < lo] + [
            (max(a, hi + 1), b) for a, b in self.sent if b > hi
        ]
        self.sent = Ranges(part for part in kept if part[0] <= part[1])
        self.catalogues_due += [seq for seq in self.catalogues if lo <= seq <= hi]

    def take(self, lo: int, hi: int, budget: int, *, newest: bool, force: bool = False) -> Iterator[Part]:
        """Unsent records of `lo..hi` worth at most `budget` bytes, from one end, in parts; they count as sent.

        `force` takes one record even if it is larger than the budget.
        """
        lo, hi = max(lo, self.base), min(hi, self.base + len(self.sizes) - 1)
        holes = self.sent.missing(lo, hi) if lo <= hi else []
        for start, end in reversed(holes) if newest else holes:
            while start <= end:
                part = self._cut(start, end, budget, newest=newest, force=force)
                if part is None:
                    return
                self.sent.add(part.lo, part.hi)
                budget, force = budget - part.bytes, False
                start, end = (start, part.lo - 1) if newest else (part.hi + 1, end)
                yield part

    def take_catalogues(self) -> list[Part]:
        """Catalogues that the twin lacks; they count as sent."""
        if not self.catalogues_due:
            return []
        due, self.catalogues_due = [seq for seq in self.catalogues_due if seq not in self.committed], []
        for seq in due:
            self.sent.add(seq)
        return [Part(seq, seq, self.catalogues[seq]) for seq in due]

    def _cut(self, start: int, end: int, budget: int, *, newest: bool, force: bool) -> Part | None:
        room = min(budget, RUN_BYTES_MAX)
        first = self.sizes[(end if newest else start) - self.base]
        if start == end:
            return Part(start, end, first) if first <= room or force else None
        count = min(RUN_RECORDS_MAX, end - start + 1, max(8, 2 * room // max(first, 1)))
        at = (end + 1 - count if newest else start) - self.base
        sizes = self.sizes[at : at + count]
        sums = list(accumulate(reversed(sizes) if newest else sizes))
        fits = bisect_right(sums, room) or (1 if force else 0)
        if not fits:
            return None
        lo = end + 1 - fits if newest else start
        return Part(lo, lo + fits - 1, sums[fits - 1])

    def _miss(self, lo: int, hi: int) -> None:
        self.absent.add(lo, hi)
        self.sent.add(lo, hi)
