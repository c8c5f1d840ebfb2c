"""One ray → the element, point and normal it meets, in plain numpy: a twin answers a click without a ray library.

Boxes around elements first, then Möller and Trumbore over the triangles of those that the ray passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bim.tiles.meshes import ElementMesh
from drone_ingest.ray_scene import Floats

__all__ = ["Pick", "Picker"]

_EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Pick:
    """What a ray meets first."""

    global_id: str
    point_m: tuple[float, float, float]
    normal: tuple[float, float, float]  # unit, towards the eye
    distance_m: float


class Picker:
    """Elements with their boxes; make it once for many rays."""

    def __init__(self, meshes: Sequence[ElementMesh]) -> None:
        self._meshes = meshes
        boxes = np.array(
            [
                (one.vertices.min(axis=0), one.vertices.max(axis=0)) if len(one.vertices) else np.full((2, 3), np.nan)
                for one in meshes
            ]
        ).reshape(-1, 2, 3)
        self._low, self._high = boxes[:, 0], boxes[:, 1]

    def pick(self, origin: Floats, direction: Floats) -> Pick | None:
        """The first surface along a ray (3,), (3,); None when it meets none."""
        unit = direction / np.linalg.norm(direction)
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (self._low - origin) / unit, (self._high - origin) / unit
        a, b = np.nan_to_num(a, nan=-np.inf), np.nan_to_num(b, nan=np.inf)
        enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
        rows = np.flatnonzero((leave >= np.maximum(enter, 0)) & np.isfinite(self._low[:, 0]))
        best: Pick | None = None
        for row in rows[np.argsort(enter[rows], kind="stable")].tolist():
            if best is not None and enter[row] > best.distance_m:
                break
            found = _first(self._meshes[row], origin, unit)
            if found is not None and (best is None or found.distance_m < best.distance_m):
                best = found
        return best


def _first(one: ElementMesh, origin: Floats, unit: Floats) -> Pick | None:
    a, b, c = (one.vertices[one.triangles[:, corner]] for corner in range(3))
    u_edge, v_edge = b - a, c - a
    p = np.cross(unit, v_edge)
    det = (u_edge * p).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = origin - a
        u = (away * p).sum(axis=1) / det
        q = np.cross(away, u_edge)
        v = q @ unit / det
        t = (q * v_edge).sum(axis=1) / det
        good = (u >= -_EDGE) & (v >= -_EDGE) & (u + v <= 1 + _EDGE) & (t > 0) & np.isfinite(t)
    if not good.any():
        return None
    row = int(np.argmin(np.where(good, t, np.inf)))
    normal = np.cross(u_edge[row], v_edge[row])
    normal = normal / np.linalg.norm(normal)
    x, y, z = (float(value) for value in normal * (-1 if normal @ unit > 0 else 1))
    px, py, pz = (float(value) for value in origin + unit * t[row])
    return Pick(one.global_id, (px, py, pz), (x, y, z), float(t[row]))
