"""The model as a scan meets it: every solid element's triangles in one scene that lists all surfaces along a ray.

Rooms, openings and other things without a surface are left out. Triangles that are see-through in the model (glass)
are marked: a laser may pass them, so a ray through them says nothing against them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bim.tiles.meshes import ElementMesh
from drone_ingest.scan.rays import load_open3d

Floats = NDArray[np.float64]
__all__ = ["FINISHED", "IN_PROGRESS", "NOT_STARTED", "UNPLANNED", "Crossings", "Elements", "Floats"]

UNPLANNED, NOT_STARTED, IN_PROGRESS, FINISHED = 0, 1, 2, 3  # the column `planned`
_NO_SOLID = frozenset({
    "IfcSpace", "IfcOpeningElement", "IfcOpeningStandardCase", "IfcVoidingFeature", "IfcVirtualElement",
    "IfcAnnotation", "IfcGrid", "IfcSpatialZone", "IfcSite", "IfcGeographicElement", "IfcExternalSpatialElement",
})  # fmt: skip
_OPAQUE_ALPHA = 230  # of 255; glass is drawn with less
_FLAT_SHARE = 0.02  # thickness from area and volume is trusted above this share of the smallest extent


@dataclass(frozen=True, slots=True)
class Crossings:
    """Surfaces that rays cross: row of the ray, place of the element, triangle, metres from the ray's start, and the
    cosine between ray and outward normal (negative: the surface faces the start of the ray)."""

    ray: NDArray[np.int64]
    element: NDArray[np.int64]
    triangle: NDArray[np.int64]
    t_m: Floats
    cosine: Floats


class Elements:
    """All solid elements of a model, with what the plan says of each; immutable. Coordinates are model metres."""

    def __init__(self, meshes: Sequence[ElementMesh], planned: Mapping[str, int], threads: int = 0) -> None:
        solid = [one for one in meshes if one.type not in _NO_SOLID and len(one.triangles)]
        known = [one for one in solid if planned.get(one.global_id, UNPLANNED) != UNPLANNED]
        solid = known or solid
        self.global_ids = [one.global_id for one in solid]
        self.planned = np.array([planned.get(name, UNPLANNED) for name in self.global_ids], np.uint8)
        counts = [len(one.triangles) for one in solid]
        starts = np.cumsum([0, *(len(one.vertices) for one in solid)])
        corners = np.concatenate([one.vertices for one in solid]) if solid else np.zeros((0, 3))
        self.low_m = corners.min(axis=0) if len(corners) else np.zeros(3)
        self.high_m = corners.max(axis=0) if len(corners) else np.zeros(3)
        self.origin_m = (self.low_m + self.high_m) / 2
        faces = [one.triangles.astype(np.int64) + at for one, at in zip(solid, starts, strict=False)]
        self.triangles = np.concatenate(faces) if faces else np.zeros((0, 3), np.int64)
        self.vertices = corners - self.origin_m  # relative to the origin
        self.owners = np.repeat(np.arange(len(solid)), counts).astype(np.int32)
        self.opaque = _opaque(solid)
        self.normals, self.areas_m2 = _normals(self.vertices, self.triangles)
        self.thickness_m = _thickness(self.vertices, self.triangles, self.owners, self.areas_m2, len(solid))
        self._o3d = load_open3d()
        self._scene = self._o3d.t.geometry.RaycastingScene(nthreads=threads)
        if len(self.triangles):
            self._scene.add_triangles(
                self._tensor(self.vertices.astype(np.float32)), self._tensor(self.triangles.astype(np.uint32))
            )

    def __len__(self) -> int:
        return len(self.global_ids)

    def crossings(self, starts: Floats, directions: Floats) -> Crossings:
        """Every surface along rays (n, 3), unit directions, model metres; without an end."""
        if not len(self.triangles) or not len(starts):
            nothing = np.zeros(0, np.int64)
            return Crossings(nothing, nothing, nothing, np.zeros(0), np.zeros(0))
        rays = np.concatenate([starts - self.origin_m, directions], axis=1).astype(np.float32)
        found = self._scene.list_intersections(self._tensor(rays))
        ray = found["ray_ids"].numpy().astype(np.int64)
        triangle = found["primitive_ids"].numpy().astype(np.int64)
        cosine = np.einsum("ij,ij->i", self.normals[triangle], rays[ray, 3:])
        return Crossings(ray, self.owners[triangle].astype(np.int64), triangle, found["t_hit"].numpy(), cosine)

    def nearest(self, points: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """The nearest point on any surface (n, 3) in model metres, and its triangle."""
        found = self._scene.compute_closest_points(self._tensor((points - self.origin_m).astype(np.float32)))
        place = found["points"].numpy().astype(np.float64) + self.origin_m
        return place, found["primitive_ids"].numpy().astype(np.int64)

    def part(self, keep: NDArray[np.bool_]) -> "Elements":
        """The same scene of some of the elements; places count anew."""
        chosen = object.__new__(Elements)
        faces = keep[self.owners]
        place = np.cumsum(keep) - 1
        chosen.global_ids = [name for name, wanted in zip(self.global_ids, keep.tolist(), strict=True) if wanted]
        chosen.planned, chosen.thickness_m = self.planned[keep], self.thickness_m[keep]
        chosen.triangles, chosen.vertices, chosen.origin_m = self.triangles[faces], self.vertices, self.origin_m
        chosen.owners = place[self.owners[faces]].astype(np.int32)
        chosen.opaque, chosen.normals, chosen.areas_m2 = self.opaque[faces], self.normals[faces], self.areas_m2[faces]
        used = self.vertices[np.unique(chosen.triangles)] if faces.any() else np.zeros((1, 3))
        chosen.low_m, chosen.high_m = used.min(axis=0) + self.origin_m, used.max(axis=0) + self.origin_m
        chosen._o3d = self._o3d
        chosen._scene = self._o3d.t.geometry.RaycastingScene()
        if faces.any():
            chosen._scene.add_triangles(
                self._tensor(self.vertices.astype(np.float32)), self._tensor(chosen.triangles.astype(np.uint32))
            )
        return chosen

    def _tensor(self, values: NDArray[Any]) -> Any:
        return self._o3d.core.Tensor(np.ascontiguousarray(values))


def _opaque(solid: Sequence[ElementMesh]) -> NDArray[np.bool_]:
    parts = [(one.triangle_colors & 0xFF) >= _OPAQUE_ALPHA for one in solid]
    return np.concatenate(parts) if parts else np.zeros(0, np.bool_)


def _normals(vertices: Floats, triangles: NDArray[np.int64]) -> tuple[NDArray[np.float32], Floats]:
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    crossed = np.cross(b - a, c - a)
    twice = np.linalg.norm(crossed, axis=1)
    return (crossed / np.maximum(twice, 1e-12)[:, None]).astype(np.float32), twice / 2


def _thickness(
    vertices: Floats, triangles: NDArray[np.int64], owners: NDArray[np.int32], areas: Floats, count: int
) -> Floats:
    """Twice the volume by the surface: right for plates and walls; never more than the smallest extent of its box."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    volume = np.abs(np.bincount(owners, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6, count))
    plate = 2 * volume / np.maximum(np.bincount(owners, areas, count), 1e-9)
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for corner in (a, b, c):
        np.minimum.at(low, owners, corner)
        np.maximum.at(high, owners, corner)
    extent = (high - low).min(axis=1) if count else np.zeros(0)
    return np.where(plate > _FLAT_SHARE * extent, np.minimum(plate, extent), extent)
