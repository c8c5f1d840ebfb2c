"""Footprints of spaces, and which space a point lies in.

A footprint is the outline of the space in plan, in metres of the model, with its lowest and highest level.
It comes from the body: the profile of an upright extrusion, else the largest of the lowest level faces of a
solid, else the convex hull of what the body covers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bim.outline import convex_hull, faces, profile_ring, signed_area
from bim.placement import Matrix, axis_matrix

__all__ = ["Footprint", "SpaceFinder", "read_footprint"]

_BODIES = ("Body", "FootPrint", "Box")  # representations in order of trust
_LEVEL_M = 0.02  # faces this close in height belong to one floor
_STEEPEST = 0.99  # cosine between a face's normal and the vertical that still counts as level
_SLACK_M = 0.05  # a sensor in a floor or a ceiling is in the room


@dataclass(frozen=True, slots=True)
class Footprint:
    """Outline (n x 2, open ring) and levels of one space."""

    outline_m: Matrix
    z_min_m: float
    z_max_m: float

    @property
    def area_m2(self) -> float:
        """Area inside the outline."""
        return abs(signed_area(self.outline_m))


class SpaceFinder:
    """Finds the space a point lies in; the smallest one where spaces overlap."""

    def __init__(self, footprints: dict[str, Footprint]) -> None:
        self._items = sorted(footprints.items(), key=lambda item: (item[1].area_m2, item[0]))
        boxes = [(*print_.outline_m.min(0), *print_.outline_m.max(0)) for _, print_ in self._items]
        self._boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        levels = [(print_.z_min_m, print_.z_max_m) for _, print_ in self._items]
        self._levels = np.array(levels, dtype=np.float64).reshape(-1, 2)

    def at(self, x_m: float, y_m: float, z_m: float) -> str | None:
        """GlobalId of the space around a point of the model, None when there is none."""
        boxes, levels = self._boxes, self._levels
        near = (boxes[:, 0] <= x_m) & (boxes[:, 1] <= y_m) & (x_m <= boxes[:, 2]) & (y_m <= boxes[:, 3])
        near &= (levels[:, 0] - _SLACK_M <= z_m) & (z_m <= levels[:, 1] + _SLACK_M)
        for index in np.flatnonzero(near):
            name, footprint = self._items[index]
            if _inside(footprint.outline_m, x_m, y_m):
                return name
        return None


def read_footprint(product: Any, placed: Matrix, length_m: float) -> Footprint | None:
    """Footprint of one product whose placement is known; None when its shape says nothing of it."""
    shape = product.Representation
    representations = list(shape.Representations) if shape is not None else []
    for wanted in _BODIES:
        for representation in representations:
            if representation.RepresentationIdentifier != wanted:
                continue
            found = [part for item in representation.Items if (part := _of_item(item, placed, length_m))]
            if found:
                return _joined(found)
    return None


def _joined(parts: list[Footprint]) -> Footprint:
    largest = max(parts, key=lambda part: part.area_m2)
    low, high = min(part.z_min_m for part in parts), max(part.z_max_m for part in parts)
    return Footprint(largest.outline_m, low, high)


def _of_item(item: Any, placed: Matrix, length_m: float) -> Footprint | None:
    if item.is_a("IfcExtrudedAreaSolid"):
        return _of_extrusion(item, placed, length_m)
    if item.is_a("IfcBooleanResult"):
        return _of_item(item.FirstOperand, placed, length_m)
    if item.is_a("IfcMappedItem"):
        return _of_mapped(item, placed, length_m)
    if item.is_a("IfcBoundingBox"):
        corner = np.array(item.Corner.Coordinates) * length_m
        size = np.array([item.XDim, item.YDim, item.ZDim]) * length_m
        x, y = corner[0] + np.array([0, size[0], size[0], 0]), corner[1] + np.array([0, 0, size[1], size[1]])
        ring = np.column_stack([x, y, np.full(4, corner[2])])
        return _prism(ring, np.array([0.0, 0.0, size[2]]), placed)
    return _of_faces(faces(item), placed, length_m)


def _of_mapped(item: Any, placed: Matrix, length_m: float) -> Footprint | None:
    origin = axis_matrix(item.MappingSource.MappingOrigin, length_m)
    target = item.MappingTarget
    moved = None if origin is None or target is None else _operator_matrix(target, length_m)
    if origin is None or moved is None:
        return None
    inner = placed @ moved @ origin
    items = item.MappingSource.MappedRepresentation.Items
    found = [
        part for inside in items if not inside.is_a("IfcMappedItem") and (part := _of_item(inside, inner, length_m))
    ]
    return _joined(found) if found else None


def _operator_matrix(operator: Any, length_m: float) -> Matrix:
    matrix = np.eye(4)
    scale = operator.Scale or 1.0
    if operator.Axis1 is not None:
        matrix[:2, 0] = operator.Axis1.DirectionRatios[:2]
        matrix[:2, 1] = (-matrix[1, 0], matrix[0, 0])
    if operator.Axis2 is not None:
        matrix[:2, 1] = operator.Axis2.DirectionRatios[:2]
    matrix[:3, :3] *= scale
    origin = [*operator.LocalOrigin.Coordinates, 0.0][:3]
    matrix[:3, 3] = np.array(origin) * length_m
    return matrix


def _of_extrusion(solid: Any, placed: Matrix, length_m: float) -> Footprint | None:
    ring = profile_ring(solid.SweptArea, length_m)
    position = np.eye(4) if solid.Position is None else axis_matrix(solid.Position, length_m)
    if ring is None or position is None:
        return None
    along = np.array([*solid.ExtrudedDirection.DirectionRatios, 0.0][:3], dtype=np.float64)
    along *= solid.Depth * length_m / max(float(np.linalg.norm(along)), 1e-12)
    return _prism(ring, along, placed @ position)


def _prism(ring: Matrix, along: Matrix, placed: Matrix) -> Footprint | None:
    base = ring @ placed[:3, :3].T + placed[:3, 3]
    top = base + placed[:3, :3] @ along
    both = np.concatenate([base, top])
    upright = bool(np.allclose(base[:, :2], top[:, :2], atol=_LEVEL_M))
    outline = base[:, :2] if upright else convex_hull(both[:, :2])  # a stair is its side pulled across
    return _checked(outline, float(both[:, 2].min()), float(both[:, 2].max()))


def _of_faces(loops: list[Matrix], placed: Matrix, length_m: float) -> Footprint | None:
    if not loops:
        return None
    moved = [loop * length_m @ placed[:3, :3].T + placed[:3, 3] for loop in loops if loop.shape[1:] == (3,)]
    if not moved:
        return None
    heights = np.concatenate([loop[:, 2] for loop in moved])
    level = [loop for loop in moved if len(loop) >= 3 and _is_level(loop)]
    if not level:
        hull = convex_hull(np.concatenate(moved)[:, :2])
        return _checked(hull, float(heights.min()), float(heights.max()))
    floor = min(float(loop[:, 2].min()) for loop in level)
    floors = [loop for loop in level if float(loop[:, 2].max()) <= floor + _LEVEL_M]
    outline = max(floors, key=lambda loop: abs(signed_area(loop[:, :2])))
    return _checked(outline[:, :2], float(heights.min()), float(heights.max()))


def _is_level(loop: Matrix) -> bool:
    ahead = np.roll(loop, -1, axis=0)
    normal = np.cross(loop - loop[0], ahead - loop[0]).sum(0)
    length = float(np.linalg.norm(normal))
    return length > 1e-12 and abs(float(normal[2])) / length > _STEEPEST


def _checked(outline: npt.NDArray[np.float64], low: float, high: float) -> Footprint | None:
    ring = outline[:-1] if len(outline) > 3 and np.allclose(outline[0], outline[-1], atol=1e-6) else outline
    usable = len(ring) >= 3 and bool(np.isfinite(ring).all()) and np.isfinite(low) and np.isfinite(high)
    return Footprint(np.ascontiguousarray(ring), low, high) if usable else None


def _inside(ring: npt.NDArray[np.float64], x: float, y: float) -> bool:
    """Even-odd rule over the edges of a ring."""
    ahead = np.roll(ring, -1, axis=0)
    crosses = (ring[:, 1] > y) != (ahead[:, 1] > y)
    if not crosses.any():
        return False
    start, end = ring[crosses], ahead[crosses]
    at = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    return bool(np.count_nonzero(at > x) % 2)
