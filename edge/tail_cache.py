"""The newest records of the running epoch in memory, so that the live path never reads the disk."""

from bisect import bisect_right

__all__ = ["TailCache"]


class TailCache:
    """Holds at most `bytes_max`; the oldest go first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max, self._bytes = bytes_max, 0
        self._firsts: list[int] = []
        self._chunks: list[tuple[list[bytes], int]] = []

    def add(self, first_seq: int, records: list[bytes]) -> None:
        """Take records that follow each other; a hole in the seqs may precede them."""
        size = sum(map(len, records))
        self._firsts.append(first_seq)
        self._chunks.append((records, size))
        self._bytes += size
        drop = 0
        while self._bytes > self._bytes_max and drop < len(self._chunks):
            self._bytes -= self._chunks[drop][1]
            drop += 1
        if drop:
            del self._firsts[:drop], self._chunks[:drop]

    def get(self, lo: int, hi: int) -> list[bytes] | None:
        """The records `lo..hi`, or None when one of them is not here."""
        found: list[bytes] = []
        at = bisect_right(self._firsts, lo) - 1
        while lo <= hi:
            if not 0 <= at < len(self._chunks):
                return None
            records, start = self._chunks[at][0], lo - self._firsts[at]
            if start >= len(records):
                return None
            found += records[start : start + hi - lo + 1]
            lo, at = self._firsts[at] + len(records), at + 1
            if lo <= hi and (at >= len(self._firsts) or self._firsts[at] != lo):
                return None
        return found
