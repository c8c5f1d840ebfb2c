"""Sub-PCA: a window of one channel should lie in the subspace that its normal windows span.

SPE is the mean squared distance to that subspace over what it was while learning, T² the distance within it.
The subspaces of all channels are stacked, so one batched MatMul serves them all.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from inference.detectors.shape import fit_subspace
from inference.graph import Graph
from inference.windows import Floats

__all__ = ["SubPca"]

_LONG, _SHORT, _LONG_FROM = 64, 32, 1_000  # rows seen; from so many windows on the long one can be learned
_DIRECTIONS = 10
_LEARN_FROM_MAX = 3_000  # windows; they overlap, so more say little more
_SPE_FLOOR = 0.02  # scaled units: what a perfectly predictable channel is still allowed


@dataclass(frozen=True)
class SubPca:
    """Per channel: mean (channels, 1, width), basis (channels, width, k), weight (channels, 1, k), usual SPE."""

    mean: Floats
    basis: Floats
    weight: Floats
    usual: Floats
    pooled: bool

    @classmethod
    def fit(cls, windows: Floats, pooled: bool) -> Self:
        """Learn one subspace per channel."""
        width = _LONG if len(windows) >= _LONG_FROM else _SHORT
        used = windows[:: max(1, len(windows) // _LEARN_FROM_MAX), :, -width:]
        channels = used.shape[1]
        mean, basis = np.zeros((channels, 1, width)), np.zeros((channels, width, _DIRECTIONS))
        weight, usual = np.zeros((channels, 1, _DIRECTIONS)), np.zeros(channels)
        for channel in range(channels):
            found = fit_subspace(np.ascontiguousarray(used[:, channel]), _DIRECTIONS)
            count = found.basis.shape[1]
            mean[channel, 0], basis[channel, :, :count] = found.mean, found.basis
            weight[channel, 0, :count] = found.weight
            away = used[:, channel] - found.mean
            spe = np.maximum((away**2).sum(axis=-1) - ((away @ found.basis) ** 2).sum(axis=-1), 0.0) / width
            usual[channel] = np.sqrt(spe.mean()) + _SPE_FLOOR
        return cls(mean, basis, weight, usual, pooled)

    def score(self, z: Floats) -> tuple[Floats, Floats]:
        """Reference in numpy."""
        width = self.basis.shape[1]
        away = z[..., -width:].transpose(1, 0, 2) - self.mean
        along = away @ self.basis
        spe = np.maximum((away**2).sum(axis=-1) - (along**2).sum(axis=-1), 0.0).T / width / self.usual**2
        within = (along**2 * self.weight).sum(axis=-1).T
        if self.pooled:
            return (
                np.sqrt(spe.mean(axis=-1, keepdims=True)) + np.sqrt(within.mean(axis=-1, keepdims=True)),
                spe + within,
            )
        return np.sqrt(spe) + np.sqrt(within), spe + within

    def add(self, g: Graph, z: str) -> tuple[str, str]:
        """The same as nodes."""
        width = self.basis.shape[1]
        turned = g.op("Transpose", g.last(z, width, -1), perm=[1, 0, 2])
        away = g.op("Sub", turned, g.const(self.mean))
        along = g.op("MatMul", away, g.const(self.basis))
        along2 = g.op("Mul", along, along)
        outside = g.op("Sub", g.total(g.op("Mul", away, away), -1), g.total(along2, -1))
        outside = g.op("Transpose", g.op("Relu", outside), perm=[1, 0])
        spe = g.op("Div", outside, g.const(width * self.usual**2))
        within = g.op("Transpose", g.total(g.op("Mul", along2, g.const(self.weight)), -1), perm=[1, 0])
        share = g.op("Add", spe, within)
        if self.pooled:
            spe, within = (g.op("ReduceMean", part, g.ints(-1), keepdims=1) for part in (spe, within))
        return g.op("Add", g.op("Sqrt", spe), g.op("Sqrt", within)), share
