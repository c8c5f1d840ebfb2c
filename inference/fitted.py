"""Fit the detectors of an asset or of many streams on accepted normal rows, as one ONNX bundle.

Scaled windows → detectors → −log10 p of each under its own normal scores → fused → −log10 p of an episode.
Normal scores are taken out of sample: each third of the rows is scored by detectors that learned from the other two
(cross-conformal), since a detector flatters the rows it learned from; the detectors that ship learned from all.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np

from inference.bundle import AlarmPolicy, Manifest, encode_manifest
from inference.detectors import WIDTH, WINDOWED, Detector
from inference.graph import Graph
from inference.limits import LEARN_CELLS_MAX, LEARN_WINDOWS_MIN, TILE_ROWS, TRAIN_ROWS_MIN
from inference.scaling import Scaling, fit_scaling
from inference.tables import Table, block_maxima, fit_table
from inference.windows import Floats, hold, trailing
from wire.errors import InputError

__all__ = ["BLOCK_ROWS", "Fitted", "fit"]

BLOCK_ROWS = 16  # rows of one block: alarms closer than that are one episode
_FOLDS = 3
_PURGE_ROWS = 16  # between what is learned and what is scored: neighbours know each other
_ROW_EXCESS_MIN, _BLOCK_EXCESS_MIN = 0.01, 0.1  # raw scores of normal rows are about 1; −log10 p has a mean of 0.43
_ROW_TAIL, _BLOCK_TAIL = 0.05, 0.5  # shares of normal scores above which the tail is a straight line


@dataclass(frozen=True)
class Fitted:
    """Everything learned; `score` is the numpy reference of the bundle that `to_bytes` writes."""

    names: tuple[str, ...]
    pooled: bool
    scaling: Scaling
    detectors: dict[str, Detector]
    tables: dict[str, Table]
    episode: Table
    trained_rows: int
    data_sha256: str
    alarm: AlarmPolicy

    def score(self, windows: Floats) -> tuple[Floats, Floats, Floats]:
        """Scores (n, units), −log10 p per detector (n, units, detectors), shares (n, channels)."""
        z = self.scaling.apply(windows, axis=1)
        parts, shares = [], []
        for name, detector in self.detectors.items():
            score, share = detector.score(z)
            parts.append(self.tables[name].apply(score))
            shares.append(share / (share.sum(axis=-1, keepdims=True) + 1e-12))
        stacked = np.stack(parts, axis=-1)
        return self.episode.apply(_fuse(stacked)), stacked, np.mean(shares, axis=0)

    def to_bytes(self, metrics: dict[str, float] | None = None) -> bytes:
        """The same as one ONNX file: `window` (n, channels, WIDTH) in; `score`, `parts`, `share` out."""
        g = Graph("fitted")
        channels = len(self.names)
        window = g.input("window", ["n", channels, WIDTH])
        center, scale = (g.const(column[:, None]) for column in (self.scaling.center, self.scaling.scale))
        z = g.clip(g.op("Div", g.op("Sub", window, center), scale), -50.0, 50.0)
        parts, shares = [], []
        for name, detector in self.detectors.items():
            score, share = detector.add(g, z)
            parts.append(g.op("Unsqueeze", self.tables[name].add(g, score), g.ints(-1)))
            whole = g.op("ReduceSum", share, g.ints(-1), keepdims=1)
            shares.append(g.op("Div", share, g.op("Add", whole, g.const(1e-12))))
        stacked = g.op("Concat", *parts, axis=-1)
        root = g.mean(g.op("Sqrt", stacked), -1)
        units = 1 if self.pooled else channels
        g.output("score", self.episode.add(g, g.op("Mul", root, root)), ["n", units])
        g.output("parts", stacked, ["n", units, len(parts)])
        g.output("share", g.op("Div", g.op("Sum", *shares), g.const(float(len(shares)))), ["n", channels])
        return g.to_bytes(encode_manifest(msgspec.structs.replace(self.manifest(), metrics=metrics or {})))

    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return Manifest(
            kind="asset" if self.pooled else "streams",
            channels=self.names,
            center=tuple(self.scaling.center.tolist()),
            detectors=tuple(self.detectors),
            width_rows=WIDTH,
            trained_rows=self.trained_rows,
            data_sha256=self.data_sha256,
            alarm=self.alarm,
        )


def fit(values: Floats, names: Sequence[str], *, pooled: bool, alarm: AlarmPolicy, source: str = "") -> Fitted:
    """Learn from normal rows (rows, channels); NaN is missing. Raises InputError when there is too little."""
    if len(values) < TRAIN_ROWS_MIN:
        raise InputError(
            f"{len(values)} rows to learn from; at least {TRAIN_ROWS_MIN} are needed",
            file=source,
            field="train-rows",
            fix="give more rows of normal operation",
        )
    known = np.isfinite(values)
    middle = np.array([np.median(column[k]) if k.any() else 0.0 for column, k in zip(values.T, known.T, strict=True)])
    held = hold(values, middle)
    kinds = {name: kind for name, kind in WINDOWED.items() if name != "asset_pca" or (pooled and len(names) > 1)}
    scaling, detectors = _learn([held], kinds, pooled)
    raw = _out_of_sample(held, kinds, pooled)
    tables = {name: fit_table(score, _ROW_TAIL, _ROW_EXCESS_MIN) for name, score in raw.items()}
    fused = _fuse(np.stack([tables[name].apply(score) for name, score in raw.items()], axis=-1))
    episode = fit_table(block_maxima(fused, alarm.block_rows), _BLOCK_TAIL, _BLOCK_EXCESS_MIN)
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return Fitted(tuple(names), pooled, scaling, detectors, tables, episode, len(values), digest, alarm)


def _fuse(parts: Floats) -> Floats:
    """Power mean with exponent 1/2 over detectors: agreement counts, one wild extrapolation does not decide."""
    fused: Floats = np.sqrt(parts).mean(axis=-1) ** 2
    return fused


def _learn(
    pieces: Sequence[Floats], kinds: dict[str, type[Detector]], pooled: bool
) -> tuple[Scaling, dict[str, Detector]]:
    """Scaling and detectors from contiguous pieces of rows; no window spans two pieces."""
    scaling = fit_scaling(np.concatenate(pieces))
    most = max(LEARN_CELLS_MAX // (WIDTH * pieces[0].shape[1]), LEARN_WINDOWS_MIN)
    step = -(-sum(len(piece) for piece in pieces) // most)
    windows = np.concatenate([trailing(scaling.apply(piece), WIDTH)[::step] for piece in pieces])
    return scaling, {name: kind.fit(windows, pooled) for name, kind in kinds.items()}


def _out_of_sample(held: Floats, kinds: dict[str, type[Detector]], pooled: bool) -> dict[str, Floats]:
    """Raw scores (rows, units) of every detector, each fold scored by what the other folds taught."""
    rows = len(held)
    edges = np.linspace(0, rows, _FOLDS + 1).astype(int)
    found: dict[str, list[Floats]] = {name: [] for name in kinds}
    for low, high in pairwise(edges.tolist()):
        pieces = [held[: max(low - _PURGE_ROWS, 0)], held[min(high + _PURGE_ROWS, rows) :]]
        scaling, detectors = _learn([piece for piece in pieces if len(piece)], kinds, pooled)
        for begin in range(low, high, TILE_ROWS):
            start, end = max(0, begin - WIDTH), min(begin + TILE_ROWS, high)
            windows = trailing(scaling.apply(held[start:end]), WIDTH)[begin - start :]
            for name, detector in detectors.items():
                found[name].append(detector.score(windows)[0])
    return {name: np.concatenate(parts) for name, parts in found.items()}
