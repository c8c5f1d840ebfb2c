"""Whether a fit sits in the right valley: neighbours of it are refined too, and the one that the rays agree with wins.

Floors a hand's breadth apart, or a grid of equal bays, give a fit several places to rest. Distances alone cannot tell
them apart; rays can: where the cloud is right few of them pass through what is planned to stand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.registration.refine import Controls, refine
from drone_ingest.registration.rigid import Matrix, apply, moved_m
from drone_ingest.registration.surface import offsets_of
from drone_ingest.scan.elements import Elements, Floats

__all__ = ["Agreement", "agreement", "best_valley", "standing_of"]

_STEPS_M = (0.15, 0.30)
_REACHES = (0.2, 0.12, 0.1, 0.1)
_RAYS = 6_000
_SAME_VALLEY_M = 0.03
_BLIND_FLANK = 3.0  # without sensor places: points up to so many widths off count against a fit
_STANDING_MIN = 5  # rays of a sample that ended on an element
_AHEAD_M = 2.0  # a point that lies so far before a planned surface was stopped by something else


@dataclass(frozen=True, slots=True)
class Agreement:
    """Rays of a sample: stopped at a planned surface, passed through one, ended before one."""

    met: int
    pierced: int
    before: int
    touched: int  # ended at one, whatever they passed before

    @property
    def consistency(self) -> float:
        """Of the rays that tell something, how many met what is planned."""
        return self.met / max(self.met + self.pierced, 1)

    @property
    def overlap(self) -> float:
        """Of all rays towards planned surfaces near their end, how many met one."""
        return self.met / max(self.met + self.pierced + self.before, 1)


def best_valley(
    elements: Elements,
    points: Floats,
    origins: Floats | None,
    start: Matrix,
    sigma_m: float,
    controls: Controls | None,
    *,
    all_stand: bool = True,
) -> tuple[Matrix, Matrix | None]:
    """The refined motion that agrees best, and another, elsewhere, that agrees as well (None: there is none).

    Unless all elements should stand, a ray through one of them is no sign against a motion.
    """
    points = points[:_RAYS]
    origins = None if origins is None else origins[:_RAYS]
    corners = np.stack([elements.low_m, elements.high_m])
    known: list[tuple[float, Matrix]] = []
    centre = start
    for _ in range(3):
        starts = [
            centre,
            *(_moved(centre, axis, step) for axis in range(3) for size in _STEPS_M for step in (size, -size)),
        ]
        for one in starts:
            fitted = refine(elements, points, origins, one, _REACHES, sigma_m, controls).motion
            if all(moved_m(fitted, other, corners) > _SAME_VALLEY_M for _, other in known):
                known.append((_score(agreement(elements, points, origins, fitted, sigma_m), all_stand), fitted))
        known.sort(key=lambda row: -row[0])
        if moved_m(known[0][1], centre, corners) <= _SAME_VALLEY_M:
            break
        centre = known[0][1]
    rivals = [
        motion for score, motion in known[1:] if score > 0.97 * known[0][0] and _far(motion, known[0][1], corners)
    ]
    return known[0][1], rivals[0] if rivals else None


def agreement(elements: Elements, points: Floats, origins: Floats | None, motion: Matrix, sigma_m: float) -> Agreement:
    """How a sample of rays agrees with what is planned."""
    near_m = 2.5 * sigma_m + 0.015
    here = apply(motion, points)
    if origins is None:
        nearest = offsets_of(elements, here, None, _BLIND_FLANK * near_m)
        close = int((np.abs(nearest.offset_m) <= near_m).sum())
        return Agreement(close, len(nearest.row) - close, 0, close)
    away = here - apply(motion, origins)
    far = np.linalg.norm(away, axis=1)
    good = np.flatnonzero(np.isfinite(far) & (far > 4 * near_m))
    directions = away[good] / far[good, None]
    crossed = elements.crossings(here[good] + _AHEAD_M * directions, -directions)
    offset = (_AHEAD_M - crossed.t_m) * crossed.cosine
    front = (crossed.cosine > 0.2) & (crossed.t_m < far[good][crossed.ray] + _AHEAD_M - near_m)
    met, pierced, before = (np.zeros(len(points), np.bool_) for _ in range(3))
    met[crossed.ray[front & (np.abs(offset) <= near_m)]] = True
    pierced[crossed.ray[front & (offset < -near_m) & elements.opaque[crossed.triangle]]] = True
    before[crossed.ray[front & (offset > near_m)]] = True
    stopped = met & ~pierced
    ahead = int((before & ~met & ~pierced).sum())
    return Agreement(int(stopped.sum()), int(pierced.sum()), ahead, int(met.sum()))


def standing_of(
    elements: Elements, points: Floats, origins: Floats | None, motion: Matrix, sigma_m: float
) -> NDArray[np.bool_]:
    """Which elements seem to stand under a motion: more rays of a sample ended on them than passed through them."""
    near_m = 2.5 * sigma_m + 0.015
    here = apply(motion, points)
    if origins is None:
        nearest = offsets_of(elements, here, None, near_m)
        blind: NDArray[np.bool_] = np.bincount(nearest.element, minlength=len(elements)) >= _STANDING_MIN
        return blind
    away = here - apply(motion, origins)
    far = np.linalg.norm(away, axis=1)
    good = np.flatnonzero(np.isfinite(far) & (far > 4 * near_m))
    directions = away[good] / far[good, None]
    crossed = elements.crossings(here[good] + 3 * near_m * directions, -directions)
    offset = (3 * near_m - crossed.t_m) * crossed.cosine
    front = (crossed.cosine > 0.2) & (crossed.t_m < far[good][crossed.ray] + 2 * near_m)
    met = np.bincount(crossed.element[front & (np.abs(offset) <= near_m)], minlength=len(elements))
    pierced = np.bincount(crossed.element[front & (offset < -near_m)], minlength=len(elements))
    found: NDArray[np.bool_] = (met >= _STANDING_MIN) & (met > pierced)
    return found


def _score(found: Agreement, all_stand: bool) -> float:
    return found.met - 0.5 * found.pierced if all_stand else found.touched


def _moved(motion: Matrix, axis: int, step_m: float) -> Matrix:
    moved = motion.copy()
    moved[axis, 3] += step_m
    return moved


def _far(first: Matrix, second: Matrix, corners: Floats) -> bool:
    return moved_m(first, second, corners) > 2 * _SAME_VALLEY_M
