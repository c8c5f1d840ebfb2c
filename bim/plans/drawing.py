"""The shapes of one storey's plan."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import shapely

from bim.plans.classes import Look, look_of
from bim.plans.section import Geometry, blocks, level_faces, outline, section, tidy
from bim.plans.storeys import Floor, MeshRow

__all__ = ["Shape", "draw"]

_FLOOR_M = 0.6  # a slab whose upper face is that near the floor is the floor
_ROOM_M = 0.1  # above the lowest point of a space: over skirtings, under window sills
_SILL_M = 0.3  # what starts that much below the floor stands on the floor below
_SHEET_M, _SHEET_M2 = 0.25, 4.0  # flatter and larger than any furniture
_HOLLOW = 0.5  # large and cut through less than half: not a thing that stands there, but things around a room
_LYING_M = 0.4  # lower than any window that stands
_LEAF_M = 0.25  # parts of one door or window that near are one
_WALL_M = 0.8  # deeper than any wall: what fills more is no opening, but several


class Shape(NamedTuple):
    """One shape of the plan: its layer, the element it shows, and its polygons in model metres."""

    layer: str
    global_id: str
    polygons: Geometry


def draw(meshes: Sequence[MeshRow], floor: Floor) -> list[Shape]:
    """All shapes of a storey, of each element at most two."""
    own = [shape for row in floor.rows for shape in _of_element(meshes[row], floor, passing=False)]
    return own + [shape for row in floor.passing for shape in _of_element(meshes[row], floor, passing=True)]


def _of_element(mesh: MeshRow, floor: Floor, *, passing: bool) -> Iterator[Shape]:
    look = look_of(mesh.type)
    if look is None or not len(mesh.triangles) or not bool(np.isfinite(mesh.vertices).all()):
        return
    if passing and look.way not in ("cut", "opening", "tread"):
        return  # a room belongs to the plan of its own storey
    for polygons in _polygons(mesh, floor, look):
        plain = tidy(polygons)
        if not plain.is_empty:
            layer = "slab" if look.way == "above" and _is_flat(mesh, plain) else look.layer
            yield Shape(layer, mesh.global_id, plain)


def _polygons(mesh: MeshRow, floor: Floor, look: Look) -> list[Geometry]:
    vertices, triangles = mesh.vertices, mesh.triangles
    low, high = float(vertices[:, 2].min()), float(vertices[:, 2].max())
    if look.way == "cut":
        return [section(vertices, triangles, floor.cut_m)]
    if look.way == "opening":
        return _opening(mesh, floor, low, high)
    if look.way == "room":
        room = section(vertices, triangles, min(low + _ROOM_M, (low + high) / 2))
        return [room if not room.is_empty else outline(vertices, triangles)]
    if look.way == "floor":
        return [outline(vertices, triangles)] if abs(high - floor.floor_m) < _FLOOR_M else []
    if look.way == "tread":
        return _treads(mesh, floor, low)
    if (low > floor.cut_m and look.way != "device") or high < floor.floor_m - _SILL_M:
        return []  # under the ceiling, or under the floor
    whole = outline(vertices, triangles)
    cut = section(vertices, triangles, floor.cut_m) if whole.area > _SHEET_M2 and high > floor.cut_m else whole
    return [cut if 0 < cut.area < _HOLLOW * whole.area else whole]


def _is_flat(mesh: MeshRow, shape: Geometry) -> bool:
    """A floor finish or a pavement that the file calls something else."""
    return bool(shape.area > _SHEET_M2 and np.ptp(mesh.vertices[:, 2]) < _SHEET_M)


def _opening(mesh: MeshRow, floor: Floor, low: float, high: float) -> list[Geometry]:
    """A door or a window: the block it fills, and what the plane cuts of frame, leaf and glass."""
    if high < floor.floor_m or low >= min(floor.top_m, floor.cut_m + 2.0):
        return []
    if high - low < _LYING_M:
        return [outline(mesh.vertices, mesh.triangles)]  # a skylight or a hatch
    height = floor.cut_m if low < floor.cut_m < high else (low + high) / 2  # a high window is seen all the same
    cut = section(mesh.vertices, mesh.triangles, height)
    whole = cut if not cut.is_empty else outline(mesh.vertices, mesh.triangles)
    if whole.is_empty:
        return []
    shown = [blocks(part, reach_m=_LEAF_M, deepest_m=_WALL_M) for part in shapely.get_parts(cut)]
    slim = [part for part, block in zip(shapely.get_parts(cut), shown, strict=True) if block]
    return [*blocks(whole, reach_m=_LEAF_M, deepest_m=_WALL_M), shapely.MultiPolygon(slim)]


def _treads(mesh: MeshRow, floor: Floor, low: float) -> list[Geometry]:
    """A stair from above, and its treads: one shape with a line at every step."""
    if low > floor.cut_m:
        return []
    whole = outline(mesh.vertices, mesh.triangles)
    steps = level_faces(mesh.vertices, mesh.triangles, -np.inf, np.inf)
    large = [step for step in steps if step.area > 0.02]
    if not large:
        return [whole]
    return [whole, shapely.MultiPolygon([part for step in large for part in shapely.get_parts(tidy(step))])]
