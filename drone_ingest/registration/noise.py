"""The noise of a cloud from the cloud itself: how far points of a small flat patch lie from its plane.

Patches with fewer neighbours, or bent more than they are noisy, say nothing; of the flat ones a middle one is taken,
for a façade is full of edges. What all points of a patch share (a bent cloud, a wrong place) cannot be seen so.
"""

from typing import Any

import numpy as np

from drone_ingest.scan.elements import Floats

__all__ = ["noise_m"]

_PATCHES = 1_500
_NEIGHBOURS = 24
_POINTS_MAX = 400_000
_WIDTH_M = 0.15  # half of a patch, at least: many times any noise
_WIDTH_MAX_M = 0.8  # a patch that needs more room for its neighbours is no surface
_FLAT = 0.35  # its second axis is so much longer than its third, at least
_QUANTILE = 0.4
_LEAST_M, _MOST_M = 0.002, 0.15
_DEFAULT_M = 0.02


def noise_m(points: Floats, seed: int = 0) -> float:
    """One standard deviation across surfaces, metres; 2 cm where the cloud is too thin to say."""
    import small_gicp

    rng = np.random.default_rng(seed)
    if len(points) < 20 * _NEIGHBOURS:
        return _DEFAULT_M
    # a part of the volume in full density tells more than all of it thinned
    chosen = points
    if len(points) > _POINTS_MAX:
        middles = points[rng.integers(0, len(points), 60)]
        near = np.zeros(len(points), np.bool_)
        for middle in middles:
            near |= (np.abs(points - middle) < 1.0).all(axis=1)
            if near.sum() > _POINTS_MAX:
                break
        chosen = points[near]
    chosen = chosen - chosen.mean(axis=0)
    patch, squares = _patches(small_gicp, chosen, rng)
    width = float(np.sqrt(np.median(squares[:, -1])))
    if width < _WIDTH_M:  # neighbours nearer than the noise is wide lie anyhow, not flat
        thin = rng.random(len(chosen)) < max((width / _WIDTH_M) ** 2, 20 * _NEIGHBOURS / len(chosen))
        patch, squares = _patches(small_gicp, chosen[thin], rng)
    patch = patch - patch.mean(axis=1, keepdims=True)
    values = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", patch, patch) / (_NEIGHBOURS - 3))
    flat = (values[:, 0] < _FLAT * values[:, 1]) & (squares[:, -1] < (_WIDTH_MAX_M / 2) ** 2)
    if flat.sum() < _PATCHES // 30:
        return _DEFAULT_M
    return float(np.clip(np.sqrt(np.quantile(values[flat, 0], _QUANTILE)), _LEAST_M, _MOST_M))


def _patches(gicp: Any, points: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Neighbourhoods of random points (n, k, 3), and the squared distances in them (n, k)."""
    tree = gicp.KdTree(np.ascontiguousarray(points))
    seeds = np.ascontiguousarray(points[rng.integers(0, len(points), _PATCHES)])
    found, squares = tree.batch_knn_search(seeds, _NEIGHBOURS)
    return points[np.asarray(found, np.int64).clip(0, len(points) - 1)], np.asarray(squares, np.float64)
