"""How elements are divided into tiles: by storey, by square cell, and by count where a cell holds too many. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cell", "divide"]

_MORTON_BITS = 16


@dataclass(frozen=True, slots=True)
class Cell:
    """One tile to be: rows of the arrays given to `divide`, in drawing order."""

    storey: int  # -1: none
    cell: tuple[int, int]
    rows: NDArray[np.int64]


def divide(
    storey: NDArray[np.int64],
    centers_m: NDArray[np.float64],
    spans_m: NDArray[np.float64],
    triangles: NDArray[np.int64],
    *,
    cell_m: float,
    elements_max: int,
    triangles_max: int,
) -> list[Cell]:
    """Tiles over elements given by storey number (-1: none), centre (n, 2), largest extent (n,) and triangle count.

    Elements wider than a cell (terrain, roads) have tiles of their own, so that their coarse grid costs others nothing.
    Within a cell elements follow a Z-order curve, so a cell that is cut stays in pieces that lie together. One element
    beyond the bound of triangles is a tile of its own.
    """
    index = np.floor(centers_m / cell_m).astype(np.int64)
    index = np.clip(index, -(1 << 20), 1 << 20)  # strays far outside share the last cell
    wide = spans_m > cell_m
    order = np.lexsort((_morton(centers_m / cell_m - index), index[:, 1], index[:, 0], wide, storey))
    keys = np.column_stack([storey, wide, index])[order]
    breaks = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
    cells = []
    for rows in np.split(order, breaks) if len(order) else ():
        place = int(storey[rows[0]]), (int(index[rows[0], 0]), int(index[rows[0], 1]))
        cells += [Cell(*place, part) for part in _cut(rows, triangles, elements_max, triangles_max)]
    return cells


def _cut(
    rows: NDArray[np.int64], triangles: NDArray[np.int64], elements_max: int, triangles_max: int
) -> list[NDArray[np.int64]]:
    parts, start, held = [], 0, 0
    for at, count in enumerate(triangles[rows].tolist()):
        if at > start and (at - start >= elements_max or held + count > triangles_max):
            parts.append(rows[start:at])
            start, held = at, 0
        held += count
    return [*parts, rows[start:]]


def _morton(within: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Interleaved bits of positions in a unit square (n, 2)."""
    bits = np.clip(within * (1 << _MORTON_BITS), 0, (1 << _MORTON_BITS) - 1).astype(np.uint64)
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    code: NDArray[np.uint64] = bits[:, 0] | (bits[:, 1] << np.uint64(1))
    return code
