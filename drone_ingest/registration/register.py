"""Register a cloud: prior → crop to what is planned → coarse fit → right valley → refined fit → judgement.

`register` is pure: the same points, prior and seed give the same answer. Nothing is fitted when `fit` is false, but the
prior is judged all the same.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drone_ingest.registration.coarse import coarse_fit
from drone_ingest.registration.control import motion_of
from drone_ingest.registration.judge import Judgement, Limits, Reason, judge
from drone_ingest.registration.noise import noise_m
from drone_ingest.registration.refine import Controls, refine
from drone_ingest.registration.rigid import Matrix, apply
from drone_ingest.registration.search import agreement, best_valley, standing_of
from drone_ingest.scan.elements import Elements, Floats

__all__ = ["Registration", "register"]

_MARGIN_M = 2.0  # round what is planned
_SAMPLE = 160_000  # points that take part, held-out ones included
_FIT_POINTS, _HELD_POINTS = 100_000, 40_000
_BLOCK_M = 1.0  # points are held out by blocks, so that no neighbour of theirs was fitted
_HELD_SHARE = 0.25
_REACHES = (0.25, 0.12, 0.1, 0.1)
_POINTS_MIN = 500
_INSIDE_M, _EXPLAINED_MIN = 0.2, 0.5
_STANDING_ROUNDS, _STANDING_RAYS, _STANDING_ELEMENTS_MIN = 1, 40_000, 3
_SEED = 23


@dataclass(frozen=True, slots=True)
class Registration:
    """`motion` brings the cloud's coordinates to model metres; `judgement` is None when there was nothing to judge."""

    motion: Matrix
    reasons: list[Reason]
    judgement: Judgement | None
    sigma_m: float
    fitted: bool

    @property
    def accepted(self) -> bool:
        """Whether elements may be judged by it."""
        return not self.reasons


def register(
    elements: Elements,
    points: Floats,
    origins: Floats | None,
    prior: Matrix,
    *,
    sigma_m: float | None = None,
    controls: Controls | None = None,
    fit: bool = True,
    all_stand: bool = True,
    limits: Limits | None = None,
) -> Registration:
    """Lay cloud points (n, 3), seen from `origins` (n, 3; None where nothing is known), on the planned `elements`.

    Without a plan `all_stand` is false: what seems to stand is found first, and must then fit sharply.
    """
    rng = np.random.default_rng(_SEED)
    start = motion_of(controls, prior) if controls is not None and fit else prior
    rows = _cropped(elements, points, start, rng)
    if not len(elements):
        fix = "give a date on which something should stand, or the plan of this model"
        return _refused(start, Reason("no_plan", "nothing is planned to stand", fix), sigma_m)
    if len(rows) < _POINTS_MIN:
        return _refused(start, _nowhere(elements, points, start), sigma_m)
    here, eyes = points[rows], None if origins is None else origins[rows]
    sigma = noise_m(points[np.sort(rows)]) if sigma_m is None else sigma_m
    held = _held_out(here, rng)
    free, free_eyes = here[~held][:_FIT_POINTS], None if eyes is None else eyes[~held][:_FIT_POINTS]
    kept, kept_eyes = here[held][:_HELD_POINTS], None if eyes is None else eyes[held][:_HELD_POINTS]
    motion, rival = start, None
    if fit:
        motion = coarse_fit(elements, free, start, _SEED)
    if not all_stand:
        limits = replace(limits or Limits(), consistency_min=1.0)
        elements, motion = _standing_part(elements, free, free_eyes, motion, sigma, controls, fit=fit)
    if fit:
        motion, rival = best_valley(elements, free, free_eyes, motion, sigma, controls)
        motion = refine(elements, free, free_eyes, motion, _REACHES, sigma, controls).motion
    found = judge(elements, kept, kept_eyes, motion, sigma, controls, fitted=fit, limits=limits)
    unexplained = [] if all_stand else _unexplained(elements, kept, kept_eyes, motion, sigma)
    reasons = [*found.reasons, *_ambiguous(rival, motion), *unexplained]
    return Registration(motion, reasons, found, sigma, fit)


