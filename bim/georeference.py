"""Where a model says it lies on Earth: what the file states, in metres and degrees, nothing applied yet.

Variants: IfcMapConversion and IfcMapConversionScaled, IfcRigidOperation, ePset_MapConversion with
ePset_ProjectedCRS (IFC2X3), and latitude, longitude and elevation of the IfcSite. What to make of them, see
bim/geo/frame.py.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
import numpy as np

from bim.damage import READ_ERRORS, text
from bim.extent import is_far, placed_extent
from bim.placement import Placements, axis_matrix
from bim.project_units import Units, unit_of
from bim.properties import Property, PropertySets

__all__ = ["Georeference", "ProjectedCrs", "SiteOrigin", "read_georeference"]

_T = TypeVar("_T")
_GRID_SCALE = 0.05  # national grids scale by less than 0.1 %, Web Mercator is none
_NOWHERE_ELSE = np.eye(4)
_NAMED_UNITS_M = {
    "METRE": 1.0, "MILLIMETRE": 1e-3, "CENTIMETRE": 1e-2, "FOOT": 0.3048, "INTERNATIONAL FOOT": 0.3048,
    "US SURVEY FOOT": 1200 / 3937,
}  # fmt: skip


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
    latitude_deg: float | None = None  # of a rigid operation in degrees
    longitude_deg: float | None = None
    eastings_m: float | None = None
    northings_m: float | None = None
    height_m: float | None = None
    x_axis_abscissa: float | None = None
    x_axis_ordinate: float | None = None
    scale: float = 1.0  # of a metre of the model to a metre of the map
    factor_x: float = 1.0
    factor_y: float = 1.0
    factor_z: float = 1.0
    map_unit_m: float = 1.0  # what eastings and northings of the file were multiplied by
    map_unit_stated: bool = False
    crs: ProjectedCrs | None = None
    site: SiteOrigin | None = None
    true_north_deg: float | None = None  # of the model's y axis to true north, clockwise
    reference_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # point of the model that the operation starts from
    reference_deg: float = 0.0  # its axes against those of the model, counter-clockwise
    extent_m: tuple[float, float, float, float, float, float] | None = None  # lowest and highest x, y, z placed
    already_in_map_coordinates: bool = False
    notes: tuple[str, ...] = ()  # what in the statement itself looks wrong, and how it is taken


def read_georeference(model: Any, units: Units, sets: PropertySets, placements: Placements) -> Georeference:
    """The most exact statement of an open file; the site's position is always kept beside it."""
    site = _first(_site, model.by_type("IfcSite"), units, placements)
    stated = _operation(model, units) or _epset(model, units, sets)
    if stated is None:
        placed = site is not None and site.latitude_deg is not None and site.longitude_deg is not None
        stated = Georeference(kind="site" if placed else "none")
    extent = placed_extent(model, units.length_m, placements)
    far = extent is not None and is_far(extent)
    moved = stated.eastings_m is not None and math.hypot(stated.eastings_m, stated.northings_m or 0.0) > 0
    contexts = sorted(
        model.by_type("IfcGeometricRepresentationContext", include_subtypes=False), key=lambda one: not _is_model(one)
    )
    reference = _first(_reference, contexts, units)
    return msgspec.structs.replace(
        stated,
        site=site,
        true_north_deg=_first(_true_north, contexts),
        extent_m=extent,
        already_in_map_coordinates=far and (moved or stated.crs is None),
        **({} if reference is None or stated.kind in ("site", "none") else reference),
    )


def _is_model(context: Any) -> bool:
    try:
        return bool(context.ContextType == "Model")
    except READ_ERRORS:
        return False


def _reference(context: Any, units: Units) -> dict[str, Any] | None:
    """The context's WorldCoordinateSystem: the point and the axes that the operation starts from."""
    axes = axis_matrix(context.WorldCoordinateSystem, units.length_m)
    if axes is None or not _is_model(context) or bool((axes == _NOWHERE_ELSE).all()):
        return None
    x, y, z = (float(number) for number in axes[:3, 3])
    return {"reference_m": (x, y, z), "reference_deg": math.degrees(math.atan2(axes[1, 0], axes[0, 0]))}


def _operation(model: Any, units: Units) -> Georeference | None:
    try:
        operations = model.by_type("IfcCoordinateOperation")
    except RuntimeError:  # IFC2X3 has none
        return None
    found = _first(_read_operation, operations, units)
    if found is not None and len(operations) > 1:
        note = f"the file holds {len(operations)} coordinate operations; the first that can be read is taken"
        found = msgspec.structs.replace(found, notes=(*found.notes, note))
    return found


def _read_operation(operation: Any, units: Units) -> Georeference | None:
    if operation.is_a("IfcMapConversion"):
        return _map_conversion(operation, units)
    return _rigid(operation, units) if operation.is_a("IfcRigidOperation") else None


