"""From the faces of chosen elements to places where a camera sees them: spots, candidates, the fewest that will do.

A spot is a point on a face that is open to the air. A candidate stands on the normal of a spot at the distance of the
GSD, or tilted off it; it must keep clear of everything that stands, and lie inside the area. Of the candidates a greedy
cover picks the fewest that show each spot as often as wanted (a set multicover; see BIM-aware ILP planning,
Geomatics 2025, 5(4) 79: up to 63 % fewer pictures than a raster).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bim.tiles.meshes import ElementMesh
from drone_ingest.mission.area import Area
from drone_ingest.mission.settings import Camera, Wanted
from drone_ingest.ray_scene import Floats, RayScene

__all__ = ["Spots", "Views", "candidates_of", "cover", "spots_of", "views_of"]

_SPOTS_MAX = 6_000
_CANDIDATES_MAX = 900
_SPOT_M = (0.2, 2.0)  # between neighbouring spots
_SKY_RAYS = 2  # ways from a spot that meet nothing, or it is inside
_LIFT_M = 0.01
_TURNS = np.radians(np.arange(0, 360, 45))
_WAYS = np.concatenate(
    [np.zeros((1, 3))]
    + [np.stack([np.cos(_TURNS) * flat, np.sin(_TURNS) * flat, np.full(8, up)], axis=1)
       for flat, up in ((0.9, 0.0), (0.6, 0.6))]
)  # fmt: skip
_TILTS = np.radians([0.0, 25.0, -25.0])  # of candidates against the normal, up and down


@dataclass(frozen=True, slots=True)
class Spots:
    """Points (n, 3) on faces with the normal that looks into the air, and the place of their element."""

    points: Floats
    normals: Floats
    element: NDArray[np.int64]
    area_m2: Floats


@dataclass(frozen=True, slots=True)
class Views:
    """Candidates: where they stand, where they look (unit), and which spots each shows well."""

    eyes: Floats
    looks: Floats
    shows: NDArray[np.bool_]  # (candidates, spots)


def spots_of(elements: Sequence[ElementMesh], scene: RayScene, spacing_m: float, rng: np.random.Generator) -> Spots:
    """Spots about `spacing_m` apart on what is open to the air of each element."""
    points, normals, owner, areas = [], [], [], []
    spacing = float(np.clip(spacing_m, *_SPOT_M))
    total = sum(float(_areas(one)[0].sum()) for one in elements)
    spacing = max(spacing, float(np.sqrt(2 * total / _SPOTS_MAX)))
    for place, one in enumerate(elements):
        area, normal = _areas(one)
        count = max(int(np.ceil(area.sum() / spacing**2)), min(len(area), 12))
        if not area.sum() > 0:
            continue
        faces = np.searchsorted(np.cumsum(area) / area.sum(), (np.arange(count) + rng.random(count)) / count)
        faces = faces.clip(max=len(area) - 1)
        a, b, c = (one.vertices[one.triangles[faces, corner]] for corner in range(3))
        u, v = rng.random((2, count, 1))
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
        points.append(a + u * (b - a) + v * (c - a))
        normals.append(normal[faces])
        owner.append(np.full(count, place))
        areas.append(np.full(count, area.sum() / count))
    if not points:
        return Spots(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0))
    found = Spots(np.concatenate(points), np.concatenate(normals), np.concatenate(owner), np.concatenate(areas))
    return _open(found, scene)


def candidates_of(spots: Spots, scene: RayScene, area: Area, wanted: Wanted, camera: Camera) -> tuple[Floats, Floats]:
    """Places (n, 3) and looks for a camera, thinned to one a cell of the step that the overlap allows."""
    if not len(spots.points):
        return np.zeros((0, 3)), np.zeros((0, 3))
    distance = wanted.distance_m(camera)
    wide, high = (2 * half * distance for half in camera.half_angles())
    step = max((1 - wanted.overlap) * min(wide, high), 0.5)
    eyes, looks = [], []
    for tilt in _TILTS:
        way = _tilted(spots.normals, tilt)
        eyes.append(spots.points + way * distance)
        looks.append(-way)
    eye, look = np.concatenate(eyes), np.concatenate(looks)
    good = area.allows(eye)
    eye, look = eye[good], look[good]
    for _ in range(8):
        turn = np.round(look * 2)
        cells = np.concatenate([np.floor(eye / step), turn], axis=1)
        _, first = np.unique(cells, axis=0, return_index=True)
        if len(first) <= 4 * _CANDIDATES_MAX:
            break
        step *= 1.3
    eye, look = eye[np.sort(first)], look[np.sort(first)]
    clear = scene.distance_m(eye) >= wanted.clearance_m
    eye, look = eye[clear], look[clear]
    if len(eye) > _CANDIDATES_MAX:
        rows = np.linspace(0, len(eye) - 1, _CANDIDATES_MAX).astype(int)
        eye, look = eye[rows], look[rows]
    return eye, look


def views_of(eyes: Floats, looks: Floats, spots: Spots, scene: RayScene, wanted: Wanted, camera: Camera) -> Views:
    """Which spots each camera shows: in the picture, at the GSD, not too obliquely, with nothing in between."""
    shows = np.zeros((len(eyes), len(spots.points)), bool)
    tan_x, tan_y = camera.half_angles()
    reach = wanted.gsd_m * camera.focal_px * 1.1
    for at, (eye, look) in enumerate(zip(eyes, looks, strict=True)):
        away = spots.points - eye
        depth = away @ look
        far = np.linalg.norm(away, axis=1)
        right, up = axes_of(look)
        inside = (depth > 0.1) & (np.abs(away @ right) <= depth * tan_x) & (np.abs(away @ up) <= depth * tan_y)
        oblique = -(away * spots.normals).sum(axis=1) >= far * np.cos(np.radians(wanted.angle_deg))
        rows = np.flatnonzero(inside & oblique & (depth <= reach))
        if len(rows):
            lifted = spots.points[rows] + spots.normals[rows] * _LIFT_M
            shows[at, rows] = scene.sees(np.broadcast_to(eye, lifted.shape), lifted)
    return Views(eyes, looks, shows)


def cover(views: Views, spots: Spots, wanted: Wanted) -> NDArray[np.int64]:
    """Rows of the views to fly: greedy, each time the one that shows most surface not yet shown often enough."""
    missing = np.minimum(wanted.times, views.shows.sum(axis=0))
    chosen: list[int] = []
    open_rows = np.ones(len(views.eyes), bool)
    while True:
        gain = np.where(open_rows, views.shows @ (spots.area_m2 * (missing > 0)), 0.0)
        best = int(np.argmax(gain)) if len(gain) else -1
        if best < 0 or gain[best] <= 0:
            return np.array(chosen, np.int64)
        chosen.append(best)
        open_rows[best] = False
        missing = missing - (views.shows[best] & (missing > 0))


def axes_of(look: Floats) -> tuple[Floats, Floats]:
    """Right and up of an upright camera that looks along a unit vector."""
    right = np.cross(look, [0.0, 0.0, 1.0])
    length = float(np.linalg.norm(right))
    right = right / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
    return right, np.cross(right, look)


def _areas(one: ElementMesh) -> tuple[Floats, Floats]:
    """Area and unit normal of each triangle."""
    a, b, c = (one.vertices[one.triangles[:, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    double = np.linalg.norm(normal, axis=1)
    return double / 2, normal / np.maximum(double, 1e-12)[:, None]


def _open(spots: Spots, scene: RayScene) -> Spots:
    """Those that see the sky, on whichever side: files have faces turned inside out, and rooms are no place to fly."""
    free = [_sky(spots.points, side * spots.normals, scene) for side in (1.0, -1.0)]
    normals = np.where((free[1] > free[0])[:, None], -spots.normals, spots.normals)
    keep = np.maximum(*free) >= _SKY_RAYS
    return Spots(spots.points[keep], normals[keep], spots.element[keep], spots.area_m2[keep])


def _sky(points: Floats, normals: Floats, scene: RayScene) -> NDArray[np.int64]:
    """How many of some ways out of each face meet nothing at all; ways down end on the ground."""
    count = np.zeros(len(points), np.int64)
    for way in _WAYS:
        leaning = normals + way
        leaning /= np.maximum(np.linalg.norm(leaning, axis=1), 1e-9)[:, None]
        out = ((leaning * normals).sum(axis=1) > 0.1) & (leaning[:, 2] > -0.2)
        rows = np.flatnonzero(out)
        hits = scene.cast(points[rows] + normals[rows] * _LIFT_M, leaning[rows])
        count[rows] += ~hits.hit
    return count


def _tilted(normals: Floats, tilt: float) -> Floats:
    """Unit vectors turned up by an angle; what points up or down is leant aside instead."""
    flat = np.hypot(normals[:, 0], normals[:, 1])
    steep = np.arctan2(normals[:, 2], np.maximum(flat, 1e-9)) + tilt
    steep = np.clip(steep, -np.radians(60), np.radians(90))
    aside = np.where(flat[:, None] > 1e-6, normals[:, :2] / np.maximum(flat, 1e-9)[:, None], [1.0, 0.0])
    return np.column_stack([aside * np.cos(steep)[:, None], np.sin(steep)])
