"""The one named operation between a projected system and WGS 84.

PROJ offers several for old datums, up to metres apart, and falls back to a ballpark one that ignores the datum.
Here one is chosen for the place (its area holds the site, then the most exact, then the smallest area), its name and
accuracy are told, the spread of the others is told, and without one the answer is a refusal. Nothing is downloaded.
"""

import warnings
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bim.geo.proj import TURN, proj
from bim.geo.reference_system import Horizontal
from wire.errors import InputError

__all__ = ["Chosen", "Projection", "Transformation", "choose"]

Array = npt.NDArray[np.float64]

_SPREAD_M = 0.02  # candidates nearer than that are one for a building
_SAME_DEG = 1e-9  # a tenth of a millimetre
_METRES_PER_DEGREE = 111_320.0
_NEWTON_STEPS = 2  # the first leaves micrometres, the second nothing


class Transformation(msgspec.Struct, frozen=True):
    """The operation by name; accuracy as its register states it.

    WGS 84 itself is known to a metre or two. What a receiver shows that an RTK service corrects in Europe is ETRS89:
    `etrs89_accuracy_m` is how exact the same operation is to that, null where there is none.
    """

    name: str
    accuracy_m: float
    area: str = ""
    code: str = ""
    etrs89_accuracy_m: float | None = None


class Projection:
    """Eastings and northings in the unit of the system ↔ longitude and latitude. Any thread may call."""

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer

    def to_lonlat(self, east: Array, north: Array, height: Array | float = 0.0) -> tuple[Array, Array]:
        """Degrees; inf where the projection has no answer."""
        level = np.broadcast_to(np.asarray(height, dtype=np.float64), np.shape(east))
        with TURN:
            lon, lat, _ = self._transformer.transform(east, north, np.array(level))
        return np.asarray(lon), np.asarray(lat)

    def from_lonlat(self, lon: Array, lat: Array, height: Array | float = 0.0) -> tuple[Array, Array]:
        """The exact inverse of to_lonlat.

        PROJ inverts a Helmert transformation by its transpose, which at 8 seconds of rotation (S-JTSK) misses by
        5 mm; so its answer is stepped to where to_lonlat gives the place asked for.
        """
        level = np.array(np.broadcast_to(np.asarray(height, dtype=np.float64), np.shape(lon)))
        east, north = self._backwards(lon, lat, level)
        aim_lon, aim_lat = lon, lat
        for _ in range(_NEWTON_STEPS):
            got_lon, got_lat = self.to_lonlat(east, north, level)
            aim_lon, aim_lat = aim_lon + (lon - got_lon), aim_lat + (lat - got_lat)
            east, north = self._backwards(aim_lon, aim_lat, level)
        return east, north

    def _backwards(self, lon: Array, lat: Array, level: Array) -> tuple[Array, Array]:
        with TURN:
            east, north, _ = self._transformer.transform(lon, lat, level, direction="INVERSE")
        return np.asarray(east), np.asarray(north)


class Chosen(NamedTuple):
    """The projection, what it is, and what to know about it."""

    projection: Projection
    transformation: Transformation
    warnings: list[str]


def choose(system: Horizontal, at: tuple[float, float], named: str | None = None) -> Chosen:
    """The operation for a place (east, north in the system's unit), or the one `named`; InputError without one."""
    group = _group(system)
    usable = [one for one in group.transformers if one.accuracy >= 0 and "ballpark" not in one.description.lower()]
    if not usable:
        raise _refusal(system, group)
    found = {id(one): _position(one, at) for one in usable}
    lon, lat = next(iter(found.values()))
    if not np.isfinite(list(found.values())).all():
        problem = f"E {at[0]:g} N {at[1]:g} is no place in {system.code} {system.name}"
        raise InputError(problem, field="crs", fix="check the coordinates, or write the crs of the place in site.toml")
    inside = [one for one in usable if _holds(one.area_of_use, lon, lat)] or usable
    wanted = inside if named is None else _named(usable, named, system)
    best = min(wanted, key=lambda one: (one.accuracy, _square(one.area_of_use)))
    area = getattr(best.area_of_use, "name", "")
    chosen = Transformation(
        _name(best), float(best.accuracy), area, _register(best), _to_etrs89(system, at, found[id(best)])
    )
    told = [*_spread(inside, best, found, named), *_better(group, best, lon, lat)]
    return Chosen(Projection(best), chosen, told)


