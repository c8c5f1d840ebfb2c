"""What stands on a site and is in no plan: scaffolding, formwork, vegetation, people, vehicles, material.

Each is boxes or leaves (triangles) in model metres. Formwork stands where a wall is not yet: its outer face is a
panel's thickness in front of the planned one, the trap that a judge of scans must not fall into.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bim.tiles.meshes import ElementMesh
from drone_ingest.ray_scene import Floats

__all__ = ["KINDS", "Place", "boxes", "clutter", "outline"]

_BAY_M, _LIFT_M = 2.5, 2.0  # of a scaffold
_TUBE_M, _DECK_M = 0.05, 0.6
_PANEL_M = 0.12
_FORMED = ("IfcWall", "IfcColumn", "IfcBeam")
_FORMED_MAX = 40
_LEAVES = 400
_LEAF_M = 0.25
_ANGLES = np.radians(np.arange(0, 90, 1.0))

Body = tuple[Floats, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Place:
    """The smallest upright box around what stands: middle of its floor, half sizes along its axes, yaw, heights."""

    middle: Floats  # x, y
    half: Floats  # along its own x, y
    yaw: float
    low: float
    high: float

    def world(self, along: Floats) -> Floats:
        """Points (n, 3) given along its axes, from its middle, with their heights as they are."""
        turned = along.copy()
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turned[:, 0] = self.middle[0] + along[:, 0] * cos - along[:, 1] * sin
        turned[:, 1] = self.middle[1] + along[:, 0] * sin + along[:, 1] * cos
        return turned


def outline(corners: Floats, ground: float | None = None) -> Place:
    """Of points (n, 3): the upright box of smallest floor among ninety turns."""
    low, high = float(corners[:, 2].min()), float(corners[:, 2].max())
    best: tuple[float, float, Floats, Floats] | None = None
    for yaw in _ANGLES:
        axes = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        along = corners[:, :2] @ axes.T
        least, most = along.min(axis=0), along.max(axis=0)
        area = float(np.prod(most - least))
        if best is None or area < best[0]:
            best = (area, float(yaw), (least + most) / 2 @ axes, (most - least) / 2)
    assert best is not None
    return Place(best[2], best[3], best[1], low if ground is None else ground, high)


def clutter(place: Place, unbuilt: Sequence[ElementMesh], amount: float, rng: np.random.Generator) -> dict[str, Body]:
    """Bodies by kind; `amount` 0 to 1 scales how many there are."""
    makers: dict[str, Callable[[], Body]] = {
        "scaffolding": lambda: _scaffolding(place, amount, rng),
        "formwork": lambda: _formwork(unbuilt, amount, rng),
        "vegetation": lambda: _vegetation(place, amount, rng),
        "people": lambda: _standing(place, amount, rng, 24, (0.45, 0.3, 1.75), 0.15, 0.0, 8.0),
        "vehicles": lambda: _standing(place, amount, rng, 6, (5.5, 2.2, 2.6), 0.3, 4.0, 14.0),
        "material": lambda: _standing(place, amount, rng, 20, (2.4, 1.1, 0.9), 0.5, 1.0, 10.0),
    }
    return {kind: make() for kind, make in makers.items()}


KINDS = ("scaffolding", "formwork", "vegetation", "people", "vehicles", "material")


def _scaffolding(place: Place, amount: float, rng: np.random.Generator) -> Body:
    """Standards, ledgers and decks along some sides, a step away from the façade."""
    sides = rng.permutation(4)[: max(1, round(2 * amount))]
    parts: list[Floats] = []  # middle x, y, z; size x, y, z, along the place's axes
    for side in sides:
        length = 2 * place.half[side % 2]
        away = place.half[1 - side % 2]
        stands = np.arange(-length / 2, length / 2 + _BAY_M, _BAY_M)
        lifts = np.arange(place.low + _LIFT_M, place.high + 1.0, _LIFT_M)
        tall, middle = place.high - place.low + 1.0, (place.high + 1.0 + place.low) / 2
        for row in (0.35, 0.35 + _DECK_M + 0.1):
            parts.append(_rows(side, stands, away + row, middle, (_TUBE_M, _TUBE_M, tall)))
            parts.append(_rows(side, np.zeros(len(lifts)), away + row, lifts, (length, _TUBE_M, _TUBE_M)))
        decks = lifts[rng.random(len(lifts)) < 0.8]
        parts.append(_rows(side, np.zeros(len(decks)), away + 0.35 + _DECK_M / 2, decks, (length, _DECK_M, 0.05)))
    rows = np.concatenate(parts)
    return boxes(place.world(rows[:, :3]), rows[:, 3:], np.full(len(rows), place.yaw))


def _rows(side: int, along: Floats, away: float, height: Floats | float, size: tuple[float, float, float]) -> Floats:
    """Boxes beside one side of the place: sides 0 and 2 run along x, 1 and 3 along y."""
    out = away if side < 2 else -away
    rows = np.empty((len(along), 6))
    rows[:, side % 2], rows[:, 1 - side % 2], rows[:, 2] = along, out, height
    rows[:, 3 + side % 2], rows[:, 4 - side % 2], rows[:, 5] = size
    return rows


def _formwork(unbuilt: Sequence[ElementMesh], amount: float, rng: np.random.Generator) -> Body:
    """Panels on both long sides of some elements that do not stand yet."""
    formed = [one for one in unbuilt if one.type.startswith(_FORMED) and len(one.vertices) >= 4]
    chosen = rng.permutation(len(formed))[: round(min(_FORMED_MAX, 0.3 * len(formed)) * amount)]
    middles, sizes, yaws = [], [], []
    for place in (outline(formed[at].vertices) for at in chosen):
        thin = int(np.argmin(place.half))
        for sign in (-1.0, 1.0):
            at = np.zeros((1, 3))
            at[0, thin] = sign * (place.half[thin] + _PANEL_M / 2)
            at[0, 2] = (place.low + place.high) / 2
            size = np.array([*(2 * place.half), place.high - place.low])
            size[thin] = _PANEL_M
            middles.append(place.world(at)[0])
            sizes.append(size)
            yaws.append(place.yaw)
    return boxes(np.array(middles).reshape(-1, 3), np.array(sizes).reshape(-1, 3), np.array(yaws))


def _vegetation(place: Place, amount: float, rng: np.random.Generator) -> Body:
    """Trees around the site: a trunk and a crown of leaves."""
    count = round(10 * amount)
    foot = _around(place, count, rng, 4.0, 15.0)
    tall = rng.uniform(4, 11, count)
    crown = np.repeat(foot + np.stack([0 * tall, 0 * tall, 0.65 * tall], axis=1), _LEAVES, axis=0)
    ball = rng.normal(size=(count * _LEAVES, 3))
    ball *= (rng.random(len(ball)) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    leaf = crown + ball * np.repeat(tall, _LEAVES)[:, None] * [0.22, 0.22, 0.35]
    corners = leaf[:, None, :] + rng.normal(size=(len(leaf), 3, 3)) * _LEAF_M
    trunks = boxes(
        foot + np.stack([0 * tall, 0 * tall, 0.2 * tall], axis=1),
        np.stack([0.3 + 0 * tall, 0.3 + 0 * tall, 0.4 * tall], axis=1),
        np.zeros(count),
    )
    leaves = corners.reshape(-1, 3)
    faces = np.arange(len(leaves)).reshape(-1, 3) + len(trunks[0])
    return np.concatenate([trunks[0], leaves]), np.concatenate([trunks[1], faces])


def _standing(
    place: Place,
    amount: float,
    rng: np.random.Generator,
    count: int,
    size: tuple[float, float, float],
    spread: float,
    near: float,
    far: float,
) -> Body:
    """Boxes that stand on the ground around the place, each a little different, turned any way."""
    count = round(count * amount)
    sizes = np.array(size) * rng.uniform(1 - spread, 1 + spread, (count, 3))
    middles = _around(place, count, rng, near + max(size[:2]) / 2, far)
    middles[:, 2] += sizes[:, 2] / 2
    return boxes(middles, sizes, rng.uniform(0, np.pi, count))


def _around(place: Place, count: int, rng: np.random.Generator, near: float, far: float) -> Floats:
    """Feet on the ground, between `near` and `far` metres outside the place."""
    turn = rng.uniform(0, 2 * np.pi, count)
    unit = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    edge = np.min(place.half / np.maximum(np.abs(unit), 1e-9), axis=1)  # to the rim of the box
    along = unit * (edge + rng.uniform(near, far, count))[:, None]
    return place.world(np.column_stack([along, np.full(count, place.low)]))


_CORNERS = np.array([[x, y, z] for z in (-0.5, 0.5) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))])
_FACES = np.array(
    [
        [0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4],
        [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7],
    ]
)  # fmt: skip


def boxes(middles: Floats, sizes: Floats, yaws: Floats) -> Body:
    """Upright boxes (n) as one body, faces outward."""
    along = _CORNERS[None] * sizes[:, None, :]
    cos, sin = np.cos(yaws)[:, None], np.sin(yaws)[:, None]
    turned = along.copy()
    turned[..., 0] = along[..., 0] * cos - along[..., 1] * sin
    turned[..., 1] = along[..., 0] * sin + along[..., 1] * cos
    faces = _FACES[None] + 8 * np.arange(len(middles))[:, None, None]
    return (turned + middles[:, None, :]).reshape(-1, 3), faces.reshape(-1, 3)
