"""Distance to the nearest window of a bank of normal windows (k-means centres of the last 16 rows, level kept).

What was never seen is far from all of them, whatever its shape. `nearest` tells which normal window a technician
should look at beside the strange one.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from inference.graph import Graph
from inference.windows import Floats

__all__ = ["KnnBank"]

_ROWS = 16
_POOLED_SIZE, _STREAM_SIZE = 128, 48  # prototypes of an asset; of one stream among thousands
_LEARN_FROM_MAX = 2_000  # windows
_ROUNDS = 8
_DISTANCE2_FLOOR = 1e-6  # under the root: keeps rounding of |x|² − 2xy + |y|² out of small distances


@dataclass(frozen=True)
class KnnBank:
    """Prototypes (units, size, values): values are channels · rows when pooled, else rows."""

    bank: Floats
    pooled: bool

    @classmethod
    def fit(cls, windows: Floats, pooled: bool) -> Self:
        """Fill the bank."""
        used = windows[:: max(1, len(windows) // _LEARN_FROM_MAX), :, -_ROWS:]
        if pooled:
            rows = used.reshape(len(used), -1)
            return cls(_centres(rows, _POOLED_SIZE)[None], pooled)
        return cls(np.stack([_centres(used[:, c], _STREAM_SIZE) for c in range(used.shape[1])]), pooled)

    def score(self, z: Floats) -> tuple[Floats, Floats]:
        """Reference in numpy; the share of a channel is its part of the distance."""
        part = np.ascontiguousarray(z[..., -_ROWS:])
        rows = part.reshape(1, len(z), -1) if self.pooled else part.transpose(1, 0, 2)
        distance2 = np.maximum(_distances(rows, self.bank), 0.0)
        score = np.sqrt(distance2.min(axis=-1).T + _DISTANCE2_FLOOR)
        if not self.pooled:
            return score, score**2
        nearest = self.bank[0][distance2[0].argmin(axis=-1)]
        return score, ((rows[0] - nearest) ** 2).reshape(len(z), -1, _ROWS).sum(axis=-1)

    def add(self, g: Graph, z: str) -> tuple[str, str]:
        """The same as nodes."""
        values = self.bank.shape[-1]
        part = g.last(z, _ROWS, -1)
        turned = g.op("Transpose", part, perm=[1, 0, 2])
        rows = g.op("Reshape", part, g.ints(1, -1, values)) if self.pooled else turned
        own = g.op("ReduceSum", g.op("Mul", rows, rows), g.ints(-1), keepdims=1)
        cross = g.op("MatMul", rows, g.const(-2.0 * self.bank.transpose(0, 2, 1)))
        norms = g.const((self.bank**2).sum(axis=-1)[:, None, :])
        distance2 = g.op("Relu", g.op("Add", g.op("Add", own, cross), norms))
        least = g.op("ReduceMin", distance2, g.ints(-1), keepdims=0)
        score = g.op("Sqrt", g.op("Add", g.op("Transpose", least, perm=[1, 0]), g.const(_DISTANCE2_FLOOR)))
        if not self.pooled:
            return score, g.op("Mul", score, score)
        which = g.op("ArgMin", g.op("Squeeze", distance2, g.ints(0)), axis=-1, keepdims=0)
        away = g.op("Sub", g.op("Squeeze", rows, g.ints(0)), g.op("Gather", g.const(self.bank[0]), which, axis=0))
        parts = g.op("Reshape", g.op("Mul", away, away), g.ints(-1, values // _ROWS, _ROWS))
        return score, g.total(parts, -1)


def _distances(rows: Floats, bank: Floats) -> Floats:
    """Squared distances (units, n, size)."""
    own = (rows**2).sum(axis=-1, keepdims=True)
    found: Floats = own - 2.0 * rows @ bank.transpose(0, 2, 1) + (bank**2).sum(axis=-1)[:, None, :]
    return found


def _centres(rows: Floats, size: int) -> Floats:
    """k-means from evenly spread first centres; always `size` of them, so banks can be stacked."""
    rows = np.ascontiguousarray(rows)
    centres: Floats = rows[np.linspace(0, len(rows) - 1, size).astype(int)]
    for _ in range(_ROUNDS):
        owner = _distances(rows[None], centres[None])[0].argmin(axis=-1)
        member = (owner[:, None] == np.arange(size)).astype(np.float64)
        count = member.sum(axis=0)[:, None]
        centres = np.where(count > 0, (member.T @ rows) / np.maximum(count, 1.0), centres)
    return centres
