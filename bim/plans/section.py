"""Triangles of one element as polygons in plan: where a level plane cuts them, and their outline from above.

Segments of the cut are directed so that the body lies to their left, and joined into rings by their ends; rings that
run counter-clockwise are body, the others are holes. A body whose surface is open is drawn as thin as it is.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import shapely.affinity

__all__ = ["Geometry", "blocks", "level_faces", "outline", "section", "tidy"]

Geometry = Any  # shapely.Geometry, of polygons only
Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

_ON_PLANE_M = 1e-6  # a vertex this near counts as above: no triangle is then cut through a corner
_JOIN_M = 2e-4  # ends of segments this near are one point
_THIN_M = 0.005  # half the thickness of what has no thickness
_SPECK_M2 = 2e-5  # smaller is dirt of the geometry: 4 mm by 5 mm
_TRIANGLES_MAX = 6_000  # of one outline; a plant with more is drawn as its hull
_LEVEL = 0.98  # cosine between a face's normal and the vertical that still counts as level
_GRID_M = 1e-3


def section(vertices: Array, triangles: Indices, z_m: float) -> Geometry:
    """Polygons where the plane z cuts; empty when it does not."""
    chains, rings = _joined(*_segments(vertices, triangles, z_m))
    bodies = [ring for ring in rings if _area(ring) > _SPECK_M2]
    holes = [ring for ring in rings if _area(ring) < -_SPECK_M2]
    if sum(map(_area, bodies)) < -sum(map(_area, holes)):
        bodies, holes = holes, bodies  # the surface is inside out
    cut = _union([shapely.Polygon(ring) for ring in bodies])
    if holes and not cut.is_empty:
        cut = _polygons(shapely.difference(cut, _union([shapely.Polygon(ring) for ring in holes])))
    lines = [shapely.LineString(chain) for chain in chains if len(chain) > 1]
    return _union([cut, *(line.buffer(_THIN_M, cap_style="flat") for line in lines)]) if lines else cut


def outline(vertices: Array, triangles: Indices) -> Geometry:
    """The shadow of the triangles in plan."""
    corners = vertices[triangles][:, :, :2]
    ahead, aside = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    twice = ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0]
    seen = twice > 1e-9 if bool((twice > 1e-9).any()) else twice < -1e-9  # the upper side shadows what the lower does
    if int(seen.sum()) > _TRIANGLES_MAX:
        return _polygons(shapely.convex_hull(shapely.multipoints(vertices[:, :2])))
    if not bool(seen.any()):
        return shapely.Polygon()
    return _union(list(shapely.polygons(corners[seen])))


def level_faces(vertices: Array, triangles: Indices, low_m: float, high_m: float) -> list[Geometry]:
    """Faces that look up and are level, between two heights, one polygon a height: treads, landings, floors."""
    corners = vertices[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    height = corners[:, :, 2].mean(axis=1)
    level = (normal[:, 2] > _LEVEL * length) & (length > 1e-9) & (height >= low_m) & (height <= high_m)
    found: dict[int, list[Geometry]] = defaultdict(list)
    for at, face in zip(np.round(height[level] / 0.01).astype(int).tolist(), corners[level][:, :, :2], strict=True):
        found[at].append(shapely.Polygon(face))
    return [_union(faces) for _, faces in sorted(found.items())]


def blocks(shape: Geometry, *, reach_m: float, deepest_m: float) -> list[Geometry]:
    """The box around each group of parts, along their own edges; without those that are too deep for a wall."""
    found = []
    for group in shapely.get_parts(shapely.buffer(shape, reach_m / 2, quad_segs=2)):
        parts = _polygons(shapely.intersection(shape, group))
        if parts.is_empty:
            continue
        turn = _direction(parts)
        around = shapely.box(*shapely.affinity.rotate(parts, -turn, origin=(0, 0), use_radians=True).bounds)
        x0, y0, x1, y1 = around.bounds
        if min(x1 - x0, y1 - y0) <= deepest_m:
            found.append(shapely.affinity.rotate(around, turn, origin=(0, 0), use_radians=True))
    return found


def _direction(shape: Geometry) -> float:
    """The angle that most of the edges run along or across, in radians; the mean of the fourfold angle."""
    fourfold = 0j
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            step = np.diff(np.array(part.exterior.coords)[:, :2], axis=0)
            length = np.hypot(step[:, 0], step[:, 1])
            fourfold += complex((length * np.exp(4j * np.arctan2(step[:, 1], step[:, 0]))).sum())
    return float(np.angle(fourfold)) / 4


def tidy(shape: Geometry, tolerance_m: float = 0.002) -> Geometry:
    """Without specks and without corners that nobody sees."""
    if shape.is_empty:
        return shape
    plain = _polygons(shapely.simplify(shape, tolerance_m))
    kept = []
    for part in shapely.get_parts(plain):
        if part.area > _SPECK_M2:
            holes = [hole for hole in part.interiors if abs(_area(np.array(hole.coords)[:-1])) > _SPECK_M2]
            kept.append(shapely.Polygon(part.exterior, holes))
    return shapely.MultiPolygon(kept)


def _segments(vertices: Array, triangles: Indices, z_m: float) -> tuple[Array, Array]:
    """Starts and ends (n x 2) of the cut through each triangle, the body to the left."""
    above_m = vertices[:, 2] - z_m
    above_m = np.where(np.abs(above_m) < _ON_PLANE_M, _ON_PLANE_M, above_m)
    up = above_m[triangles] > 0
    count = up.sum(axis=1)
    crossing = (count == 1) | (count == 2)
    up, rows = up[crossing], triangles[crossing]
    lone = np.where(count[crossing] == 1, up.argmax(axis=1), (~up).argmax(axis=1))
    at = np.arange(len(rows))
    a, b, c = (rows[at, (lone + step) % 3] for step in range(3))
    start, end = _between(vertices, above_m, a, b), _between(vertices, above_m, a, c)
    normal = np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])  # cyclic, so still outwards
    ahead = end - start
    wrong = ahead[:, 1] * normal[:, 0] - ahead[:, 0] * normal[:, 1] < 0
    start[wrong], end[wrong] = end[wrong].copy(), start[wrong].copy()
    return start, end


def _between(vertices: Array, above_m: Array, one: Indices, other: Indices) -> Array:
    share = above_m[one] / (above_m[one] - above_m[other])
    return np.asarray(vertices[one, :2] + (vertices[other, :2] - vertices[one, :2]) * share[:, None])


def _joined(start: Array, end: Array) -> tuple[list[Array], list[Array]]:
    """Chains that stay open, and rings."""
    first, last = np.round(start / _JOIN_M).astype(np.int64), np.round(end / _JOIN_M).astype(np.int64)
    real = (first != last).any(axis=1)
    heads, tails = list(map(tuple, first[real].tolist())), list(map(tuple, last[real].tolist()))
    ahead: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for at, head in enumerate(heads):
        ahead[head].append(at)
    behind = set(tails)
    points = start[real]
    ends = end[real]
    used = [False] * len(heads)
    chains, rings = [], []
    for first_at in sorted(range(len(heads)), key=lambda at: heads[at] in behind):  # open ends first
        if used[first_at]:
            continue
        walk, at = [first_at], first_at
        used[at] = True
        while tails[at] != heads[first_at]:
            onward = next((step for step in ahead[tails[at]] if not used[step]), None)
            if onward is None:
                break
            used[onward] = True
            walk.append(onward)
            at = onward
        if tails[at] == heads[first_at]:
            rings.append(points[walk])
        else:
            chains.append(np.vstack([points[walk], ends[at]]))
    return chains, [ring for ring in rings if len(ring) >= 3]


def _area(ring: Array) -> float:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _union(parts: list[Geometry]) -> Geometry:
    if not parts:
        return shapely.Polygon()
    valid = [part if part.is_valid else shapely.make_valid(part) for part in parts]
    try:
        return _polygons(shapely.union_all(valid, grid_size=_GRID_M))
    except shapely.GEOSException:
        return _polygons(shapely.union_all([part.buffer(0) for part in valid]))


def _polygons(shape: Geometry) -> Geometry:
    """Only the polygons of whatever an operation left."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.MultiPolygon([one for part in parts for one in shapely.get_parts(part)])
