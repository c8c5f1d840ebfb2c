"""Footprints of spaces, and which space a point lies in.

A footprint is the outline of the space in plan, in metres of the model, with its lowest and highest level.
It comes from the body: the profile of an extrusion, else the largest of the lowest level faces of a solid.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bim.placement import Matrix, axis_matrix

__all__ = ["Footprint", "SpaceFinder", "read_footprint"]

_BODIES = ("Body", "FootPrint", "Box")  # representations in order of trust
_LEVEL_M = 0.02  # faces this close in height belong to one floor
_STEEPEST = 0.99  # cosine between a face's normal and the vertical that still counts as level
_SLACK_M = 0.05  # a sensor in a floor or a ceiling is in the room
_CIRCLE_SIDES = 24


@dataclass(frozen=True, slots=True)
class Footprint:
    """Outline (n x 2, open ring) and levels of one space."""

    outline_m: Matrix
    z_min_m: float
    z_max_m: float

    @property
    def area_m2(self) -> float:
        """Area inside the outline."""
        return abs(_signed_area(self.outline_m))


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
    return _of_faces(_faces(item), placed, length_m)


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
    ring = _profile_ring(solid.SweptArea, length_m)
    position = np.eye(4) if solid.Position is None else axis_matrix(solid.Position, length_m)
    if ring is None or position is None:
        return None
    along = np.array([*solid.ExtrudedDirection.DirectionRatios, 0.0][:3], dtype=np.float64)
    along *= solid.Depth * length_m / max(float(np.linalg.norm(along)), 1e-12)
    return _prism(ring, along, placed @ position)


def _prism(ring: Matrix, along: Matrix, placed: Matrix) -> Footprint | None:
    base = ring @ placed[:3, :3].T + placed[:3, 3]
    top = base + placed[:3, :3] @ along
    low, high = (base, top) if base[:, 2].mean() <= top[:, 2].mean() else (top, base)
    return _checked(low[:, :2], float(low[:, 2].min()), float(high[:, 2].max()))


def _profile_ring(profile: Any, length_m: float) -> Matrix | None:
    """The outer boundary of a profile as n x 3 in metres."""
    if profile.is_a("IfcRectangleProfileDef"):
        x, y = profile.XDim * length_m / 2, profile.YDim * length_m / 2
        ring = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], dtype=np.float64)
        return _positioned(ring, profile.Position, length_m)
    if profile.is_a("IfcCircleProfileDef"):
        turn = np.linspace(0, 2 * np.pi, _CIRCLE_SIDES, endpoint=False)
        ring = np.column_stack([np.cos(turn), np.sin(turn), 0 * turn]) * profile.Radius * length_m
        return _positioned(ring, profile.Position, length_m)
    if profile.is_a("IfcArbitraryClosedProfileDef"):
        points = _curve_points(profile.OuterCurve)
        return None if points is None else points * length_m
    return None


def _positioned(ring: Matrix, position: Any, length_m: float) -> Matrix | None:
    if position is None:
        return ring
    matrix = axis_matrix(position, length_m)
    return None if matrix is None else ring @ matrix[:3, :3].T + matrix[:3, 3]


def _curve_points(curve: Any) -> Matrix | None:
    """Vertices of a closed curve, n x 3 in the file's unit; arcs are cut to their chords."""
    if curve.is_a("IfcPolyline"):
        rows = [[*point.Coordinates, 0.0, 0.0][:3] for point in curve.Points]
    elif curve.is_a("IfcIndexedPolyCurve"):
        rows = [[*point, 0.0, 0.0][:3] for point in curve.Points.CoordList]
    elif curve.is_a("IfcCompositeCurve"):
        rows = []
        for segment in curve.Segments:
            parent = getattr(segment, "ParentCurve", None)
            part = None if parent is None or parent.is_a("IfcCompositeCurve") else _curve_points(parent)
            if part is None:
                return None
            rows.extend((part if segment.SameSense else part[::-1]).tolist())
    elif curve.is_a("IfcTrimmedCurve"):
        ends = [*(curve.Trim1 or ()), *(curve.Trim2 or ())]
        rows = [[*end.Coordinates, 0.0, 0.0][:3] for end in ends if end.is_a("IfcCartesianPoint")]
    else:
        return None
    return np.array(rows, dtype=np.float64) if rows else None


