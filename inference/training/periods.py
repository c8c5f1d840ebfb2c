"""Which rows may be learned from: not those in which an alarm stood, a device complained or data was lost."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Span", "normal_rows", "pieces_of"]

BEFORE_US, AFTER_US = 900_000_000, 900_000_000  # what leads to an alarm is not normal, nor what follows it
PIECE_ROWS_MIN = 130  # two windows: shorter ones hold no window of their own


class Span(NamedTuple):
    """A time that was not normal, for these points (None: for all)."""

    from_us: int
    to_us: int
    points: frozenset[int] | None = None


def normal_rows(
    rows: int, from_us: int, row_us: int, spans: Iterable[Span], points: frozenset[int]
) -> NDArray[np.bool_]:
    """Which of `rows` rows from `from_us` on are normal for an asset of these points."""
    normal = np.ones(rows, bool)
    for span in spans:
        if span.points is not None and not span.points & points:
            continue
        first = (span.from_us - BEFORE_US - from_us) // row_us
        last = (span.to_us + AFTER_US - from_us) // row_us + 1
        normal[max(first, 0) : max(last, 0)] = False
    return normal


def pieces_of(normal: NDArray[np.bool_]) -> list[slice]:
    """Unbroken stretches that are long enough, in the order of time."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], normal, [False]])))
    pairs = edges.reshape(-1, 2).tolist()
    return [slice(first, last) for first, last in pairs if last - first >= PIECE_ROWS_MIN]
