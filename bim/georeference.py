"""Where a model says it lies on Earth: what the file states, in metres and degrees, nothing applied yet.

Variants: IfcMapConversion and IfcMapConversionScaled, IfcRigidOperation, ePset_MapConversion with
ePset_ProjectedCRS (IFC2X3), and latitude, longitude and elevation of the IfcSite.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from bim.damage import READ_ERRORS, text
from bim.placement import Placements
from bim.project_units import Units, unit_of
from bim.properties import Property, PropertySets

__all__ = ["Georeference", "ProjectedCrs", "SiteOrigin", "read_georeference"]

_T = TypeVar("_T")
_IN_MAP_COORDINATES_M = 100_000.0  # no building grid is that far from its origin, every national grid is


class ProjectedCrs(msgspec.Struct, frozen=True, kw_only=True):
    """The coordinate system of the map, as the file names it."""

    name: str = ""
    description: str = ""
    geodetic_datum: str = ""
    vertical_datum: str = ""
    map_projection: str = ""
    map_zone: str = ""


class SiteOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """The IfcSite: WGS 84 position of its origin as far as it is given, and its place in the model."""

    id: str
    name: str = ""
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    elevation_m: float | None = None
    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0


class Georeference(msgspec.Struct, frozen=True, kw_only=True):
    """What the file states. kind: map_conversion, map_conversion_scaled, rigid_operation, epset, site, none."""

    kind: str = "none"
    eastings_m: float | None = None
    northings_m: float | None = None
    height_m: float | None = None
    x_axis_abscissa: float | None = None
    x_axis_ordinate: float | None = None
    scale: float = 1.0  # of a metre of the model to a metre of the map
    factor_x: float = 1.0
    factor_y: float = 1.0
    factor_z: float = 1.0
    crs: ProjectedCrs | None = None
    site: SiteOrigin | None = None
    true_north_deg: float | None = None  # of the model's y axis to true north, clockwise
    already_in_map_coordinates: bool = False


def read_georeference(model: Any, units: Units, sets: PropertySets, placements: Placements) -> Georeference:
    """The most exact statement of an open file; the site's position is always kept beside it."""
    site = _first(_site, model.by_type("IfcSite"), units, placements)
    stated = _operation(model, units) or _epset(model, units, sets)
    if stated is None:
        placed = site is not None and site.latitude_deg is not None and site.longitude_deg is not None
        stated = Georeference(kind="site" if placed else "none")
    far = site is not None and math.hypot(site.x_m, site.y_m) > _IN_MAP_COORDINATES_M
    moved = stated.eastings_m is not None and math.hypot(stated.eastings_m, stated.northings_m or 0.0) > 0
    twice = far and (moved or stated.crs is None)
    contexts = model.by_type("IfcGeometricRepresentationContext", include_subtypes=False)
    north = _first(_true_north, contexts)
    return msgspec.structs.replace(stated, site=site, true_north_deg=north, already_in_map_coordinates=twice)


def _operation(model: Any, units: Units) -> Georeference | None:
    try:
        operations = model.by_type("IfcCoordinateOperation")
    except RuntimeError:  # IFC2X3 has none
        return None
    return _first(_read_operation, operations, units)


def _read_operation(operation: Any, units: Units) -> Georeference | None:
    if operation.is_a("IfcMapConversion"):
        return _map_conversion(operation, units)
    return _rigid(operation, units) if operation.is_a("IfcRigidOperation") else None


def _map_conversion(operation: Any, units: Units) -> Georeference:
    """Eastings, northings and height are in the unit of the map, the scale turns the model's unit into it."""
    map_m = _map_unit_m(operation.TargetCRS, units)
    scaled = operation.is_a("IfcMapConversionScaled")
    scale = operation.Scale if operation.Scale is not None else units.length_m / map_m
    return Georeference(
        kind="map_conversion_scaled" if scaled else "map_conversion",
        eastings_m=operation.Eastings * map_m,
        northings_m=operation.Northings * map_m,
        height_m=operation.OrthogonalHeight * map_m,
        x_axis_abscissa=operation.XAxisAbscissa,
        x_axis_ordinate=operation.XAxisOrdinate,
        scale=scale * map_m / units.length_m,
        factor_x=operation.FactorX if scaled else 1.0,
        factor_y=operation.FactorY if scaled else 1.0,
        factor_z=operation.FactorZ if scaled else 1.0,
        crs=_crs(operation.TargetCRS),
    )


