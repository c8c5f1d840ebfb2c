"""A similarity solved over the points that agree.

In plan and height apart ("2d", as surveyors calibrate a site, so a model stays level) or in space ("3d", for a model
that leans): weighted least squares after Umeyama 1991. Which points agree is decided by trying the minimal sets, all
of them while there are few (random sample consensus, Fischler and Bolles 1981).
"""

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bim.geo.settings import CalibrationSettings

__all__ = ["Fit", "Solver"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SETS_MAX = 2_000  # minimal sets that are tried: all of them up to 63 points in plan
_LOOSE = 2.5  # tolerances a good point may be off a set of two, before all good ones are solved together
_ROUNDS = 5  # until the set and its solution agree


class Fit(NamedTuple):
    """map = linear @ model + offset."""

    linear: Array  # (3, 3)
    offset: Array  # (3,)

    def residuals(self, model: Array, world: Array) -> Array:
        """Measured minus solved (n, 3); NaN where a height is not given."""
        off = world - (np.nan_to_num(model) @ self.linear.T + self.offset)
        off[:, 2] = np.where(np.isnan(model[:, 2]) | np.isnan(world[:, 2]), np.nan, off[:, 2])
        return off


class Solver:
    """Least squares over chosen points; rows are those of the control points."""

    def __init__(
        self, model: Array, world: Array, sigma: Array, settings: CalibrationSettings, grid_scale: float
    ) -> None:
        self.model, self.world, self.sigma, self.settings = model, world, sigma, settings
        self._fixed = grid_scale if settings.scale == "fixed" else None
        self.minimal = 2 if settings.kind == "2d" else 3

    def solve(self, used: Mask, *, mirrored: bool = False) -> Fit:
        """The weighted solution over the points that are used."""
        weights = used / self.sigma**2
        if self.settings.kind == "3d":
            linear, offset = _similarity(self.model, self.world, weights, self._fixed)
            return Fit(linear, offset)
        source = self.model[:, :2] * ([1.0, -1.0] if mirrored else [1.0, 1.0])
        plan, shift = _similarity(source, self.world[:, :2], weights, self._fixed)
        linear, offset = np.eye(3), np.zeros(3)
        linear[:2, :2], offset[:2] = plan * ([1.0, -1.0] if mirrored else [1.0, 1.0]), shift
        rise = self.world[:, 2] - self.model[:, 2]
        known = used & ~np.isnan(rise)
        offset[2] = np.average(rise[known], weights=weights[known]) if known.any() else 0.0
        return Fit(linear, offset)

    def consensus(self) -> Mask:
        """The points that agree within the tolerance; all of them where the wrong one cannot be told."""
        n, tolerance = len(self.model), self.settings.tolerance_m
        everyone = np.ones(n, dtype=bool)
        if n <= self.minimal + 1 or float(self._away(self.solve(everyone)).max()) <= tolerance:
            return everyone  # one point too many shows a mistake, and cannot say whose it is
        best, most = everyone, (0, 0.0)
        for chosen in self._minimal_sets(n):
            few = np.zeros(n, dtype=bool)
            few[list(chosen)] = True
            away = self._away(self.solve(few))
            near = away <= _LOOSE * tolerance
            score = (int(near.sum()), -float((away[near] ** 2).sum()))
            if score > most:
                best, most = near, score
        for _ in range(_ROUNDS):
            if best.sum() <= self.minimal:
                return everyone
            again = self._away(self.solve(best)) <= tolerance
            if bool((again == best).all()):
                break
            best = again
        return best if best.sum() > self.minimal else everyone

    def edge_sigma_m(self, used: Mask, off: Array, extent_m: tuple[float, ...] | None) -> float:
        """Standard deviation in plan of the corner of the model that is farthest from the points."""
        here, weights = self.model[used, :2], 1 / self.sigma[used] ** 2
        middle = np.average(here, axis=0, weights=weights)
        spread = float(weights @ ((here - middle) ** 2).sum(axis=1))
        loose = 2 * int(used.sum()) - (3 if self._fixed is not None else 4)
        seen = float((weights[:, None] * off[used, :2] ** 2).sum()) / max(loose, 1)
        variance = max(1.0, seen)  # the survey's own figure, unless the residuals say worse
        x0, y0, x1, y1 = (
            (extent_m[0], extent_m[1], extent_m[3], extent_m[4]) if extent_m else (*here.min(0), *here.max(0))
        )
        far = max(math.hypot(x - middle[0], y - middle[1]) for x in (x0, x1) for y in (y0, y1))
        return math.sqrt(variance * (1 / float(weights.sum()) + far**2 / spread))

    def _away(self, fit: Fit) -> Array:
        """Distance of each point from where it should be; of its height too, where it has one."""
        off = fit.residuals(self.model, self.world)
        return np.asarray(np.sqrt((np.nan_to_num(off) ** 2).sum(axis=1)))

    def _minimal_sets(self, n: int) -> list[tuple[int, ...]]:
        total = math.comb(n, self.minimal)
        if total <= _SETS_MAX:
            return list(combinations(range(n), self.minimal))
        dice = np.random.default_rng(n)
        return [tuple(dice.choice(n, self.minimal, replace=False).tolist()) for _ in range(_SETS_MAX)]


def _similarity(source: Array, target: Array, weights: Array, scale: float | None) -> tuple[Array, Array]:
    """Proper rotation, scale and shift that take source to target best; weighted Umeyama, any dimension."""
    share = weights / weights.sum()
    here, there = share @ source, share @ target
    a, b = source - here, target - there
    u, s, vt = np.linalg.svd((b * share[:, None]).T @ a)
    flip = np.ones(len(s))
    flip[-1] = np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0
    rotation = u @ np.diag(flip) @ vt
    size = float(share @ (a**2).sum(axis=1))
    factor = scale if scale is not None else float(s @ flip) / size if size > 0 else 1.0
    return factor * rotation, there - factor * rotation @ here
