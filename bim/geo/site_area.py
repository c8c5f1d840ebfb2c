"""Whether a place lies where its reference system is meant for, and what slip would explain that it does not."""

from collections.abc import Iterator

import numpy as np

from bim.geo.placing import Array
from bim.geo.proj import proj
from bim.geo.reference_system import Horizontal
from wire.errors import InputError

__all__ = ["check_area", "in_area"]

_MARGIN_DEG = 2.0  # a site on a border may use its neighbour's grid
_KROVAK = "S-JTSK eastings and northings are negative: −Y first, −X second"


def in_area(system: Horizontal, east_m: float, north_m: float) -> bool:
    """Whether a place (metres) lies in the system's area of use, with a margin."""
    area = system.crs.area_of_use
    if area is None:
        return True
    geographic = system.crs.geodetic_crs
    step = proj().Transformer.from_crs(system.crs, geographic, always_xy=True)  # its own datum: no transformation
    lon, lat = step.transform(east_m / system.unit_m, north_m / system.unit_m)
    if not (np.isfinite(lon) and np.isfinite(lat)):
        return False
    back = step.transform(lon, lat, direction="INVERSE")
    if not (np.isfinite(back).all() and np.allclose(back, (east_m / system.unit_m, north_m / system.unit_m), atol=1.0)):
        return False  # beyond where the projection can be undone
    width = (area.east - area.west) % 360.0 or 360.0
    across = (lon - area.west + _MARGIN_DEG) % 360.0 <= width + 2 * _MARGIN_DEG
    return bool(across and area.south - _MARGIN_DEG <= lat <= area.north + _MARGIN_DEG)


def check_area(system: Horizontal, place: Array, length_m: float) -> None:
    """InputError for a place (east, north, height in metres) outside the area, with the slip that explains it."""
    east, north = float(place[0]), float(place[1])
    if in_area(system, east, north):
        return
    problem = f"E {east:.3f} N {north:.3f} m lies outside the area of {system.code} {system.name}"
    for (x, y), fix in _slips(east, north, length_m):
        if in_area(system, x, y):
            hint = f" ({_KROVAK})" if "Krovak" in system.name else ""
            raise InputError(problem, field="georeference", fix=f"{fix}{hint}")
    fix = "check eastings, northings and the code of the system, or write [calibration] in site.toml"
    raise InputError(problem, field="georeference", fix=fix)


def _slips(east: float, north: float, length_m: float) -> Iterator[tuple[tuple[float, float], str]]:
    yield (-east, -north), "write eastings and northings with the other sign"
    yield (north, east), "exchange eastings and northings"
    yield (-north, -east), "exchange eastings and northings and change their signs"
    if length_m != 1.0:
        yield (
            (east / length_m, north / length_m),
            "name the metre as MapUnit: they are not in the project's length unit",
        )
    yield (east / 1000.0, north / 1000.0), "name the millimetre as MapUnit"
