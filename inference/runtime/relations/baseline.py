"""What is expected of a value at this operating point: ridge regression from sufficient statistics, for many at once.

Statistics of rows come in chunks and fade over weeks. The spread of a prediction grows with the distance of the
operating point from those that were learned (leverage), so that a machine in a state it was never in is no fault.
"""

import numpy as np
from numpy.typing import NDArray

from inference.runtime.relations.table import GIVEN_MAX
from inference.windows import Floats

__all__ = ["CHUNKS_LEAST", "WIDTH", "Baseline"]

WIDTH = GIVEN_MAX + 2  # one, regressors, value
CHUNKS_LEAST = 4
_FADE = 0.5 ** (1.0 / 300.0)  # of a chunk: two weeks of hours
_RIDGE = 0.02
_FAR = 4.0  # times the usual distance: beyond, the line is only a guess


class Baseline:
    """Of `count` values; `learn` chunks of moments, then `expect` values at operating points."""

    def __init__(self, count: int) -> None:
        self.moments = np.zeros((count, WIDTH, WIDTH))
        self.chunks = np.zeros(count)
        self.mean, self.scale = np.zeros((count, GIVEN_MAX)), np.ones((count, GIVEN_MAX))
        self.slope, self.middle = np.zeros((count, GIVEN_MAX)), np.zeros(count)
        self.spread = np.zeros(count)
        self.inverse = np.zeros((count, GIVEN_MAX, GIVEN_MAX))

    def learn(self, which: NDArray[np.intp], moments: Floats) -> None:
        """Chunks (which, WIDTH, WIDTH) of sums of z zᵀ with z = (1, regressors, value)."""
        self.moments[which] = _FADE * self.moments[which] + moments
        self.chunks[which] = _FADE * self.chunks[which] + 1.0
        self._fit(which)

    def expect(self, given: Floats) -> tuple[Floats, Floats]:
        """(count, GIVEN_MAX) operating points: what is expected, and its relative spread (1 at the middle)."""
        away = np.clip((given - self.mean) / self.scale, -1e3, 1e3)
        expected = self.middle + (self.slope * away).sum(axis=1)
        far = np.einsum("ni,nij,nj->n", away, self.inverse, away)
        dims = np.maximum((self.inverse[:, range(GIVEN_MAX), range(GIVEN_MAX)] > 0).sum(axis=1), 1)
        beyond = np.maximum(far / dims - _FAR, 0.0)
        wide = np.sqrt(1.0 + far / np.maximum(self.chunks, 1.0) + beyond)
        return expected, wide

    def _fit(self, which: NDArray[np.intp]) -> None:
        sums = self.moments[which]
        rows = np.maximum(sums[:, 0, 0], 1.0)
        means = sums[:, 0, 1:] / rows[:, None]
        cov = sums[:, 1:, 1:] / rows[:, None, None] - means[:, :, None] * means[:, None, :]
        sd = np.sqrt(np.maximum(np.diagonal(cov, axis1=1, axis2=2), 0.0))
        size = np.abs(means) + sd
        alive = sd[:, :-1] > 1e-6 * size[:, :-1] + 1e-12
        scale = np.where(alive, sd[:, :-1], 1.0)
        corr = cov[:, :-1, :-1] / (scale[:, :, None] * scale[:, None, :]) * (alive[:, :, None] & alive[:, None, :])
        solved = np.linalg.inv(corr + (_RIDGE + ~alive.reshape(*alive.shape, 1) * 1.0) * np.eye(GIVEN_MAX))
        with_value = np.where(alive, cov[:, :-1, -1] / scale, 0.0)
        slope = np.einsum("nij,nj->ni", solved, with_value)
        left = cov[:, -1, -1] - 2.0 * (slope * with_value).sum(axis=1) + np.einsum("ni,nij,nj->n", slope, corr, slope)
        self.mean[which], self.scale[which], self.slope[which] = means[:, :-1], scale, slope
        self.middle[which] = means[:, -1]
        self.spread[which] = np.sqrt(np.maximum(left, 0.0))
        self.inverse[which] = solved * (alive[:, :, None] & alive[:, None, :])
