"""Rigid motions as 4x4 matrices, points as rows: x' = R x + t. Metres and radians, float64."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["IDENTITY", "Matrix", "about_z", "apply", "kabsch", "moved_m", "small_motion"]

Matrix = NDArray[np.float64]
IDENTITY: Matrix = np.eye(4)


def apply(motion: Matrix, points: Matrix) -> Matrix:
    """Points (n, 3) after a motion."""
    moved: Matrix = points @ motion[:3, :3].T + motion[:3, 3]
    return moved


def small_motion(turn_rad: Matrix, shift_m: Matrix, centre_m: Matrix) -> Matrix:
    """A turn by a rotation vector about a centre, then a shift (Rodrigues)."""
    angle = float(np.linalg.norm(turn_rad))
    x, y, z = turn_rad / angle if angle > 0 else np.zeros(3)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = turned, centre_m - turned @ centre_m + shift_m
    return motion


def about_z(yaw_deg: float, shift_m: Matrix, centre_m: Matrix) -> Matrix:
    """A turn about the vertical through a centre, then a shift."""
    return small_motion(np.array([0.0, 0.0, np.radians(yaw_deg)]), shift_m, centre_m)


def kabsch(source: Matrix, target: Matrix) -> Matrix:
    """The motion that lays source on target with least squares; both (n, 3), n ≥ 3 and not on one line."""
    middle_source, middle_target = source.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd((source - middle_source).T @ (target - middle_target))
    mirrored = np.sign(np.linalg.det(right.T @ left.T))
    turned = right.T @ np.diag([1.0, 1.0, mirrored]) @ left.T
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = turned, middle_target - turned @ middle_source
    return motion


def moved_m(first: Matrix, second: Matrix, corners: Matrix) -> float:
    """How far apart two motions bring what the second brings to `corners` (n, 3): the worst of them."""
    return float(np.linalg.norm(apply(first @ np.linalg.inv(second), corners) - corners, axis=1).max(initial=0.0))
