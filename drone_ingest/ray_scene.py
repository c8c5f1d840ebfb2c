"""Elements as solids that rays are cast against: what is hit, how obliquely, how far away the nearest surface is.

One Open3D RaycastingScene (Embree, float32) around a local origin, so that a model in map coordinates loses nothing.
All coordinates in and out are model metres, float64, (n, 3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bim.tiles.meshes import ElementMesh
from drone_ingest.scan.rays import load_open3d

__all__ = ["BODILESS", "Floats", "Hits", "RayScene", "Solid", "is_body"]

Floats = NDArray[np.float64]
BODILESS = frozenset(
    {"IfcSpace", "IfcOpeningElement", "IfcOpeningStandardCase", "IfcVoidingFeature", "IfcVirtualElement",
     "IfcSpatialZone", "IfcExternalSpatialElement", "IfcZone", "IfcGrid", "IfcAnnotation"}
)  # fmt: skip
"""Classes that have a shape and no matter."""

_RAYS_AT_ONCE = 500_000  # 24 bytes in and 40 out a ray


def is_body(one: ElementMesh) -> bool:
    """Whether an element is matter that light meets."""
    return one.type not in BODILESS and len(one.triangles) > 0


@dataclass(frozen=True, slots=True)
class Solid:
    """One body: vertices (n, 3) in metres, triangles (m, 3), and a number of the caller's that hits carry."""

    vertices: Floats
    triangles: NDArray[Any]
    owner: int


@dataclass(frozen=True, slots=True)
class Hits:
    """Of each ray: metres to the first surface (inf: none), the owner of it (-1: none), its triangle, the cosine
    between the ray and the surface's normal (0 to 1, whichever side was hit)."""

    t_m: Floats
    owner: NDArray[np.int32]
    triangle: NDArray[np.int64]
    cosine: Floats

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Which rays hit anything."""
        return self.owner >= 0


class RayScene:
    """Solids ready for rays; immutable."""

    def __init__(self, solids: Iterable[Solid], threads: int = 0) -> None:
        self._o3d = load_open3d()
        parts = list(solids)
        filled = [one for one in parts if len(one.triangles)]
        corners = np.concatenate([one.vertices for one in filled]) if filled else np.zeros((1, 3))
        self.low_m, self.high_m = corners.min(axis=0), corners.max(axis=0)
        self._origin = (self.low_m + self.high_m) / 2
        starts = np.cumsum([0, *(len(one.vertices) for one in filled)])
        faces = [one.triangles.astype(np.uint32) + start for one, start in zip(filled, starts, strict=False)]
        self.triangles = np.concatenate(faces).astype(np.uint32) if faces else np.zeros((0, 3), np.uint32)
        self.owners = np.concatenate(
            [np.full(len(one.triangles), one.owner, np.int32) for one in filled] or [np.zeros(0, np.int32)]
        )
        self._scene = self._o3d.t.geometry.RaycastingScene(nthreads=threads)
        if len(self.triangles):
            local = (corners - self._origin).astype(np.float32)
            self._scene.add_triangles(self._tensor(local), self._tensor(self.triangles))

    @classmethod
    def of(cls, meshes: Sequence[ElementMesh], threads: int = 0) -> "RayScene":
        """A scene whose owners are the places in `meshes`."""
        return cls((Solid(one.vertices, one.triangles, place) for place, one in enumerate(meshes)), threads)

    def cast(self, origins: Floats, directions: Floats, nudge_m: float = 0.0) -> Hits:
        """First hits of rays (n, 3) with unit directions; a hit nearer than `nudge_m` does not count."""
        parts = [
            self._cast(origins[at : at + _RAYS_AT_ONCE], directions[at : at + _RAYS_AT_ONCE], nudge_m)
            for at in range(0, max(len(origins), 1), _RAYS_AT_ONCE)
        ]
        return Hits(*(np.concatenate([getattr(one, name) for one in parts]) for name in Hits.__slots__))

    def sees(self, eyes: Floats, points: Floats, margin_m: float = 0.02) -> NDArray[np.bool_]:
        """Whether nothing stands between each eye and its point; what is nearer to the point than the margin is it."""
        away = points - eyes
        far = np.linalg.norm(away, axis=1)
        hits = self.cast(eyes, away / np.maximum(far, 1e-9)[:, None])
        clear: NDArray[np.bool_] = hits.t_m >= far - margin_m
        return clear

    def distance_m(self, points: Floats) -> Floats:
        """Metres from each point to the nearest surface; inf in an empty scene."""
        if not len(self.triangles):
            return np.full(len(points), np.inf)
        local = self._tensor((points - self._origin).astype(np.float32))
        distances: Floats = self._scene.compute_distance(local).numpy().astype(np.float64)
        return distances

    def _cast(self, origins: Floats, directions: Floats, nudge_m: float) -> Hits:
        if not len(self.triangles) or not len(origins):
            return _nothing(len(origins))
        starts = origins - self._origin + directions * nudge_m
        rays = np.concatenate([starts, directions], axis=1).astype(np.float32)
        found = self._scene.cast_rays(self._tensor(rays))
        t_m = found["t_hit"].numpy().astype(np.float64) + nudge_m
        triangle = found["primitive_ids"].numpy().astype(np.int64)
        hit = np.isfinite(t_m)
        triangle[~hit] = -1
        owner = np.where(hit, self.owners[triangle], np.int32(-1)).astype(np.int32)
        normals = found["primitive_normals"].numpy().astype(np.float64)
        cosine = np.where(hit, np.abs((normals * directions).sum(axis=1)), 0.0)
        return Hits(t_m, owner, triangle, np.minimum(cosine, 1.0))

    def _tensor(self, values: NDArray[Any]) -> Any:
        return self._o3d.core.Tensor(np.ascontiguousarray(values))


def _nothing(rays: int) -> Hits:
    return Hits(np.full(rays, np.inf), np.full(rays, -1, np.int32), np.full(rays, -1, np.int64), np.zeros(rays))
