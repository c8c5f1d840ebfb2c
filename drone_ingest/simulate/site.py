"""The site as it really stands on the day of a scan: elements a little off, ground, and what is in no plan."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bim.tiles.meshes import ElementMesh
from drone_ingest.ray_scene import Floats, RayScene, Solid, is_body
from drone_ingest.simulate.clutter import KINDS, Place, clutter, outline
from drone_ingest.simulate.sensor import Disturbance
from wire.errors import InputError

__all__ = ["GROUND", "Site", "is_body", "site_of"]

GROUND = "ground"
_GLAZED = ("IfcWindow", "IfcCurtainWall", "IfcPlate", "IfcDoor")
_AROUND_M = 60.0  # of ground beyond what stands
_GREY = 0x8C8C8CFF
_COLORS = {
    GROUND: 0x7A6A55FF, "scaffolding": 0xB0B0B8FF, "formwork": 0xC9A24BFF, "vegetation": 0x3F7A3AFF,
    "people": 0xE86A10FF, "vehicles": 0xE0C020FF, "material": 0x9A7B5AFF,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """What stands. `labels[owner]` is a GlobalId, or the ground or a kind of clutter from `elements` on."""

    scene: RayScene
    labels: list[str]
    elements: int
    colors: NDArray[np.uint32]  # of each triangle of the scene
    glass: NDArray[np.bool_]  # of each triangle
    offsets_m: Floats  # (elements, 3): where each stands against where it was drawn
    place: Place
    middle: Floats  # about which an error of registration turns


def site_of(
    meshes: Sequence[ElementMesh], built: Collection[str], disturbance: Disturbance, rng: np.random.Generator
) -> Site:
    """The site with what is built; raises InputError when nothing of it has a body."""
    wanted = frozenset(built)
    bodies = [one for one in meshes if is_body(one)]
    standing = [one for one in bodies if one.global_id in wanted]
    if not standing:
        fix = "give GlobalIds of this model, or a later date"
        raise InputError("nothing with a body stands", field="built", fix=fix)
    offsets = np.clip(rng.normal(0, 1, (len(standing), 3)), -3, 3) * disturbance.tolerance_m
    solids = [Solid(one.vertices + offsets[at], one.triangles, at) for at, one in enumerate(standing)]
    colors = [one.triangle_colors for one in standing]
    glass = [_glass(one) for one in standing]
    corners = np.concatenate([one.vertices for one in solids])
    place = outline(corners, disturbance.ground_m)
    labels = [one.global_id for one in standing]
    unbuilt = [one for one in bodies if one.global_id not in wanted]
    extra = {GROUND: _ground(place)}
    if disturbance.clutter:
        extra |= clutter(place, unbuilt, disturbance.clutter, rng)
    for kind in (GROUND, *KINDS):
        if kind in extra:
            vertices, triangles = extra[kind]
            solids.append(Solid(vertices, triangles, len(labels)))
            labels.append(kind)
            colors.append(np.full(len(triangles), _COLORS.get(kind, _GREY), np.uint32))
            glass.append(np.zeros(len(triangles), bool))
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    return Site(
        RayScene(solids), labels, len(standing), np.concatenate(colors), np.concatenate(glass), offsets, place, middle
    )


def _glass(one: ElementMesh) -> NDArray[np.bool_]:
    """Triangles that one sees through."""
    clear: NDArray[np.bool_] = (one.triangle_colors & 0xFF) < 0xFF
    return clear if one.type.startswith(_GLAZED) else np.zeros(len(one.triangles), bool)


def _ground(place: Place) -> tuple[Floats, NDArray[np.int64]]:
    half = place.half + _AROUND_M
    rim = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * [*half, 1.0]
    rim[:, 2] = place.low - 0.01
    return place.world(rim), np.array([[0, 1, 2], [0, 2, 3]])
