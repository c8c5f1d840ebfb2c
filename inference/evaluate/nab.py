"""The corpus score of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015), for three application profiles.

Within a labelled window the earliest detection counts, weighted by a sigmoid that falls from 1 at its start to 0 at
its end; a detection outside costs, less when it lags a window a little; a missed window costs its full weight. One
threshold serves the whole corpus. A detector that never fires has 0, a perfect one 100.
The first 15 % of a file (at most 750 rows) are probation and do not count.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from inference.windows import Floats

__all__ = ["NabFile", "NabScore", "PROFILES", "nab_score"]

_PROBATION_SHARE, _PROBATION_ROWS_MAX = 0.15, 750
_STEEPNESS, _LAG_MAX = 5.0, 3.0


@dataclass(frozen=True)
class Profile:
    """What a false alarm and a missed window cost; a found window is worth 1."""

    false_alarm: float
    missed: float


PROFILES = {
    "standard": Profile(0.11, 1.0),
    "reward_low_FP_rate": Profile(0.22, 1.0),
    "reward_low_FN_rate": Profile(0.11, 2.0),
}


@dataclass(frozen=True)
class NabFile:
    """One scored file: scores (rows,) and its windows as first and last row, both inside."""

    scores: Floats
    windows: Sequence[tuple[int, int]]


class NabScore(msgspec.Struct, frozen=True):
    """The corpus score and what it is made of."""

    score: float
    threshold: float
    windows: int
    found: int
    false_rows: int


def nab_score(files: Sequence[NabFile], profile: Profile, threshold: float | None = None) -> NabScore:
    """Score a corpus at one threshold; without one, at the best in hindsight (as the public tables do)."""
    scores = np.concatenate([_counted(file, file.scores) for file in files])
    weight = np.concatenate([_counted(file, _weights(file, profile)) for file in files])
    window = _windows(files)
    order = np.argsort(-scores, kind="stable")
    gain, found, false = _gains(weight[order], window[order], profile)
    total = sum(len(file.windows) for file in files)
    reachable = len(np.unique(window[window >= 0]))
    lost = -profile.missed * reachable
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(scores) else np.array([], int)
    value, at = lost + np.cumsum(gain)[ends], scores[order][ends]
    if threshold is None:
        best = int(np.argmax(value)) if len(value) and value.max() > lost else -1
    else:
        best = int(np.searchsorted(-at, -threshold, side="right")) - 1
    raw = value[best] if best >= 0 else lost
    last = ends[best] + 1 if best >= 0 else 0
    used = at[best] if threshold is None and best >= 0 else threshold
    full = total + profile.missed * reachable
    return NabScore(
        score=100.0 * float(raw - lost) / full if full else 0.0,
        threshold=float(math.inf if used is None else used),
        windows=total,
        found=int(found[:last].sum()),
        false_rows=int(false[:last].sum()),
    )


def _counted(file: NabFile, column: Floats) -> Floats:
    rows = len(file.scores)
    return column[math.ceil(min(math.floor(_PROBATION_SHARE * rows), _PROBATION_SHARE * 5_000)) :]


def _sigmoid(position: Floats | float) -> Floats:
    return np.asarray(2.0 / (1.0 + np.exp(_STEEPNESS * np.asarray(position, float))) - 1.0)


def _weights(file: NabFile, profile: Profile) -> Floats:
    """What a detection in each row is worth: positive in windows, negative outside."""
    row = np.arange(len(file.scores), dtype=float)
    worth = np.full(len(row), -profile.false_alarm)
    for first, last in file.windows:
        width = last - first + 1
        after = (row - last) / max(width - 1.0, 1e-12)
        late = np.where(after > _LAG_MAX, -1.0, _sigmoid(np.clip(after, 0.0, _LAG_MAX + 1)))
        worth = np.where(row > last, late * profile.false_alarm, worth)
        inside = (row >= first) & (row <= last)
        worth[inside] = _sigmoid(-(last - row[inside] + 1) / width) / _sigmoid(-1.0)
    return worth


def _windows(files: Sequence[NabFile]) -> np.ndarray:
    """The number of the window that each counted row lies in, over the corpus; -1 for none."""
    found, number = [], 0
    for file in files:
        column = np.full(len(file.scores), -1)
        for first, last in file.windows:
            column[first : last + 1] = number
            number += 1
        found.append(_counted(file, column))
    return np.concatenate(found)


def _gains(weight: Floats, window: np.ndarray, profile: Profile) -> tuple[Floats, np.ndarray, np.ndarray]:
    """By falling score: what each row adds, whether it is the first of its window, whether it is a false alarm."""
    gain, first = np.where(window < 0, weight, 0.0), np.zeros(len(weight), bool)
    for number in np.unique(window[window >= 0]):
        rows = np.flatnonzero(window == number)
        best = np.maximum.accumulate(np.maximum(weight[rows], -profile.missed))
        gain[rows] = np.diff(best, prepend=-profile.missed)
        first[rows[0]] = True
    return gain, first, window < 0
