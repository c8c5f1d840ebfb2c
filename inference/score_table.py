"""Score many channels of one asset: fit on the first rows, then score every row after them, with alarms and reasons.

Rows that were learned from score 0: a score of them would either flatter (the model has seen them) or look ahead.
A row in which every channel is missing scores 0 and leaves the alarm as it is; a channel that is missing in a row is
held at its last value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.alarm import Alarms
from inference.bundle import AlarmPolicy, Bundle
from inference.detectors import WIDTH
from inference.fitted import BLOCK_ROWS, fit
from inference.limits import TILE_ROWS
from inference.readings_csv import Readings
from inference.windows import Floats, hold, tiles, trailing

__all__ = ["TOP_CHANNELS", "TableScores", "run_bundle", "score_readings", "score_rows"]

TOP_CHANNELS = 3


@dataclass(frozen=True)
class TableScores:
    """Per row: −log10 p, alarm, the indices of the channels that weigh most; and rows of regime changes."""

    score: Floats  # (rows,)
    alarm: NDArray[np.bool_]  # (rows,)
    top: NDArray[np.int64]  # (rows, up to 3)
    opened: NDArray[np.int64]  # rows in which an alarm opened
    regime: NDArray[np.int64]  # rows in which a new regime began
    open_at: float


def score_readings(readings: Readings, train_rows: int, budget_per_day: float) -> TableScores:
    """Fit on the first `train_rows` rows and score the rest; raises InputError when they are too few."""
    policy = AlarmPolicy(
        budget_per_day=budget_per_day, block_rows=BLOCK_ROWS, row_s=min(max(readings.row_s(train_rows), 1e-3), 1e9)
    )
    model = fit(readings.values[:train_rows], readings.names, pooled=True, alarm=policy, source=readings.file)
    return score_rows(Bundle(model.to_bytes(), name=readings.file), readings.values)


def score_rows(bundle: Bundle, values: Floats) -> TableScores:
    """Score (rows, channels) that begin with the rows the bundle learned from."""
    learned = bundle.manifest.trained_rows
    known = np.asarray(np.isfinite(values).any(axis=1))
    found = run_bundle(bundle, values, learned)
    score = np.where(known, found["score"][:, 0], 0.0)
    score[:learned] = 0.0
    alarms = Alarms(bundle.manifest.alarm, 1, learned)
    active, opened, regime = (np.zeros(len(values), bool) for _ in range(3))
    for row in range(learned, len(values)):
        step = alarms.step(score[row : row + 1], known[row : row + 1])
        active[row], opened[row], regime[row] = step.active[0], step.opened[0], step.regime[0]
    order = np.argsort(-found["share"], axis=1, kind="stable")[:, :TOP_CHANNELS]
    return TableScores(score, active, order, np.flatnonzero(opened), np.flatnonzero(regime), alarms.open_at)


def run_bundle(
    bundle: Bundle, values: Floats, learned: int = 0, progress: Callable[[int], None] | None = None
) -> dict[str, Floats]:
    """All outputs of a windowed bundle for each row from `learned` on (zeros before); NaN is held.

    Chunks of rows keep memory bounded, and tiles of one size keep each row's score independent of what follows it.
    """
    held = hold(values, np.array(bundle.manifest.center))
    parts: dict[str, list[Floats]] = {name: [] for name in bundle.outputs}
    for start in range(learned, len(held), TILE_ROWS):
        begin = max(start - WIDTH + 1, 0)
        windows = trailing(held[begin : start + TILE_ROWS], WIDTH)[start - begin :]
        for _, count, tile in tiles(windows):
            for name, output in bundle.run({"window": tile}).items():
                parts[name].append(output[:count])
        if progress is not None:
            progress(len(windows))
    whole = {name: np.concatenate(part) for name, part in parts.items() if part}
    if not whole:
        channels = len(bundle.manifest.channels)
        whole = {"score": np.zeros((0, 1)), "parts": np.zeros((0, 1, 1)), "share": np.zeros((0, channels))}
    return {n: np.concatenate([np.zeros((learned, *a.shape[1:])), a]) for n, a in whole.items()}
