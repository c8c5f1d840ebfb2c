"""Verdicts of several scans as one for each element: later and stronger evidence wins, unknown none. Pure.

The strength of a verdict is how far its probability lies from even (|log-odds|, at most 7), weighed by how much of the
element was seen. A later scan that says the same adds its strength if that is more; one that says the opposite
wins unless it has less than half the strength of what it contradicts, since a wall seldom disappears.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BUILT", "NOT_BUILT", "UNKNOWN", "Combined", "combine", "strength"]

UNKNOWN, BUILT, NOT_BUILT = 1, 2, 3  # codes of twin.scans_rows.VERDICT_CODES; 0: no scan looked at it
_LOG_ODDS_MAX = 7.0  # a chance of one in a thousand: what the method can tell at best
_SEEN_ENOUGH = 100.0  # rays on an element beyond which more of them tell no more
_CONTRADICTS_FROM = 0.5


class Combined(NamedTuple):
    """By element number: the verdict, and the row of the evidence that decided it (−1 where nothing did)."""

    verdict: NDArray[np.int8]
    row: NDArray[np.int64]


def strength(p_built: NDArray[np.float64], seen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each row; 0 where the probability is not known."""
    p = np.clip(np.nan_to_num(p_built, nan=0.5), 1e-6, 1 - 1e-6)
    odds = np.minimum(np.abs(np.log(p / (1 - p))), _LOG_ODDS_MAX)
    return np.asarray(odds * np.minimum(seen / _SEEN_ENOUGH, 1.0), np.float64)


def combine(
    element: NDArray[np.int64], at_us: NDArray[np.int64], verdict: NDArray[np.int8], power: NDArray[np.float64], n: int
) -> Combined:
    """Rows (element number below `n`, time of the scan, code, strength) in any order; vectorised scan by scan."""
    held = np.zeros(n, np.int8)
    row = np.full(n, -1, np.int64)
    force = np.zeros(n)
    for moment in np.unique(at_us):
        for number in _layers(element, np.flatnonzero(at_us == moment)):
            which, code, own = element[number], verdict[number], power[number]
            held[which] = np.where(held[which] == 0, UNKNOWN, held[which])
            decided = code != UNKNOWN
            first = held[which] == UNKNOWN
            same = decided & (held[which] == code)
            wins = decided & (first | same | (own >= _CONTRADICTS_FROM * force[which]))
            force[which] = np.where(wins, np.where(same, np.maximum(own, force[which]), own), force[which])
            row[which] = np.where(wins, number, row[which])
            held[which] = np.where(wins, code, held[which])
    return Combined(held, row)


def _layers(element: NDArray[np.int64], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of one moment in layers that name each element once: two scans of one moment follow one another."""
    layers = []
    while len(rows):
        _, first = np.unique(element[rows], return_index=True)
        layers.append(rows[np.sort(first)])
        rows = np.delete(rows, first)
    return layers
