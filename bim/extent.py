"""Where the products of a file lie: the box around a sample of their geometry, or else around their placements.

Enough to see that a file is drawn in map coordinates, whether its placements or its vertices carry them.
"""

import math
from typing import Any

import numpy as np

from bim.damage import READ_ERRORS
from bim.placement import Matrix, Placements

__all__ = ["Extent", "is_far", "placed_extent"]

Extent = tuple[float, float, float, float, float, float]

IN_MAP_COORDINATES_M = 100_000.0  # no building grid is that far from its origin, every national grid is
_SAMPLED_MAX = 200  # products whose geometry is looked at
_LEVELS = 7  # from a shape to the points of its faces
_POINTS_MAX = 64  # of one product
_STRAY = 0.02  # share on each side that is left out: a forgotten line at the origin, a vertex a thousand miles off


def placed_extent(model: Any, length_m: float, placements: Placements) -> Extent | None:
    """Lowest x, y, z and highest x, y, z in metres of the model; None for a file without placed products."""
    placed = [found for one in model.by_type("IfcProduct") if (found := _place(one, placements)) is not None]
    if not placed:
        return None
    shaped = [(one, matrix) for one, matrix in placed if one is not None]
    sample = shaped[:: max(1, len(shaped) // _SAMPLED_MAX)]
    points = []
    for shape, matrix in sample:
        own = _vertices(model, shape, length_m) @ matrix[:3, :3].T + matrix[:3, 3]
        if len(own):
            points.append(own[np.abs(own).max(axis=1).argmax()])
    cloud = np.array(points or [matrix[:3, 3] for _, matrix in shaped or placed])
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    if not len(cloud):
        return None
    stray = _STRAY if len(cloud) >= 1 / _STRAY else 0.0
    low, high = np.quantile(cloud, [stray, 1 - stray], axis=0).tolist()
    return (low[0], low[1], low[2], high[0], high[1], high[2])


def is_far(extent: Extent) -> bool:
    """Whether even the nearest of it is so far away that it must be drawn in map coordinates."""
    nearest = [
        0.0 if low <= 0.0 <= high else min(abs(low), abs(high)) for low, high in zip(extent, extent[3:], strict=False)
    ]
    return math.hypot(nearest[0], nearest[1]) > IN_MAP_COORDINATES_M


def _place(one: Any, placements: Placements) -> tuple[Any, Matrix] | None:
    """Shape and placement of a product; None for one that has no place."""
    try:
        placement = one.ObjectPlacement
        matrix = None if placement is None else placements.of(placement)
        return None if matrix is None else (one.Representation, matrix)
    except READ_ERRORS:
        return None


def _vertices(model: Any, shape: Any, length_m: float) -> Matrix:
    """Some points (n x 3) of a shape in metres, in its own axes; those of profiles lie in their plane."""
    points: list[tuple[float, ...]] = []
    try:
        for item in (item for part in shape.Representations for item in part.Items):
            for one in model.traverse(item, max_levels=_LEVELS):
                if one.is_a("IfcCartesianPoint"):
                    points.append(one.Coordinates)
                elif one.is_a("IfcCartesianPointList"):
                    points.extend(one.CoordList[:_POINTS_MAX])
                if len(points) >= _POINTS_MAX:
                    break
        return (
            np.array([[*point, 0.0][:3] for point in points if len(point) >= 2], dtype=np.float64).reshape(-1, 3)
            * length_m
        )
    except READ_ERRORS:
        return np.empty((0, 3))
