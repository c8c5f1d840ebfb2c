"""A point of a model whose latitude, longitude and height are known, for a model without eastings and northings."""

import math
from typing import NamedTuple

import numpy as np

from bim.geo.placing import Array
from bim.geo.reference_system import NO_DATUM, VerticalDatum, vertical_datum
from bim.geo.settings import Origin
from bim.georeference import Georeference, SiteOrigin
from wire.errors import InputError

__all__ = ["Spot", "find_spot"]

_SAY_WHERE = "write [origin] or [calibration] in site.toml, or export the model with an IfcMapConversion"
_SEA_LEVEL = VerticalDatum("mean sea level, as IfcSite has it", known=True)
_ON_ELLIPSOID = VerticalDatum("WGS 84 ellipsoid", known=True, ellipsoidal=True)
_BOSTON = (42.358429, -71.059776)  # what Revit writes for a project whose place nobody set
_BOSTON_KM = 1.0
_APART_M = 100.0  # an IfcSite farther from the site's own origin is told
_SELDOM = "latitude and longitude of an IfcSite are seldom surveyed: measure control points before you rely on them"
_NOBODY = "the place is the one in Boston that Revit writes when nobody set one"


class Spot(NamedTuple):
    """The point in model metres, where it is, and how that is known."""

    model: Array
    latitude_deg: float
    longitude_deg: float
    height_m: float
    how: str
    vertical: VerticalDatum


def find_spot(stated: Georeference, origin: Origin | None) -> tuple[Spot, list[str]]:
    """A rigid operation in degrees, else the site's own origin, else the IfcSite; with what to know about it.

    InputError when none of them says a place.
    """
    if stated.latitude_deg is not None and stated.longitude_deg is not None:
        named = vertical_datum(stated.crs.vertical_datum if stated.crs is not None else "")
        where = (stated.latitude_deg, stated.longitude_deg, stated.height_m or 0.0)
        return _checked(Spot(np.zeros(3), *where, "IfcRigidOperation", named)), []
    site = _of_site(stated.site)
    if origin is not None:
        where = (origin.latitude_deg, origin.longitude_deg, origin.height_m)
        found = Spot(np.zeros(3), *where, "[origin] of the site", _ON_ELLIPSOID)
        away_m = 1000 * _km(site, where) if site is not None else 0.0
        told = f"the IfcSite of the model lies {away_m:.0f} m from [origin] of the site, which is used"
        return found, [told] if away_m > _APART_M else []
    if site is None:
        raise InputError("the model does not say where it lies", field="georeference", fix=_SAY_WHERE)
    return site, [_NOBODY if _km(site, _BOSTON) < _BOSTON_KM else _SELDOM]


def _of_site(site: SiteOrigin | None) -> Spot | None:
    """None for a site without a place, or with numbers that are none."""
    if site is None or site.latitude_deg is None or site.longitude_deg is None:
        return None
    vertical = NO_DATUM if site.elevation_m is None else _SEA_LEVEL
    where = (site.latitude_deg, site.longitude_deg, site.elevation_m or 0.0)
    found = Spot(np.array([site.x_m, site.y_m, site.z_m]), *where, "latitude and longitude of the IfcSite", vertical)
    return found if _is_place(found) else None


def _checked(spot: Spot) -> Spot:
    if not _is_place(spot):
        problem = f"latitude {spot.latitude_deg:g}°, longitude {spot.longitude_deg:g}° is no place on Earth"
        raise InputError(problem, field=spot.how, fix=_SAY_WHERE)
    return spot


def _is_place(spot: Spot) -> bool:
    on_earth = abs(spot.latitude_deg) <= 90 and abs(spot.longitude_deg) <= 180  # false for NaN
    return on_earth and math.isfinite(spot.height_m) and bool(np.isfinite(spot.model).all())


def _km(spot: Spot, place: tuple[float, ...]) -> float:
    """Between a spot and a latitude and longitude, near enough for near places."""
    north, east = spot.latitude_deg - place[0], spot.longitude_deg - place[1]
    return 111.2 * math.hypot(north, east * math.cos(math.radians(spot.latitude_deg)))
