"""Which linear map, which system and which heights a model gets, from all that speaks about its place.

Order: control points, then what the file states exactly (map conversion, rigid operation, ePset), then the site's
[origin], then latitude and longitude of the IfcSite. A model drawn in map coordinates is never moved.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np

from bim.extent import is_far
from bim.geo.calibration import Calibration
from bim.geo.grid import grid_at
from bim.geo.placing import IDENTITY, Affine, Array, at_place, of_operation, reference_point
from bim.geo.proj import proj
from bim.geo.reference_system import (
    Horizontal,
    VerticalDatum,
    crs_of,
    horizontal,
    utm_at,
    vertical_datum,
)
from bim.geo.settings import Origin
from bim.geo.site_area import check_area, in_area
from bim.geo.spot import Spot, find_spot
from bim.geo.transformation import choose
from bim.georeference import Georeference, ProjectedCrs
from wire.errors import InputError

__all__ = ["Place", "locate", "settled"]

_HOW = {
    "map_conversion": "IfcMapConversion", "map_conversion_scaled": "IfcMapConversionScaled",
    "rigid_operation": "IfcRigidOperation", "epset": "ePset_MapConversion",
}  # fmt: skip
_DRAWN = "coordinates of the model, which is drawn on the map"


class Place(NamedTuple):
    """The answer; `middle` is the model's middle on the map in metres (east, north, height)."""

    affine: Affine
    system: Horizontal | None
    how: str
    vertical: VerticalDatum
    middle: Array
    turned_by_north: bool
    warnings: list[str]


def settled(stated: Georeference) -> Georeference:
    """The statement without numbers that are none, where the rest can do without them."""
    north, extent = stated.true_north_deg, stated.extent_m
    return msgspec.structs.replace(
        stated,
        true_north_deg=north if north is not None and math.isfinite(north) else None,
        extent_m=extent if extent is not None and all(map(math.isfinite, extent)) else None,
    )


def locate(
    stated: Georeference,
    *,
    crs: str | None,
    origin: Origin | None,
    true_north_deg: float | None,
    calibration: Calibration | None,
) -> Place:
    """See the module; InputError names what is missing or impossible."""
    if calibration is not None:
        system = _system(None, crs)
        if system is None:
            problem = "control points are on a map, but the site does not say on which"
            raise InputError(problem, field="crs", fix='write crs = "EPSG:…" in site.toml')
        affine = Affine(np.array(calibration.linear), np.array(calibration.offset))
        return _on_map(stated, affine, system, calibration.how, _height_of(stated, system), [])
    if stated.eastings_m is not None:
        return _operated(stated, crs)
    far = stated.extent_m is not None and is_far(stated.extent_m)
    if far and stated.latitude_deg is None:
        return _drawn(stated, crs)
    spot, notes = find_spot(stated, origin)
    return _spotted(stated, spot, crs, true_north_deg, notes)


def _operated(stated: Georeference, crs: str | None) -> Place:
    """A file that states eastings and northings; one that is drawn on the map too is not moved."""
    system, notes = _system(stated.crs, crs), _other_crs(stated.crs, crs)
    if system is not None and (in_metres := _in_metres(stated, system)) is not None:
        stated = in_metres
        notes.append("the file gives eastings and northings in metres although its length unit is another one")
    affine, how = of_operation(stated), _HOW[stated.kind]
    middle = reference_point(stated)
    if stated.already_in_map_coordinates:
        moved = affine.apply(middle[None])[0]
        if system is None or in_area(system, *middle[:2]) or not in_area(system, *moved[:2]):
            said = f"it states an {how} too, which would move it twice and is not applied"
            return _on_map(stated, IDENTITY, system, _DRAWN, _height_of(stated, system), [*notes, said])
    if system is None:
        notes.append("the file names no coordinate reference system: its place on the map is known, on Earth it is not")
    return _on_map(stated, affine, system, how, _height_of(stated, system), notes)


