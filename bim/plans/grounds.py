"""The plan of a whole site: what stands in the open, and each building's ground floor on it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bim.plans.classes import look_of
from bim.plans.drawing import Shape, draw
from bim.plans.section import outline, section, tidy
from bim.plans.storeys import Floor, MeshRow

__all__ = ["site_shapes"]

_OPEN_MIN = 3  # fewer things in the open make no plan of their own
_ENTRANCE_M = 1.5  # a ground floor lies no farther below the ground than that
_TERRAIN_M2 = 20_000.0  # the land itself is no thing on it
# what is named otherwise out of doors than in a house
_LAYERS = {"IfcRailing": "furniture", "IfcGeographicElement": "furniture", "IfcVehicle": "furniture", "IfcKerb": "slab"}


def site_shapes(
    meshes: Sequence[MeshRow], rows: Sequence[int], floors: Sequence[Floor], low_m: npt.NDArray[np.float64]
) -> list[Shape]:
    """Shapes of one site; `rows` are the meshes that belong to no building, `floors` those of the site's buildings.

    Empty when nothing much stands in the open: then the storeys say it all.
    """
    open_air = [shape for row in rows if (shape := _in_the_open(meshes[row])) is not None]
    if len(open_air) < _OPEN_MIN:
        return []
    ground_m = float(np.median([low_m[row] for row in rows if np.isfinite(low_m[row])]))
    return [*open_air, *(shape for floor in _entrances(floors, ground_m) for shape in draw(meshes, floor))]


def _in_the_open(mesh: MeshRow) -> Shape | None:
    look = look_of(mesh.type)
    layer = _LAYERS.get(mesh.type) or (look.layer if look else "")
    if not layer or not len(mesh.triangles) or not bool(np.isfinite(mesh.vertices).all()):
        return None
    if look is not None and look.way == "room":
        low, high = mesh.vertices[:, 2].min(), mesh.vertices[:, 2].max()
        shape = section(mesh.vertices, mesh.triangles, float(low + high) / 2)
    else:
        shape = outline(mesh.vertices, mesh.triangles)
    plain = tidy(shape)
    if plain.is_empty or (mesh.type == "IfcGeographicElement" and plain.area > _TERRAIN_M2):
        return None
    return Shape(layer, mesh.global_id, plain)


def _entrances(floors: Sequence[Floor], ground_m: float) -> list[Floor]:
    """Of each building the lowest storey that is not under the ground."""
    houses: dict[str | None, list[Floor]] = {}
    for floor in floors:
        houses.setdefault(floor.house, []).append(floor)
    found = []
    for storeys in houses.values():
        above = [one for one in storeys if one.floor_m > ground_m - _ENTRANCE_M]
        found.append(min(above or storeys, key=lambda one: one.floor_m))
    return found
