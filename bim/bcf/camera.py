"""A camera that looks at a box, near enough to see it and far enough to see all of it. Pure."""

import math
from collections.abc import Iterable

import numpy as np

from bim.bcf.topics import Camera, Vector

__all__ = ["Box", "around", "look_at"]

Box = tuple[float, float, float, float, float, float]  # min x, y, z, max x, y, z in metres

_FIELD_OF_VIEW_DEG = 60.0
_ASPECT_RATIO = 4 / 3
_FROM = (-1.0, -1.0, 0.7)  # where the camera stands, seen from the box: south-west and above
_RADIUS_MIN_M = 0.75  # a thermostat is shown with the wall around it
_MARGIN = 1.15


def around(boxes: Iterable[Box]) -> Box:
    """The box around boxes, at least one."""
    found = np.array(list(boxes), dtype=np.float64)
    low, high = found[:, :3].min(0), found[:, 3:].max(0)
    return tuple(float(one) for one in (*low, *high))  # type: ignore[return-value]


def look_at(box: Box, towards: Vector = _FROM) -> Camera:
    """A perspective camera on the side `towards` of a box (not straight above or below) that has all of it in view."""
    low, high = np.array(box[:3]), np.array(box[3:])
    centre = (low + high) / 2
    radius = max(float(np.linalg.norm(high - low)) / 2, _RADIUS_MIN_M)
    back = np.array(towards) / np.linalg.norm(towards)
    distance = _MARGIN * radius / math.sin(math.radians(_FIELD_OF_VIEW_DEG) / 2)
    direction = -back
    up = np.array((0.0, 0.0, 1.0)) - direction[2] * direction
    up /= np.linalg.norm(up)
    position = centre + distance * back
    vectors = [tuple(float(one) for one in vector) for vector in (position, direction, up)]
    return Camera(
        position=vectors[0],  # type: ignore[arg-type]
        direction=vectors[1],  # type: ignore[arg-type]
        up=vectors[2],  # type: ignore[arg-type]
        field_of_view_deg=_FIELD_OF_VIEW_DEG,
        aspect_ratio=_ASPECT_RATIO,
    )