def _to_etrs89(system: Horizontal, at: tuple[float, float], place: tuple[float, float]) -> float | None:
    """Accuracy of what leads to ETRS89 and to the very same degrees."""
    group = _group(system, "EPSG:4258")
    same = [
        one.accuracy
        for one in group.transformers
        if one.accuracy >= 0
        and "ballpark" not in one.description.lower()
        and np.allclose(_position(one, at), place, rtol=0, atol=_SAME_DEG)
    ]
    return float(min(same)) if same else None


def _group(system: Horizontal, to: str = "EPSG:4326") -> Any:
    pyproj = proj()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing grid is told by _better
        return pyproj.transformer.TransformerGroup(system.crs, to, always_xy=True, allow_ballpark=False)


def _refusal(system: Horizontal, group: Any) -> InputError:
    grids = sorted({grid.short_name for one in group.unavailable_operations for grid in one.grids})
    needed = f"put {', '.join(grids[:3])} into PROJ's data folder, or " if grids else ""
    problem = f"only a ballpark transformation leads from {system.code} {system.name} to WGS 84"
    fix = f"{needed}measure control points and write [calibration] in site.toml with another crs"
    return InputError(problem, field="crs", fix=fix)


def _named(usable: list[Any], named: str, system: Horizontal) -> list[Any]:
    wanted = named.strip().casefold()
    found = [one for one in usable if wanted in (_name(one).casefold(), _register(one).casefold())]
    if not found:
        known = "; ".join(f"{_name(one)} ({one.accuracy:g} m)" for one in usable[:6])
        problem = f"{named[:80]!r} is no transformation from {system.code}"
        raise InputError(problem, field="georeference.transformation", fix=f"one of: {known}")
    return found


def _spread(inside: list[Any], best: Any, found: dict[int, tuple[float, float]], named: str | None) -> list[str]:
    """How far the other transformations of about the same accuracy would put the site."""
    lon, lat = found[id(best)]
    east_m = _METRES_PER_DEGREE * np.cos(np.radians(lat))
    rivals = [found[id(one)] for one in inside if one.accuracy <= 2 * best.accuracy]
    away = [float(np.hypot((x - lon) * east_m, (y - lat) * _METRES_PER_DEGREE)) for x, y in rivals]
    others = sorted(one for one in away if one > _SPREAD_M)
    if not others or named is not None:
        return []
    span = f"{others[0]:.2f}" if len(others) == 1 else f"{others[0]:.2f} to {others[-1]:.2f}"
    away_from = f"{len(others)} other transformations put the site {span} m away from that of {_name(best)!r}"
    return [f"{away_from}; name the one of your surveyor in [georeference] transformation"]


def _better(group: Any, best: Any, lon: float, lat: float) -> list[str]:
    """Whether a grid that is not here would make it more exact."""
    for one in group.unavailable_operations:
        if 0 <= one.accuracy < best.accuracy and _holds(one.area_of_use, lon, lat):
            grids = ", ".join(grid.short_name for grid in one.grids)
            return [
                f"a transformation exact to {one.accuracy:g} m exists; it needs the grid {grids}, which is not here"
            ]
    return []


def _position(transformer: Any, at: tuple[float, float]) -> tuple[float, float]:
    lon, lat = transformer.transform(*at)[:2]
    return float(lon), float(lat)


def _steps(transformer: Any) -> list[Any]:
    return [one for one in transformer.operations or () if "Conversion" not in one.type_name]


def _name(transformer: Any) -> str:
    return " + ".join(one.name for one in _steps(transformer)) or "no datum transformation needed"


def _register(transformer: Any) -> str:
    codes = [one.to_json_dict().get("id") for one in _steps(transformer)]
    return " + ".join(f"{one['authority']}:{one['code']}" for one in codes if one)


def _holds(area: Any, lon: float, lat: float) -> bool:
    if area is None:
        return True
    across = area.west <= lon <= area.east if area.west <= area.east else lon >= area.west or lon <= area.east
    return bool(across and area.south <= lat <= area.north)


def _square(area: Any) -> float:
    return 1e9 if area is None else float((area.east - area.west) % 360.0 * (area.north - area.south))
