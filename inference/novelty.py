"""Score one stream without training: is this reading the start of something that was not there before?

Features of `detectors.adaptive` are ranked, on both sides, among the maxima of blocks of 16 rows seen so far, with a
generalised Pareto tail above the upper 15 %: −log10 of the chance that a normal block peaks as high. Block maxima make
correlated rows count once, which is what lets one threshold serve every stream. Two readings of that are averaged: the
best of seven features over a long memory (1,024 blocks), which knows what is rare, and the mean of ten over a short
one (128 blocks), which knows what is new and asks for agreement. Two rules make an episode of a run of high scores:
a score counts only where it exceeds everything of the last 90 rows, and each episode of the recent past makes the
next one less of a surprise (by a third of log10(1 + episodes)).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.bundle import AlarmPolicy, Bundle, Manifest, encode_manifest
from inference.detectors.adaptive import FEATURES, SLOTS, STATE, Adaptive
from inference.limits import BLOCKS_KEPT
from inference.windows import Floats

__all__ = ["Episodes", "Reference", "build", "novelty", "slots_of"]

BLOCK_ROWS = 16
_REFIT_ROWS = 32  # the reference is renewed so often; within, it holds only rows before
_FIRST_ROWS = 96  # six blocks: before, nothing can be said
_TAIL_SHARE, _TAIL_LEAST, _TAIL_SHAPE = 0.15, 4, 0.15
_RANGE_SHARE = 0.1  # of the range of maxima, shared among the exceedances: widens the tail of a short history
_LOG_P_MAX = 8.0
_SHORT_BLOCKS = 128
_RARE = [FEATURES.index(n) for n in ("value", "step", "mean4", "away16", "away64", "calendar", "holt")]
_NEW = [index for index, name in enumerate(FEATURES) if name not in ("step", "holt")]
_AGREEMENT = 2.0  # weight of the mean of many looks against the best of few
_RUN_ROWS, _MARGIN = 90, 0.1
_HABIT, _HABIT_FROM, _HABIT_ROWS, _EPISODE_ROWS = 1.0 / 3.0, 4.0 / 3.0, 6_000.0, 60
_CHUNK_ROWS = 4_096


def build() -> bytes:
    """The adaptive detector as a bundle; the same bytes for every stream."""
    manifest = Manifest(
        kind="adaptive",
        channels=("value",),
        center=(0.0,),
        detectors=FEATURES,
        width_rows=STATE["ring"],
        trained_rows=0,
        data_sha256="",
        alarm=AlarmPolicy(block_rows=BLOCK_ROWS),
    )
    return Adaptive.to_bytes(encode_manifest(manifest))


def slots_of(seconds: Floats) -> NDArray[np.int64]:
    """The slot of the day of each time."""
    return ((seconds % 86_400.0) * SLOTS // 86_400.0).astype(np.int64).clip(0, SLOTS - 1)


def novelty(bundle: Bundle, seconds: Floats, values: Floats) -> Floats:
    """Scores (rows,) of one stream (rows,): NaN is missing and scores 0, and nothing is learned from it."""
    known = np.flatnonzero(np.isfinite(values))
    scores = np.zeros(len(values))
    if not len(known):
        return scores
    features = _features(bundle, seconds[known], values[known])
    scores[known] = Episodes().run(Reference(2 * len(FEATURES)).run(features))
    return scores


def _features(bundle: Bundle, seconds: Floats, values: Floats) -> Floats:
    state, slots, found = Adaptive.start(1), slots_of(seconds), []
    for start in range(0, len(values), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        out = bundle.run({"value": values[rows, None], "slot": slots[rows, None], **state})
        state = {name: out[f"{name}_out"] for name in STATE}
        found.append(out["features"][:, 0])
    return np.concatenate(found)


class Reference:
    """Block maxima of `columns` statistics (each feature and its negative), at most BLOCKS_KEPT, oldest go."""

    def __init__(self, columns: int) -> None:
        self._peaks: Floats = np.zeros((0, columns))

    def run(self, features: Floats) -> Floats:
        """−log10 p of each row of (rows, features), each judged by rows before it only."""
        both = np.concatenate([features, -features], axis=1)
        scores = np.zeros(len(both))
        for start in range(0, len(both), _REFIT_ROWS):
            part = both[start : start + _REFIT_ROWS]
            if start >= _FIRST_ROWS:
                rare = _judge(self._peaks, part)[:, _RARE].max(axis=1)
                new = _judge(self._peaks[-_SHORT_BLOCKS:], part)[:, _NEW].mean(axis=1)
                scores[start : start + len(part)] = (rare + _AGREEMENT * new) / (1.0 + _AGREEMENT)
            whole = part[: len(part) // BLOCK_ROWS * BLOCK_ROWS]
            peaks = whole.reshape(-1, BLOCK_ROWS, both.shape[1]).max(axis=1)
            self._peaks = np.concatenate([self._peaks, peaks])[-BLOCKS_KEPT:]
        return scores


def _judge(peaks: Floats, rows: Floats) -> Floats:
    """−log10 p (rows, features) of both sides of each feature among block maxima (blocks, 2 · features)."""
    ordered = np.sort(peaks, axis=0)
    n = len(ordered)
    exceeding = max(int(n * _TAIL_SHARE), _TAIL_LEAST)
    top = ordered[n - exceeding - 1]
    excess = (ordered[n - exceeding :] - top).sum(axis=0) + _RANGE_SHARE * (ordered[-1] - ordered[0])
    scale = np.maximum(excess / exceeding, 1e-9 * np.abs(ordered).max(axis=0) + 1e-300) * (1.0 - _TAIL_SHAPE)
    above = np.log1p(_TAIL_SHAPE * np.maximum(rows - top, 0.0) / scale) / (_TAIL_SHAPE * np.log(10.0))
    below = np.stack([np.searchsorted(c, r, side="left") for c, r in zip(ordered.T, rows.T, strict=True)], axis=1)
    ranked = -np.log10((n - below + 1) / (n + 1))
    log_p = np.where(rows > top, above - np.log10((exceeding + 1) / (n + 1)), ranked)
    sides: Floats = np.minimum(np.maximum(log_p[:, : len(FEATURES)], log_p[:, len(FEATURES) :]), _LOG_P_MAX)
    return sides


@dataclass
class Episodes:
    """From a run of high scores to one: state of one stream."""

    recent: list[float] = field(default_factory=list)  # the last scores, discounted
    count: float = 0.0  # episodes, forgotten over _HABIT_ROWS
    quiet_rows: int = 10**9

    def run(self, scores: Floats) -> Floats:
        """(rows,) → (rows,)."""
        return np.array([self._step(score) for score in scores.tolist()])

    def _step(self, score: float) -> float:
        self.count *= 1.0 - 1.0 / _HABIT_ROWS
        own = max(score - _HABIT * float(np.log10(1.0 + self.count)), 0.0)
        if score > _HABIT_FROM:
            self.count += self.quiet_rows > _EPISODE_ROWS
            self.quiet_rows = 0
        self.quiet_rows += 1
        news = own > max(self.recent, default=0.0) + _MARGIN
        self.recent = [*self.recent[-_RUN_ROWS + 1 :], own]
        return own if news else 0.0
