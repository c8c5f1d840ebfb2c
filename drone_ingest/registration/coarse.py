"""From a prior that may be off by a metre to a few centimetres: small_gicp's GICP, coarse to fine.

The model is sampled where it is planned to stand; the distance at which points may pair shrinks, so that clutter and
what is missing count in the first round only.
"""

from typing import Any

import numpy as np

from drone_ingest.registration.rigid import Matrix
from drone_ingest.scan.elements import Elements, Floats

__all__ = ["coarse_fit"]

_SAMPLES = 250_000
_SPACING_M = 0.12  # of the samples on the model, or closer
_ROUNDS = ((0.5, 2.0), (0.5, 1.0), (0.25, 0.5), (0.25, 0.25))  # metres: grid, pairing distance
_ITERATIONS = 30


def coarse_fit(elements: Elements, points: Floats, start: Matrix, seed: int) -> Matrix:
    """GICP of cloud points (n, 3) onto the planned surfaces from `start`; returns the motion cloud → model."""
    import small_gicp

    centre = (elements.low_m + elements.high_m) / 2
    target = _samples(elements, np.random.default_rng(seed)) - centre
    moved = start.copy()
    moved[:3, 3] -= centre  # small numbers: map coordinates would cost digits
    shift = points.mean(axis=0)
    source = points - shift
    moved[:3, 3] += moved[:3, :3] @ shift
    prepared: dict[float, Any] = {}
    for grid_m, pairing_m in _ROUNDS:
        if grid_m not in prepared:
            prepared[grid_m] = (
                small_gicp.preprocess_points(target, downsampling_resolution=grid_m, num_threads=1),
                small_gicp.preprocess_points(source, downsampling_resolution=grid_m, num_threads=1),
            )
        (fixed, tree), (free, _) = prepared[grid_m]
        found = small_gicp.align(
            fixed, free, tree, moved, registration_type="GICP", max_correspondence_distance=pairing_m,
            num_threads=1, max_iterations=_ITERATIONS,
        )  # fmt: skip
        if np.isfinite(found.T_target_source).all() and found.num_inliers > _ITERATIONS:
            moved = found.T_target_source
    fitted = moved.copy()
    fitted[:3, 3] -= moved[:3, :3] @ shift
    fitted[:3, 3] += centre
    return fitted


def _samples(elements: Elements, rng: np.random.Generator) -> Floats:
    """Points spread evenly over all surfaces."""
    area = elements.areas_m2
    count = int(min(_SAMPLES, area.sum() / _SPACING_M**2 + 1000))
    triangle = rng.choice(len(area), count, p=area / area.sum())
    u, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], axis=1)
    corners = elements.vertices[elements.triangles[triangle]]
    placed: Floats = np.einsum("ij,ijk->ik", weights, corners) + elements.origin_m
    return placed