def _standing_part(
    elements: Elements,
    points: Floats,
    origins: Floats | None,
    motion: Matrix,
    sigma_m: float,
    controls: Controls | None,
    *,
    fit: bool,
) -> tuple[Elements, Matrix]:
    """The elements that seem to stand, and a motion that was found with them; all of them when too few do."""
    for _ in range(_STANDING_ROUNDS):
        if fit:
            motion, _ = best_valley(elements, points, origins, motion, sigma_m, controls, all_stand=False)
        seen = points[:_STANDING_RAYS], None if origins is None else origins[:_STANDING_RAYS]
        stands = standing_of(elements, *seen, motion, sigma_m)
        if stands.all() or stands.sum() < _STANDING_ELEMENTS_MIN:
            break
        elements = elements.part(stands)
    return elements, motion


def _unexplained(
    elements: Elements, points: Floats, origins: Floats | None, motion: Matrix, sigma_m: float
) -> list[Reason]:
    """What was found to stand must explain most of the points within it, or any few walls would fit some others."""
    here = apply(motion, points)
    inside = (here > elements.low_m - _INSIDE_M).all(axis=1) & (here < elements.high_m + _INSIDE_M).all(axis=1)
    found = agreement(elements, points[inside], None if origins is None else origins[inside], motion, sigma_m)
    share = found.touched / max(int(inside.sum()), 1)
    if share >= _EXPLAINED_MIN:
        return []
    text = f"without a plan only {share:.0%} of the points inside the building are explained by its elements"
    return [Reason("unexplained", text, "give --links and --at, or control points")]


def _cropped(elements: Elements, points: Floats, start: Matrix, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of points round what is planned, a random part of them: equal chances, for cells would favour noise."""
    here = apply(start, points)
    near = (here > elements.low_m - _MARGIN_M).all(axis=1) & (here < elements.high_m + _MARGIN_M).all(axis=1)
    rows = np.flatnonzero(near)
    return rng.permutation(rows)[:_SAMPLE]


def _held_out(points: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    cell = np.floor((points - points.min(axis=0)) / _BLOCK_M).astype(np.int64)
    table = rng.random(4096) < _HELD_SHARE
    chosen: NDArray[np.bool_] = table[(cell[:, 0] * 73 + cell[:, 1] * 179 + cell[:, 2] * 283) % 4096]
    return chosen


def _refused(start: Matrix, reason: Reason, sigma_m: float | None) -> Registration:
    return Registration(start, [reason], None, sigma_m or 0.0, fitted=False)


def _nowhere(elements: Elements, points: Floats, start: Matrix) -> Reason:
    """Why no point lies where something is planned: wrong unit, wrong coordinates, or another place."""
    fix = "give a prior: --prior site, --prior given:X,Y,Z[,YAW] or a file of control points"
    if not len(points):
        return Reason("empty", "the cloud has no point with coordinates", "export the cloud again")
    size = np.ptp(apply(start, points), axis=0).max()
    wanted = float(np.linalg.norm(elements.high_m - elements.low_m))
    away = float(np.linalg.norm(np.median(apply(start, points), axis=0) - (elements.low_m + elements.high_m) / 2))
    if size > 200 * wanted:
        text = f"the cloud spans {size:,.0f} units and the model {wanted:.0f} m: it is probably in millimetres"
        return Reason("unit", text, "say its unit: --unit-m 0.001")
    if away > 1000.0:
        text = f"the cloud lies {away / 1000:,.0f} km from the model: it is in other coordinates, of a map perhaps"
        return Reason("coordinates", text, fix)
    return Reason("no_overlap", f"no part of the cloud lies within {_MARGIN_M:g} m of what is planned", fix)


def _ambiguous(rival: Matrix | None, motion: Matrix) -> list[Reason]:
    if rival is None:
        return []
    shift = (rival @ np.linalg.inv(motion))[:3, 3]
    axis = "xyz"[int(np.abs(shift).argmax())]
    text = f"the cloud fits as well {np.linalg.norm(shift):.2f} m away along {axis}"
    return [Reason("ambiguous", text, "add two control points, far apart")]
