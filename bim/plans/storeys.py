"""The storeys of a model: where their floors lie, where they are cut, and which elements stand on them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bim.plans.classes import look_of

__all__ = ["Floor", "MeshRow", "Meshed", "Site", "find_floors", "find_sites"]

_CUT_M = 1.2  # above the floor: through doors and most windows, above most furniture
_LOW_SHARE = 0.6  # of a storey lower than that cut asks for: cut there
_SETTLES_M = 0.6  # a stated elevation farther from where its rooms and doors stand is not believed
_SAYS_FLOOR = ("IfcSpace", "IfcDoor", "IfcDoorStandardCase", "IfcWall", "IfcWallStandardCase", "IfcColumn")
_LANDING_M = 0.5  # a stair whose top is that near the floor arrives there
_LOWEST = 0.02  # share of the parts that may hang lower than a floor
_DEPTH_MAX = 32
_NOTHING = np.array([np.nan])


class MeshRow(Protocol):
    """What a plan needs of an element's mesh; see bim/tiles/meshes.py."""

    @property
    def global_id(self) -> str: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def storey(self) -> str | None: ...  # noqa: D102
    @property
    def vertices(self) -> npt.NDArray[np.float64]: ...  # noqa: D102
    @property
    def triangles(self) -> npt.NDArray[np.int32]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Meshed:
    """What storeys need of all meshes, looked at once; heights are NaN where a mesh has none."""

    ids: list[str]
    types: list[str]
    storeys: list[str | None]
    low_m: npt.NDArray[np.float64]
    high_m: npt.NDArray[np.float64]

    @classmethod
    def of(cls, meshes: Sequence[MeshRow]) -> Self:
        """One pass over the meshes."""
        rows = []
        for mesh in meshes:
            z = mesh.vertices[:, 2] if len(mesh.vertices) else _NOTHING
            rows.append((mesh.global_id, mesh.type, mesh.storey, z.min(), z.max()))
        ids, types, storeys, low, high = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        return cls(list(ids), list(types), list(storeys), np.array(low, np.float64), np.array(high, np.float64))


@dataclass(slots=True)
class Floor:
    """One storey. `rows` are the meshes that stand on it, `passing` others of its building: what the
    cut goes through, and the stairs that arrive."""

    storey: str
    name: str
    house: str | None  # its building, or the site where there is none
    floor_m: float
    cut_m: float
    top_m: float  # floor of the storey above, inf for the highest
    rows: list[int] = field(default_factory=list)
    passing: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Site:
    """A site with what stands in the open on it: the meshes of no building and no storey."""

    site: str
    name: str
    rows: list[int]
    houses: set[str]


def find_sites(meshes: Meshed, elements: pa.Table) -> list[Site]:
    """The sites of a model."""
    rows = {row["id"]: row for row in elements.select(["id", "type", "name", "parent", "storey"]).to_pylist()}
    found = {row["id"]: Site(row["id"], row["name"], [], set()) for row in rows.values() if row["type"] == "IfcSite"}
    for row in rows.values():
        if row["type"] == "IfcBuilding" and (site := _house(row["parent"] or "", rows, ("IfcSite",))) in found:
            found[str(site)].houses.add(row["id"])
    for at, (storey, global_id) in enumerate(zip(meshes.storeys, meshes.ids, strict=True)):
        if storey is None and (site := _house(global_id, rows)) in found:
            found[str(site)].rows.append(at)
    return list(found.values())


def find_floors(meshes: Meshed, elements: pa.Table) -> list[Floor]:
    """Floors of all storeys, lowest first."""
    low_m, high_m = meshes.low_m, meshes.high_m
    names = ["id", "type", "name", "parent", "storey", "elevation_m", "z_m"]
    rows = {row["id"]: row for row in elements.select(names).to_pylist()}
    storeys = {row["id"]: row for row in rows.values() if row["type"] == "IfcBuildingStorey"}
    looks = [look_of(kind) for kind in meshes.types]
    standing: dict[str, list[int]] = defaultdict(list)
    for at, own_storey in enumerate(meshes.storeys):
        if own_storey in storeys:
            standing[str(own_storey)].append(at)
    level = {}
    for storey, row in storeys.items():
        solid = [at for at in standing[storey] if looks[at] is not None and np.isfinite(low_m[at])]
        sure = [at for at in solid if meshes.types[at] in _SAYS_FLOOR]
        level[storey] = _level(row, low_m[sure], low_m[solid])
    houses = {storey: _house(storey, rows) for storey in storeys}
    owners = [
        houses.get(str(own_storey)) or _house(global_id, rows)
        for own_storey, global_id in zip(meshes.storeys, meshes.ids, strict=True)
    ]
    stair = np.array([look is not None and look.way == "tread" for look in looks], bool)
    floors = []
    for storey, row in storeys.items():
        floor = level[storey]
        if floor is None:
            continue
        above = [one for other, one in level.items() if one is not None and houses[other] == houses[storey]]
        top = min((one for one in above if one > floor + 0.3), default=np.inf)
        cut = floor + min(_CUT_M, _LOW_SHARE * (top - floor))
        arriving = stair & (np.abs(high_m - floor) < _LANDING_M)
        through = np.flatnonzero(((low_m < cut) & (high_m > cut)) | arriving).tolist()
        own = set(standing[storey])
        passing = [at for at in through if at not in own and owners[at] == houses[storey]]
        floors.append(
            Floor(storey, row["name"], houses[storey], floor, float(cut), float(top), standing[storey], passing)
        )
    return sorted(floors, key=lambda one: (one.floor_m, one.storey))


def _level(row: dict[str, Any], standing: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float | None:
    """Stated, unless rooms, doors and walls stand somewhere else; None for a storey of which nothing is known.

    Of a trade's model that states nothing it is where the lowest of its parts stand.
    """
    stated = row["z_m"] if row["z_m"] is not None else row["elevation_m"]
    if not len(standing):
        lowest = float(np.quantile(others, _LOWEST)) if len(others) else None
        return lowest if stated is None else float(stated)
    seen = float(np.median(standing))
    return seen if stated is None or abs(float(stated) - seen) > _SETTLES_M else float(stated)


def _house(
    element: str, rows: dict[str, dict[str, Any]], kinds: tuple[str, ...] = ("IfcBuilding", "IfcSite")
) -> str | None:
    """The building that holds an element, or the site where there is none."""
    here: str | None = element
    for _ in range(_DEPTH_MAX):
        row = rows.get(here or "")
        if row is None:
            return None
        if row["type"] in kinds:
            return str(row["id"])
        here = row["parent"] or row["storey"]
    return None