def _rigid(operation: Any, units: Units) -> Georeference:
    map_m = _map_unit_m(operation.TargetCRS, units)
    first, second = operation.FirstCoordinate.wrappedValue, operation.SecondCoordinate.wrappedValue
    angular = operation.FirstCoordinate.is_a("IfcPlaneAngleMeasure")
    return Georeference(
        kind="rigid_operation",
        eastings_m=None if angular else first * map_m,
        northings_m=None if angular else second * map_m,
        height_m=(operation.Height or 0.0) * map_m,
        crs=_crs(operation.TargetCRS),
    )


def _map_unit_m(crs: Any, units: Units) -> float:
    unit = unit_of(crs.MapUnit) if crs is not None and getattr(crs, "MapUnit", None) is not None else None
    return units.length_m if unit is None else unit.factor


def _crs(entity: Any) -> ProjectedCrs | None:
    if entity is None:
        return None
    return ProjectedCrs(
        name=text(entity.Name),
        description=text(entity.Description),
        geodetic_datum=text(entity.GeodeticDatum),
        vertical_datum=text(getattr(entity, "VerticalDatum", None)),
        map_projection=text(getattr(entity, "MapProjection", None)),
        map_zone=text(getattr(entity, "MapZone", None)),
    )


def _epset(model: Any, units: Units, sets: PropertySets) -> Georeference | None:
    """ePset_MapConversion of the site or the project, the agreed form in IFC2X3."""
    for owner in (*model.by_type("IfcSite"), *model.by_type("IfcProject")):
        rows = [row for part in sets.of.get(owner.id(), ()) for row in part]
        values = _set_values(rows, "ePset_MapConversion")
        eastings, northings = _plain_number(values, "Eastings"), _plain_number(values, "Northings")
        if eastings is None or northings is None:
            continue
        named = _set_values(rows, "ePset_ProjectedCRS")
        metre = _plain_number(values, "Scale") or 1.0
        return Georeference(
            kind="epset",
            eastings_m=eastings,
            northings_m=northings,
            height_m=_plain_number(values, "OrthogonalHeight"),
            x_axis_abscissa=_plain_number(values, "XAxisAbscissa"),
            x_axis_ordinate=_plain_number(values, "XAxisOrdinate"),
            scale=metre / units.length_m if metre != 1.0 else 1.0,
            crs=ProjectedCrs(
                **{field: named[name].value for field, name in _CRS_PROPERTIES.items() if name in named},
            ),
        )
    return None


_CRS_PROPERTIES = {
    "name": "Name", "description": "Description", "geodetic_datum": "GeodeticDatum", "vertical_datum": "VerticalDatum",
    "map_projection": "MapProjection", "map_zone": "MapZone",
}  # fmt: skip


def _set_values(rows: Iterable[Property], pset: str) -> dict[str, Property]:
    return {row.name: row for row in rows if row.pset.lower() == pset.lower()}


def _plain_number(values: dict[str, Property], name: str) -> float | None:
    """The number as written: the agreement gives these values in metres whatever the project's unit."""
    row = values.get(name)
    try:
        number = math.nan if row is None else float(row.value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _first(read: Callable[..., _T | None], instances: Iterable[Any], *more: Any) -> _T | None:
    """What the first instance says that says something; damaged ones are passed over."""
    for one in instances:
        try:
            found = read(one, *more)
        except READ_ERRORS:
            continue
        if found is not None:
            return found
    return None


def _site(site: Any, units: Units, placements: Placements) -> SiteOrigin:
    placed = None if site.ObjectPlacement is None else placements.of(site.ObjectPlacement)
    x, y, z = (0.0, 0.0, 0.0) if placed is None else (float(number) for number in placed[:3, 3])
    elevation = site.RefElevation
    return SiteOrigin(
        id=text(site.GlobalId),
        name=text(site.Name),
        latitude_deg=_degrees(site.RefLatitude, 90.0),
        longitude_deg=_degrees(site.RefLongitude, 180.0),
        elevation_m=None if elevation is None else float(elevation) * units.length_m,
        x_m=x,
        y_m=y,
        z_m=z,
    )


def _degrees(parts: Any, bound: float) -> float | None:
    """IfcCompoundPlaneAngleMeasure: degrees, minutes, seconds and millionths, all of one sign."""
    if not parts or len(parts) < 3:
        return None
    millionths = parts[3] if len(parts) > 3 else 0
    degrees = parts[0] + parts[1] / 60 + (parts[2] + millionths / 1e6) / 3600
    return float(degrees) if abs(degrees) <= bound else None


def _true_north(context: Any) -> float | None:
    if context.TrueNorth is None or context.ContextType == "Plan":
        return None
    x, y = context.TrueNorth.DirectionRatios[:2]
    return math.degrees(math.atan2(x, y)) if x or y else None
