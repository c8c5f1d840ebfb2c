"""Copies of one thing, told apart by where they stand. Pure."""

import math

import numpy as np
from numpy.typing import NDArray

from bim.revisions.keys import PLACE_STEPS_PER_M, Row

__all__ = ["clear_pairs", "distance_m", "is_only_moved"]

_NEAR_M = 1.0  # a copy that moved farther is paired only when it is the only one left
_STILL_M = 0.05  # where copies came or went, one that moved may stand where another one stood
_ONLY_M = 5.0  # the only copy left may have moved that far on its storey
_CLEAR_RATIO = 3.0  # the next copy must be this many times farther away


def clear_pairs(rows: list[Row], others: list[Row]) -> list[tuple[Row, Row]]:
    """Pairs that are each other's nearest, and nearer than any other by far."""
    far = np.linalg.norm(_points(rows)[:, None] - _points(others)[None], axis=2)
    far[np.isnan(far)] = math.inf
    reach = _NEAR_M if len(rows) == len(others) else _STILL_M
    best, back = _nearest(far, reach), _nearest(far.T, reach)
    return [
        (row, others[at]) for index, (row, at) in enumerate(zip(rows, best, strict=True)) if _is_mutual(index, at, back)
    ]


def _is_mutual(index: int, at: int, back: list[int]) -> bool:
    return at >= 0 and back[at] == index


def _nearest(far: NDArray[np.float64], reach_m: float) -> list[int]:
    """For each row the column that is clearly nearest, -1 in doubt."""
    order = np.argsort(far, axis=1, kind="stable")[:, :2]
    ranked = np.take_along_axis(far, order, axis=1)
    clear = ranked[:, 0] <= reach_m
    if ranked.shape[1] > 1:
        clear &= ranked[:, 1] >= np.maximum(_CLEAR_RATIO * ranked[:, 0], 2 / PLACE_STEPS_PER_M)
    return [int(one) if sure else -1 for one, sure in zip(order[:, 0], clear, strict=True)]


def _points(rows: list[Row]) -> NDArray[np.float64]:
    nowhere = math.nan
    return np.array(
        [[nowhere if row[n] is None else row[n] for n in ("x_m", "y_m", "z_m")] for row in rows], np.float64
    )


def is_only_moved(row: Row, other: Row) -> bool:
    """Whether the last copy on either side is one thing that was moved a little."""
    return row["level"] == other["level"] and distance_m(row, other) <= _ONLY_M


def distance_m(row: Row, other: Row) -> float:
    """Between two placements; infinite where one is not known."""
    if row["x_m"] is None or other["x_m"] is None:
        return math.inf
    return math.dist((row["x_m"], row["y_m"], row["z_m"]), (other["x_m"], other["y_m"], other["z_m"]))
