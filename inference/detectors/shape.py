"""What windowed detectors share: how many rows they see, and the subspace of a principal component fit."""

from dataclasses import dataclass

import numpy as np

from inference.windows import Floats

__all__ = ["Subspace", "WIDTH", "fit_subspace"]

WIDTH = 65  # the longest feature spans 64 rows and the step into the first of them
_VARIANCE_KEPT = 0.9
_EIGENVALUE_MIN = 1e-6  # of scaled values: directions that never moved weigh like the rounding of a sensor


@dataclass(frozen=True)
class Subspace:
    """Mean (d,), orthonormal basis (d, k) and the weight of each direction, 1 / (k · variance), (k,)."""

    mean: Floats
    basis: Floats
    weight: Floats


def fit_subspace(rows: Floats, most: int) -> Subspace:
    """Principal components of (n, d) rows: as many as hold 90 % of the variance, at most `most`."""
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True).reshape(len(mean), len(mean)))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    held = np.cumsum(values) / max(values.sum(), 1e-12)
    count = min(int(np.searchsorted(held, _VARIANCE_KEPT)) + 1, most, len(values))
    weight = 1.0 / (np.maximum(values[:count], _EIGENVALUE_MIN) * count)
    return Subspace(mean, np.ascontiguousarray(vectors[:, :count]), weight)
