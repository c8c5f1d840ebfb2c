"""Whether a cloud lies right enough on its model to judge elements by it: accepted, or the reasons against it.

Judged on points that the fit never saw. Each reason carries what to do: which axis needs control points and where.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from drone_ingest.registration.control import residuals_m
from drone_ingest.registration.refine import AXES, Controls, Fit, refine
from drone_ingest.registration.rigid import Matrix, apply, moved_m
from drone_ingest.registration.search import Agreement, agreement
from drone_ingest.registration.surface import offsets_of
from drone_ingest.scan.elements import Elements, Floats

__all__ = ["Judgement", "Limits", "Reason", "allowed_m", "judge"]

_GATE_M = 0.30  # offsets beyond are of something else
_WIDE = (0.30, 0.30, 0.25, 0.25, 0.2)  # reaches of the judging fits: wide enough to see that a cloud is far off
_CELL_M = 2.0  # patches whose mean offsets are compared
_CELL_POINTS = 25
_POINTS_MIN = 300  # held-out points with a surface


class Reason(msgspec.Struct, frozen=True):
    """Why a registration is refused, and what helps."""

    code: str
    text: str
    fix: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What is demanded. Measured on real and simulated scans; see ADR 0023."""

    overlap_min: float = 0.25
    consistency_min: float = 0.55
    consistency_sharp_min: float = 0.35  # where the residual is what noise alone would leave
    information_min: float = 0.006  # share of the points that look along an axis
    least_m: float = 0.04  # nobody needs better than this to tell a wall from none
    most_m: float = 0.06


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found on points kept out of the fit; lengths in metres."""

    reasons: list[Reason]
    residual_m: float  # robust width of the offsets
    offset_m: float  # what a fit of these points alone would still move, at the worst corner
    bend_m: float  # how unlike patches of the cloud lie, beyond their noise
    halves_m: float | None  # how far apart fits of two halves bring the corners; None when nothing was fitted
    found: Agreement
    information: dict[str, float]


def allowed_m(sigma_m: float, thinnest_m: float, limits: Limits) -> float:
    """How far off a cloud may lie: what its noise hides, or half of the thinnest element that is judged."""
    return float(np.clip(max(2 * sigma_m, thinnest_m / 2), limits.least_m, limits.most_m))


def judge(
    elements: Elements,
    points: Floats,
    origins: Floats | None,
    motion: Matrix,
    sigma_m: float,
    controls: Controls | None = None,
    *,
    fitted: bool = True,
    limits: Limits | None = None,
) -> Judgement:
    """Judge `motion` (cloud → model) of held-out cloud points (n, 3) against the planned `elements`."""
    limits = limits or Limits()
    allowed = allowed_m(sigma_m, _thinnest_m(elements), limits)
    corners = _corners(elements)
    eyes = None if origins is None else apply(motion, origins)
    met = offsets_of(elements, apply(motion, points), eyes, _GATE_M)
    residual = 1.4826 * float(np.median(np.abs(met.offset_m))) if len(met.row) else _GATE_M
    found = agreement(elements, points, origins, motion, max(sigma_m, 0.01))
    again = refine(elements, points, origins, motion, _WIDE, sigma_m, controls)
    offset = moved_m(again.motion, motion, corners)
    halves = _halves(elements, points, origins, again.motion, sigma_m, controls, corners) if fitted else None
    bend = _bend_m(apply(again.motion, points)[met.row], met.offset_m, met.element, residual)
    reasons = _few(len(met.row)) or [
        *_distance(residual, offset, sigma_m, allowed, again.motion, motion, corners, fitted),
        *_agreement(found, residual <= 1.3 * sigma_m + 0.003, limits),
        *_blind_axes(again, limits, corners),
        *_halved(halves, allowed),
        *_controlled(controls, motion, allowed),
    ]
    information = {name: round(float(share), 4) for name, share in zip(AXES, again.information, strict=True)}
    return Judgement(reasons, residual, offset, bend, halves, found, information)


def _thinnest_m(elements: Elements) -> float:
    return float(np.quantile(elements.thickness_m, 0.1)) if len(elements) else 0.0


def _corners(elements: Elements) -> Floats:
    box = np.stack([elements.low_m, elements.high_m])
    return np.array([[box[i, 0], box[j, 1], box[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


def _few(count: int) -> list[Reason]:
    if count >= _POINTS_MIN:
        return []
    text = f"only {count} of the points kept for judging lie near anything that is planned"
    fix = "check that cloud, model and date belong together, and give a prior: --prior given:X,Y,Z or control points"
    return [Reason("no_overlap", text, fix)]


def _distance(
    residual: float,
    offset: float,
    sigma_m: float,
    allowed: float,
    better: Matrix,
    motion: Matrix,
    corners: Floats,
    fitted: bool,
) -> list[Reason]:
    reasons = []
    if offset > allowed:
        moved = (apply(better @ np.linalg.inv(motion), corners) - corners).mean(axis=0)
        axis = AXES[int(np.abs(moved).argmax())]
        text = f"the cloud lies {offset * 100:.0f} cm off, mostly along {axis}; {allowed * 100:.0f} cm are allowed"
        fix = "add control points" if fitted else "leave out --no-register, or add control points"
        reasons.append(Reason("off", text, f"{fix}: at least two at opposite corners of the building"))
    wide = 2.0 * sigma_m + allowed / 2
    if residual > wide:
        why = f"noise of {sigma_m * 100:.1f} cm allows {wide * 100:.1f}"
        text = f"points lie {residual * 100:.1f} cm from their surfaces; {why}"
        fix = "add control points, or scan again: the cloud is bent, or it shows another state or building"
        reasons.append(Reason("residual", text, fix))
    return reasons


def _agreement(found: Agreement, sharp: bool, limits: Limits) -> list[Reason]:
    """A site far behind its plan lets many rays pass; then what stands must fit as sharply as the noise allows."""
    reasons = []
    if found.overlap < limits.overlap_min:
        text = f"{found.overlap:.0%} of the rays towards planned elements met one; {limits.overlap_min:.0%} are needed"
        reasons.append(Reason("overlap", text, "scan more of what is planned, or give a better prior"))
    if found.consistency < (limits.consistency_sharp_min if sharp else limits.consistency_min):
        text = f"{1 - found.consistency:.0%} of the rays pass through what should stand"
        fix = "check that cloud, model and date belong together; if they do, add control points"
        reasons.append(Reason("inconsistent", text, fix))
    return reasons


def _blind_axes(again: Fit, limits: Limits, corners: Floats) -> list[Reason]:
    """Axes that too few points look along, and where control points would help."""
    if again.weakest_share >= limits.information_min:
        return []
    weak = [at for at in range(6) if abs(again.weakest[at]) > 0.5] or [int(np.abs(again.weakest).argmax())]
    weak = sorted({*weak, *(at for at in range(3) if again.information[at] < limits.information_min)})
    return [
        Reason("unobservable", f"{AXES[at]} unobservable", f"add two control points on {_where(at)}") for at in weak
    ]


def _where(axis: int) -> str:
    """Places where a control point holds an axis of the model; +y is the model's north."""
    return (
        "the north face, far apart", "the east face, far apart", "a floor or roof, far apart",
        "the north and south face, at different y", "the east and west face, at different x",
        "opposite corners of the building",
    )[axis]  # fmt: skip


