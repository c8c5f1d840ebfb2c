"""The last step of a fit: points onto the model's own surfaces, robustly, and what that tells about each axis.

Gauss-Newton on point-to-plane offsets with Tukey's weights whose width shrinks to the noise; control points are rows of
the same system. The information matrix that remains says which of the six axes the scan can see.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.registration.rigid import Matrix, apply, small_motion
from drone_ingest.registration.surface import offsets_of
from drone_ingest.scan.elements import Elements, Floats

__all__ = ["AXES", "Controls", "Fit", "refine"]

AXES = ("x", "y", "z", "turn about x", "turn about y", "turn about z")
CONTROL_WEIGHT = 0.02  # of all rays together, each control point: two of them make any axis seen
_STILL_M = 1e-5
_BUILT_M = 0.002  # less than elements are usually off: many points of a large one still tell more than few of a small
_APART_M, _APART_SIGMAS = 0.05, 6.0
_ALONE_SHARE = 0.2  # points that can be of one surface only suffice when there are so many: layers pull a fit


@dataclass(frozen=True, slots=True)
class Controls:
    """Control points: where they are in the cloud and in the model, (n, 3) metres."""

    ids: list[str]
    cloud_m: Floats
    model_m: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """A motion cloud → model, and the share of information on each of AXES (1: all points look along it).

    `weakest` is the direction with least information, a unit vector over AXES; turns count as metres at the rim.
    """

    motion: Matrix
    points: int  # that have a surface
    information: Floats
    weakest: Floats
    weakest_share: float
    scale_m: float  # width of the offsets


def refine(
    elements: Elements,
    points: Floats,
    origins: Floats | None,
    start: Matrix,
    reaches_m: tuple[float, ...],
    sigma_m: float,
    controls: Controls | None = None,
) -> Fit:
    """Fit cloud points (n, 3) to the surfaces from `start`; one round for each reach, two at the last."""
    centre = (elements.low_m + elements.high_m) / 2
    half = (elements.high_m - elements.low_m) / 2
    rim = np.maximum(np.sqrt((half**2).sum() - half**2), 0.1)  # of a turn about each axis
    motion, matrix, found, scale = start.copy(), np.zeros((6, 6)), 0, reaches_m[-1]
    for reach in reaches_m:
        here = apply(motion, points)
        eyes = None if origins is None else apply(motion, origins)
        met = offsets_of(elements, here, eyes, reach, max(_APART_M, _APART_SIGMAS * sigma_m))
        found = len(met.row)
        if met.alone.sum() > _ALONE_SHARE * found:
            met = met.where(met.alone)
        arm = here[met.row] - centre
        jacobian = np.hstack([met.normal, np.cross(arm, met.normal) / rim])
        share = _fair_shares(met.element, sigma_m)
        matrix, step, scale = _solve(
            jacobian, met.offset_m, share, reach, sigma_m, _control_rows(controls, motion, centre, rim)
        )
        motion = small_motion(step[3:] / rim, step[:3], centre) @ motion
        if np.abs(step).max(initial=0.0) < _STILL_M:
            break
    values, vectors = np.linalg.eigh(matrix)
    return Fit(motion, found, np.diag(matrix).copy(), vectors[:, 0], float(values[0]), scale)


def _control_rows(controls: Controls | None, motion: Matrix, centre: Floats, rim: Floats) -> tuple[Floats, Floats]:
    if controls is None or not len(controls.ids):
        return np.zeros((0, 6)), np.zeros(0)
    here = apply(motion, controls.cloud_m)
    arm = here - centre
    axes = np.eye(3)
    rows = [
        np.hstack([np.broadcast_to(axis, arm.shape), np.cross(arm, np.broadcast_to(axis, arm.shape)) / rim])
        for axis in axes
    ]
    return np.concatenate(rows), (here - controls.model_m).T.ravel()


def _fair_shares(element: NDArray[np.int64], sigma_m: float) -> Floats:
    """Weight of each point: the points of an element share the error of its being built, and not their own noise."""
    count = np.bincount(element)[element].astype(np.float64) if len(element) else np.zeros(0)
    shares: Floats = np.divide(sigma_m**2, sigma_m**2 + count * _BUILT_M**2)
    return shares


def _solve(
    jacobian: Floats, offset: Floats, share: Floats, reach: float, sigma_m: float, control: tuple[Floats, Floats]
) -> tuple[Floats, Floats, float]:
    """Information matrix by share, the step, and the width of the offsets."""
    step, scale = np.zeros(6), reach
    matrix = np.zeros((6, 6))
    for _ in range(3):
        left = offset + jacobian @ step
        scale = max(sigma_m, 1.4826 * float(np.median(np.abs(left))) if len(left) else sigma_m)
        weight = np.clip(1 - (left / min(4.7 * scale, 1.5 * reach)) ** 2, 0, None) ** 2
        held_by = CONTROL_WEIGHT * control[0].T @ control[0]
        matrix = (jacobian * weight[:, None]).T @ jacobian / max(float(weight.sum()), 1.0) + held_by
        weight = weight * share
        total = max(float(weight.sum()), 1e-6)
        weighted = jacobian * weight[:, None]
        pull = weighted.T @ offset / total + CONTROL_WEIGHT * control[0].T @ control[1]
        values, vectors = np.linalg.eigh(weighted.T @ jacobian / total + held_by)
        held = values > 1e-4  # an axis without information stays where it is
        step = -(vectors[:, held] / values[held]) @ (vectors[:, held].T @ pull)
    return matrix, step, scale