def _in_metres(stated: Georeference, system: Horizontal) -> Georeference | None:
    """The statement with its numbers read as metres, when the file names no unit of the map and only metres fit."""
    if stated.map_unit_stated or stated.map_unit_m == 1.0 or stated.eastings_m is None or stated.northings_m is None:
        return None
    east, north = stated.eastings_m / stated.map_unit_m, stated.northings_m / stated.map_unit_m
    if in_area(system, stated.eastings_m, stated.northings_m) or not in_area(system, east, north):
        return None
    height = None if stated.height_m is None else stated.height_m / stated.map_unit_m
    return msgspec.structs.replace(stated, eastings_m=east, northings_m=north, height_m=height, map_unit_m=1.0)


def _drawn(stated: Georeference, crs: str | None) -> Place:
    system = _system(stated.crs, crs)
    if system is None:
        problem = "the model is drawn in the coordinates of a map that it does not name"
        raise InputError(problem, field="crs", fix='write crs = "EPSG:…" of that map in site.toml')
    return _on_map(stated, IDENTITY, system, _DRAWN, _height_of(stated, system), [])


def _spotted(
    stated: Georeference, spot: Spot, crs: str | None, true_north_deg: float | None, notes: list[str]
) -> Place:
    """Put on the map by latitude, longitude and true north, in true size."""
    named = stated.crs if spot.how == _HOW["rigid_operation"] else None
    system = _projected(named, crs) or utm_at(spot.latitude_deg, spot.longitude_deg)
    lon, lat = np.array([spot.longitude_deg]), np.array([spot.latitude_deg])
    projection = choose(system, _about(system, spot.longitude_deg, spot.latitude_deg)).projection
    east, north = (float(one[0]) for one in projection.from_lonlat(lon, lat, spot.height_m))
    if not (math.isfinite(east) and math.isfinite(north)):
        problem = f"{spot.latitude_deg:.4f}° {spot.longitude_deg:.4f}° lies outside {system.code} {system.name}"
        raise InputError(problem, field="crs", fix="check the place, or write the crs of that place in site.toml")
    turn = true_north_deg if true_north_deg is not None else stated.true_north_deg
    if turn is None:
        notes.append("the model does not say where north is; its y axis is taken for true north")
    grid = grid_at(projection, east, north, system.unit_m)
    place = np.array([east * system.unit_m, north * system.unit_m, spot.height_m])
    rotation = math.radians((turn or 0.0) + grid.convergence_deg)
    affine = at_place(place, spot.model, rotation_rad=rotation, scale=grid.scale_at(spot.height_m))
    found = _on_map(stated, affine, system, spot.how, spot.vertical, notes)
    return found._replace(turned_by_north=True)


def _on_map(
    stated: Georeference,
    affine: Affine,
    system: Horizontal | None,
    how: str,
    vertical: VerticalDatum,
    notes: list[str],
) -> Place:
    middle = affine.apply(reference_point(stated)[None])[0]
    if system is not None:
        check_area(system, middle, stated.map_unit_m)
    return Place(affine, system, how, vertical, middle, False, notes)


def _system(named: ProjectedCrs | None, crs: str | None) -> Horizontal | None:
    """The file's system, the site's where the file names none."""
    if named is not None and any((named.name.strip(), named.description.strip(), named.map_zone.strip())):
        try:
            return crs_of(named)
        except InputError:
            if crs is None:
                raise
    return horizontal(crs) if crs else None


def _projected(named: ProjectedCrs | None, crs: str | None) -> Horizontal | None:
    """As _system; a geographic system of the file is no map."""
    try:
        return _system(named, crs)
    except InputError:
        return None


def _other_crs(named: ProjectedCrs | None, crs: str | None) -> list[str]:
    system, own = _projected(named, None), horizontal(crs) if crs else None
    if system is None or own is None or system.code == own.code:
        return []
    return [f"the model is in {system.code} {system.name}, the site says {own.code} {own.name}; the model's is used"]


def _height_of(stated: Georeference, system: Horizontal | None) -> VerticalDatum:
    named = stated.crs.vertical_datum if stated.crs is not None else ""
    return vertical_datum(named or (system.vertical if system is not None else ""))


def _about(system: Horizontal, lon: float, lat: float) -> tuple[float, float]:
    """East and north within a few hundred metres, good enough to choose a transformation by."""
    step = proj().Transformer.from_crs(system.crs.geodetic_crs, system.crs, always_xy=True)
    east, north = step.transform(lon, lat)
    return float(east), float(north)
