"""Outlines in IFC geometry: rings of profiles, and the faces of solids, triangles of one level joined again."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from bim.placement import Matrix, axis_matrix

__all__ = ["convex_hull", "faces", "profile_ring", "signed_area"]

Corner = tuple[float, float, float]

_CIRCLE_SIDES = 24


def profile_ring(profile: Any, length_m: float) -> Matrix | None:
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


def faces(item: Any) -> list[Matrix]:
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
    edges: dict[tuple[Corner, Corner], None] = {}
    for loop in loops:
        corners = [(float(x), float(y), float(z)) for x, y, z in loop]
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            if (end, start) in edges:
                del edges[(end, start)]
            else:
                edges[(start, end)] = None
    ahead: dict[Corner, list[Corner]] = defaultdict(list)
    for start, end in edges:
        ahead[start].append(end)
    rings = []
    for first in list(ahead):
        while ahead[first]:
            ring, here = [first], ahead[first].pop()
            while here != first and ahead.get(here):
                ring.append(here)
                here = ahead[here].pop()
            rings.append(np.array(ring, dtype=np.float64))
    return [ring for ring in rings if len(ring) >= 3]


def signed_area(ring: npt.NDArray[np.float64]) -> float:
    """Area of a ring (n x 2) in plan, negative when it runs clockwise."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def convex_hull(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The convex ring around points in plan (n x 2), counter-clockwise; Andrew's monotone chain."""
    ordered = sorted({(float(x), float(y)) for x, y in points})
    chains = [_chain(ordered), _chain(ordered[::-1])]
    return np.array([corner for chain in chains for corner in chain[:-1]], dtype=np.float64).reshape(-1, 2)


def _chain(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    chain: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2], chain[-1]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain
