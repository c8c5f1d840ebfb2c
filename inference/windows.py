"""From rows to what detectors see: missing values held, trailing windows, tiles of a fixed size.

A tile always has the same number of rows (the last one is padded), so that a row's score can never depend on how
many rows follow it: kernels choose their order of summation by the shape of the whole batch.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from inference.limits import TILE_ROWS

__all__ = ["Floats", "hold", "tiles", "trailing"]

Floats = NDArray[np.float64]


def hold(values: Floats, first: Floats) -> Floats:
    """Fill what is missing (NaN, ±inf) with the value before it in the same column; `first` (channels,) before any."""
    known = np.isfinite(values)
    if known.all():
        return values
    rows = np.where(known, np.arange(1, len(values) + 1)[:, None], 0)
    last = np.maximum.accumulate(rows, axis=0)
    filled: Floats = np.take_along_axis(np.concatenate([first[None, :], values]), last, axis=0)
    return filled


def trailing(values: Floats, width: int) -> Floats:
    """Windows (rows, channels, width) that end with each row; before the first row stands the first row."""
    padded = np.concatenate([np.repeat(values[:1], width - 1, axis=0), values])
    return np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)


def tiles(windows: Floats, rows: int = TILE_ROWS) -> Iterator[tuple[int, int, Floats]]:
    """(start, count, tile) with exactly `rows` rows a tile; the last one is filled up with its last row."""
    for start in range(0, len(windows), rows):
        part = windows[start : start + rows]
        count = len(part)
        if count < rows:
            part = np.concatenate([part, np.repeat(part[-1:], rows - count, axis=0)])
        yield start, count, np.ascontiguousarray(part)