def _map_conversion(operation: Any, units: Units) -> Georeference:
    """Eastings, northings and height are in the unit of the map, the scale turns the model's unit into it."""
    scaled = operation.is_a("IfcMapConversionScaled")
    stated_m = _map_unit_m(operation.TargetCRS)
    map_m, scale, notes = _scale(operation.Scale, units.length_m, stated_m)
    return Georeference(
        kind="map_conversion_scaled" if scaled else "map_conversion",
        eastings_m=operation.Eastings * map_m,
        northings_m=operation.Northings * map_m,
        height_m=(operation.OrthogonalHeight or 0.0) * map_m,
        x_axis_abscissa=operation.XAxisAbscissa,
        x_axis_ordinate=operation.XAxisOrdinate,
        scale=scale,
        factor_x=operation.FactorX if scaled else 1.0,
        factor_y=operation.FactorY if scaled else 1.0,
        factor_z=operation.FactorZ if scaled else 1.0,
        crs=_crs(operation.TargetCRS),
        map_unit_m=map_m,
        map_unit_stated=stated_m is not None,
        notes=notes,
    )


def _scale(stated: float | None, length_m: float, map_unit_m: float | None) -> tuple[float, float, tuple[str, ...]]:
    """Metres of a map unit, and map metres of a model metre.

    IfcMapConversion.Scale is map units of a model unit. Files in the field leave it out, or write 1, although the
    units differ, or write the units' ratio and leave the map's unit out.
    """
    if map_unit_m is None:
        map_unit_m = 1.0 if stated is not None and _near(stated, length_m) and length_m != 1.0 else length_m
    ratio = length_m / map_unit_m
    if stated is None or not math.isfinite(stated) or stated == 0.0:
        note = "the map conversion has no Scale although the units of model and map differ; their ratio is taken"
        return map_unit_m, 1.0, () if _near(ratio, 1.0) else (note,)
    if not _near(stated, ratio) and _near(stated, 1.0):
        note = (
            f"Scale {stated:g} says that a model unit is a map unit, which the units contradict; their ratio is taken"
        )
        return map_unit_m, stated, (note,)
    return map_unit_m, stated / ratio, ()


def _near(one: float, other: float) -> bool:
    """Within what a grid's scale can be beside its unit."""
    return math.isclose(one, other, rel_tol=_GRID_SCALE)


def _rigid(operation: Any, units: Units) -> Georeference:
    first, second = operation.FirstCoordinate.wrappedValue, operation.SecondCoordinate.wrappedValue
    stated_m = _map_unit_m(operation.TargetCRS)
    map_m = units.length_m if stated_m is None else stated_m
    height_m, crs = (operation.Height or 0.0) * map_m, _crs(operation.TargetCRS)
    if operation.FirstCoordinate.is_a("IfcPlaneAngleMeasure"):
        angle = units.of_kind("PLANEANGLEUNIT")
        turn = angle.factor if angle.code == "deg" else math.degrees(1.0)  # latitude first, as ISO 6709 has it
        return Georeference(
            kind="rigid_operation",
            latitude_deg=first * turn,
            longitude_deg=second * turn,
            height_m=(operation.Height or 0.0) * units.length_m,
            crs=crs,
        )
    return Georeference(
        kind="rigid_operation",
        eastings_m=first * map_m,
        northings_m=second * map_m,
        height_m=height_m,
        crs=crs,
        map_unit_m=map_m,
        map_unit_stated=stated_m is not None,
    )


def _map_unit_m(crs: Any) -> float | None:
    """Metres of the map's unit; None where the file does not say it."""
    unit = unit_of(crs.MapUnit) if crs is not None and getattr(crs, "MapUnit", None) is not None else None
    return unit.factor if unit is not None and unit.code == "m" else None


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
        unit = named["MapUnit"].value.upper().replace("METER", "METRE") if "MapUnit" in named else ""
        map_m, scale, notes = _scale(_plain_number(values, "Scale"), units.length_m, _NAMED_UNITS_M.get(unit, 1.0))
        height = _plain_number(values, "OrthogonalHeight")
        return Georeference(
            kind="epset",
            eastings_m=eastings * map_m,
            northings_m=northings * map_m,
            height_m=None if height is None else height * map_m,
            x_axis_abscissa=_plain_number(values, "XAxisAbscissa"),
            x_axis_ordinate=_plain_number(values, "XAxisOrdinate"),
            scale=scale,
            map_unit_m=map_m,
            map_unit_stated=unit in _NAMED_UNITS_M,
            notes=notes,
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
    """The number as written: the agreement gives these values in the map's unit whatever the project's is."""
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
