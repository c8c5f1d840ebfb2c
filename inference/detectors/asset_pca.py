"""PCA T² + Q of an asset: the channels of one machine, now and one row ago, move together or something is wrong.

Q is the distance to the common subspace over its usual size, T² the distance within it; the share of a channel is
its part of Q. Only for pooled channels (the model of the building says which belong together).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from inference.detectors.shape import Subspace, fit_subspace
from inference.graph import Graph
from inference.windows import Floats

__all__ = ["AssetPca"]

_DIRECTIONS = 20
_LAGS = 2  # rows seen: now and one before


@dataclass(frozen=True)
class AssetPca:
    """The common subspace of (channels · 2) values and the usual Q."""

    space: Subspace
    usual: float

    @classmethod
    def fit(cls, windows: Floats, pooled: bool) -> Self:
        """Learn the subspace."""
        if not pooled:
            raise ValueError("asset_pca needs the channels of one asset, pooled")
        rows = np.ascontiguousarray(windows[..., -_LAGS:]).reshape(len(windows), -1)
        space = fit_subspace(rows, _DIRECTIONS)
        away = rows - space.mean
        residual = away - (away @ space.basis) @ space.basis.T
        return cls(space, float(np.sqrt((residual**2).sum(axis=-1).mean() + 1e-9)))

    def score(self, z: Floats) -> tuple[Floats, Floats]:
        """Reference in numpy."""
        rows = np.ascontiguousarray(z[..., -_LAGS:]).reshape(len(z), -1)
        away = rows - self.space.mean
        along = away @ self.space.basis
        residual = away - along @ self.space.basis.T
        q = np.sqrt((residual**2).sum(axis=-1, keepdims=True)) / self.usual
        t = np.sqrt((along**2 * self.space.weight).sum(axis=-1, keepdims=True))
        return q + t, (residual**2).reshape(len(z), -1, _LAGS).sum(axis=-1)

    def add(self, g: Graph, z: str) -> tuple[str, str]:
        """The same as nodes."""
        channels = len(self.space.mean) // _LAGS
        rows = g.op("Reshape", g.last(z, _LAGS, -1), g.ints(-1, channels * _LAGS))
        away = g.op("Sub", rows, g.const(self.space.mean))
        along = g.op("MatMul", away, g.const(self.space.basis))
        residual = g.op("Sub", away, g.op("MatMul", along, g.const(self.space.basis.T)))
        squares = g.op("Mul", residual, residual)
        q = g.op("Div", g.op("Sqrt", g.op("ReduceSum", squares, g.ints(-1), keepdims=1)), g.const(self.usual))
        weighted = g.op("Mul", g.op("Mul", along, along), g.const(self.space.weight))
        t = g.op("Sqrt", g.op("ReduceSum", weighted, g.ints(-1), keepdims=1))
        share = g.total(g.op("Reshape", squares, g.ints(-1, channels, _LAGS)), -1)
        return g.op("Add", q, t), share
