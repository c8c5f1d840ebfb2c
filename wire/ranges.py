"""Sets of sequence numbers as sorted, disjoint, inclusive ranges: what the twin has of one epoch."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["Range", "Ranges"]

Range = tuple[int, int]


class Ranges:
    """A set of integers kept as inclusive ranges; adjacent ranges merge.

    All operations cost O(log n + ranges touched) for n ranges.
    """

    __slots__ = ("_his", "_los")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._los: list[int] = []
        self._his: list[int] = []
        for lo, hi in ranges:
            self.add(lo, hi)

    def add(self, lo: int, hi: int | None = None) -> list[Range]:
        """Add `lo..hi` (or one number) and return the parts of it that were not there before."""
        hi = lo if hi is None else hi
        if hi < lo:
            raise ValueError(f"range {lo}..{hi} runs backwards")
        if self._his and self._los[-1] <= lo <= self._his[-1] + 1:  # the last range grows: by far the most frequent
            end = self._his[-1]
            self._his[-1] = max(end, hi)
            return [(end + 1, hi)] if hi > end else []
        fresh = self.missing(lo, hi)
        if fresh:
            first = bisect_left(self._his, lo - 1)
            last = bisect_right(self._los, hi + 1)
            if first < last:
                lo, hi = min(lo, self._los[first]), max(hi, self._his[last - 1])
            self._los[first:last], self._his[first:last] = [lo], [hi]
        return fresh

    def missing(self, lo: int, hi: int) -> list[Range]:
        """The parts of `lo..hi` that are not in the set, ascending."""
        if lo <= hi and (not self._his or lo > self._his[-1]):
            return [(lo, hi)]
        holes: list[Range] = []
        at = bisect_left(self._his, lo)
        while lo <= hi:
            if at == len(self._los) or self._los[at] > hi:
                holes.append((lo, hi))
                break
            if self._los[at] > lo:
                holes.append((lo, self._los[at] - 1))
            lo = self._his[at] + 1
            at += 1
        return holes

    def covers(self, lo: int, hi: int) -> bool:
        """Whether every number of `lo..hi` is in the set."""
        at = bisect_left(self._his, lo)
        return at < len(self._los) and self._los[at] <= lo and self._his[at] >= hi

    def __contains__(self, seq: object) -> bool:
        return isinstance(seq, int) and self.covers(seq, seq)

    def __iter__(self) -> Iterator[Range]:
        return iter(zip(self._los, self._his, strict=True))

    def __len__(self) -> int:
        """Number of ranges (not of numbers)."""
        return len(self._los)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._los == other._los and self._his == other._his

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    @property
    def count(self) -> int:
        """How many numbers are in the set."""
        return sum(self._his) - sum(self._los) + len(self._los)

    @property
    def high(self) -> int | None:
        """The highest number, or None when empty."""
        return self._his[-1] if self._his else None

    def to_list(self) -> list[Range]:
        """The ranges, ascending."""
        return list(self)

    def copy(self) -> "Ranges":
        """An independent copy."""
        twin = Ranges()
        twin._los, twin._his = self._los.copy(), self._his.copy()
        return twin
