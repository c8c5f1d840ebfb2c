"""Which camera saw each point of a photogrammetric cloud: the nearest of those whose picture shows it unhidden.

A picture is a coarse grid of depths (a z-buffer of the cloud itself); a point is seen when nothing of the cloud lies
before it in its cell.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drone_ingest.scan.camera_files import Camera, read_cameras
from drone_ingest.scan.elements import Floats

__all__ = ["origins_by_cameras", "origins_of_cameras"]

_GRID = 160  # cells across a picture
_SLACK, _SLACK_M = 0.02, 0.15  # of the depth, for slanted surfaces and noise
_CAMERAS_MAX = 400  # of more, every n-th is enough to know a ray
_NEAR_M = 0.5


def origins_by_cameras(points: Floats, path: Path) -> tuple[Floats, list[str]]:
    """Eyes (n, 3) of points (n, 3), NaN where no camera shows one; and warnings. Raises InputError."""
    cameras = read_cameras(path)
    found = origins_of_cameras(points, cameras)
    seen = np.isfinite(found[:, 0]).mean()
    return found, [f"only {seen:.0%} of the points are in any picture"] if seen < 0.5 else []


def origins_of_cameras(points: Floats, cameras: list[Camera]) -> Floats:
    """As origins_by_cameras, of cameras already read."""
    eyes = np.full(points.shape, np.nan)
    nearest = np.full(len(points), np.inf, np.float32)
    middle = points.mean(axis=0) if len(points) else np.zeros(3)
    local = (points - middle).astype(np.float32)
    for camera in cameras[:: -(-len(cameras) // _CAMERAS_MAX)]:
        rows, depth = _seen(local, camera, middle)
        closer = depth < nearest[rows]
        nearest[rows[closer]] = depth[closer]
        eyes[rows[closer]] = camera.eye
    return eyes


def _seen(local: NDArray[np.float32], camera: Camera, middle: Floats) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows of points that a picture shows unhidden, and their depth."""
    here = (local - (camera.eye - middle).astype(np.float32)) @ camera.axes.T.astype(np.float32)
    ahead = np.flatnonzero(here[:, 2] > _NEAR_M)
    depth = here[ahead, 2]
    across = here[ahead, 0] / depth * camera.focal + camera.centre[0]
    down = here[ahead, 1] / depth * camera.focal + camera.centre[1]
    inside = (across >= 0) & (across < camera.width) & (down >= 0) & (down < camera.height)
    ahead, depth = ahead[inside], depth[inside]
    cell_px = camera.width / _GRID
    column, line = (across[inside] / cell_px).astype(np.int64), (down[inside] / cell_px).astype(np.int64)
    cell = line * _GRID + np.minimum(column, _GRID - 1)
    front = np.full(int(cell.max(initial=0)) + 1, np.inf, np.float32)
    np.minimum.at(front, cell, depth)
    clear = depth <= front[cell] * (1 + _SLACK) + _SLACK_M
    return ahead[clear], depth[clear]