def _faces(item: Any) -> list[Matrix]:
    """Outer loops of the faces of a solid, n x 3 in the file's unit."""
    if item.is_a("IfcManifoldSolidBrep"):
        return _shell_faces([item.Outer])
    if item.is_a("IfcFaceBasedSurfaceModel"):
        return _shell_faces(item.FbsmFaces)
    if item.is_a("IfcShellBasedSurfaceModel"):
        return _shell_faces(item.SbsmBoundary)
    if item.is_a("IfcTriangulatedFaceSet"):
        return _tessellated(item.Coordinates.CoordList, item.CoordIndex)
    if item.is_a("IfcPolygonalFaceSet"):
        return _tessellated(item.Coordinates.CoordList, [face.CoordIndex for face in item.Faces])
    return []


def _shell_faces(shells: Any) -> list[Matrix]:
    loops = []
    for shell in shells:
        for face in shell.CfsFaces:
            bounds = face.Bounds
            outer = next((bound for bound in bounds if bound.is_a("IfcFaceOuterBound")), bounds[0])
            if outer.Bound.is_a("IfcPolyLoop"):
                loops.append(np.array([point.Coordinates for point in outer.Bound.Polygon], dtype=np.float64))
    return loops


def _tessellated(points: Any, indices: Any) -> list[Matrix]:
    vertices = np.array(points, dtype=np.float64)
    loops = [vertices[np.array(index, dtype=np.int64) - 1] for index in indices]
    return _merged(loops)


def _merged(loops: list[Matrix]) -> list[Matrix]:
    """Triangles of one level joined to the outline they share, so that a floor is one face again."""
    levels: dict[float, list[Matrix]] = {}
    rest = []
    for loop in loops:
        if np.ptp(loop[:, 2]) < 1e-9 * max(1.0, float(np.abs(loop).max())):
            levels.setdefault(round(float(loop[0, 2]), 6), []).append(loop)
        else:
            rest.append(loop)
    return [ring for level in levels.values() for ring in _outlines(level)] + rest


def _outlines(loops: list[Matrix]) -> list[Matrix]:
    """Rings made of the edges that only one of the faces has."""
    edges: dict[tuple[tuple[float, ...], tuple[float, ...]], int] = {}
    for loop in loops:
        corners = [tuple(corner) for corner in loop.tolist()]
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            if edges.pop((end, start), None) is None:
                edges[(start, end)] = 1
    follow = dict(edges)
    rings = []
    while follow:
        first, here = next(iter(follow))
        ring = [first]
        follow.pop((first, here))
        while here != first:
            ring.append(here)
            step = next((edge for edge in follow if edge[0] == here), None)
            if step is None:
                break
            follow.pop(step)
            here = step[1]
        rings.append(np.array(ring, dtype=np.float64))
    return [ring for ring in rings if len(ring) >= 3]


def _of_faces(loops: list[Matrix], placed: Matrix, length_m: float) -> Footprint | None:
    if not loops:
        return None
    moved = [loop * length_m @ placed[:3, :3].T + placed[:3, 3] for loop in loops if loop.shape[1:] == (3,)]
    level = [loop for loop in moved if len(loop) >= 3 and _is_level(loop)]
    if not level:
        return None
    heights = np.concatenate([loop[:, 2] for loop in moved])
    floor = min(float(loop[:, 2].min()) for loop in level)
    floors = [loop for loop in level if float(loop[:, 2].max()) <= floor + _LEVEL_M]
    outline = max(floors, key=lambda loop: abs(_signed_area(loop[:, :2])))
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


def _signed_area(ring: npt.NDArray[np.float64]) -> float:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _inside(ring: npt.NDArray[np.float64], x: float, y: float) -> bool:
    """Even-odd rule over the edges of a ring."""
    ahead = np.roll(ring, -1, axis=0)
    crosses = (ring[:, 1] > y) != (ahead[:, 1] > y)
    if not crosses.any():
        return False
    start, end = ring[crosses], ahead[crosses]
    at = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    return bool(np.count_nonzero(at > x) % 2)