def _halved(halves: float | None, allowed: float) -> list[Reason]:
    if halves is None or halves <= 1.5 * allowed:
        return []
    text = f"two halves of the cloud, fitted apart, disagree by {halves * 100:.0f} cm"
    fix = "add control points, or process the cloud again: it is bent or put together wrong"
    return [Reason("halves", text, fix)]


def _controlled(controls: Controls | None, motion: Matrix, allowed: float) -> list[Reason]:
    if controls is None or not controls.ids:
        return []
    off = residuals_m(controls, motion)
    worst = int(off.argmax())
    if off[worst] <= 1.5 * allowed:
        return []
    text = f"control point {controls.ids[worst]} is {off[worst] * 100:.0f} cm off"
    return [Reason("control", text, "measure it again, or leave it out")]


def _halves(
    elements: Elements,
    points: Floats,
    origins: Floats | None,
    motion: Matrix,
    sigma_m: float,
    controls: Controls | None,
    corners: Floats,
) -> float:
    """Fits of two interleaved halves of the ground plan, each from the same start."""
    cell = np.floor(apply(motion, points)[:, :2] / _CELL_M).astype(np.int64).sum(axis=1) % 2 == 0
    fits = [
        refine(elements, points[one], None if origins is None else origins[one], motion, _WIDE, sigma_m, controls)
        for one in (cell, ~cell)
    ]
    return moved_m(fits[0].motion, fits[1].motion, corners)


def _bend_m(places: Floats, offset: Floats, element: NDArray[np.int64], residual: float) -> float:
    """Spread of the mean offsets of patches, less what noise makes of it."""
    near = np.abs(offset) < 3 * residual
    cell = np.floor(places[near] / _CELL_M).astype(np.int64) % 1000
    key = (cell[:, 0] * 1000 + cell[:, 1]) * 1000 + cell[:, 2]
    _, patch, counts = np.unique(np.stack([key, element[near]]), axis=1, return_inverse=True, return_counts=True)
    means = np.bincount(patch.ravel(), offset[near]) / np.maximum(counts, 1)
    full = counts >= _CELL_POINTS
    if full.sum() < 5:
        return 0.0
    spread = 1.4826 * float(np.median(np.abs(means[full])))
    noise = residual / np.sqrt(float(np.median(counts[full])))
    return float(np.sqrt(max(spread**2 - noise**2, 0.0)))
