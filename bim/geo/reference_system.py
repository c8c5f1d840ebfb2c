"""A coordinate reference system by the name that a file or a site gives it, and the datum of its heights.

Names come from files of unknown origin: only codes and names of the EPSG and ESRI registers are looked up, never
PROJ strings or WKT, which can name files and addresses.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from bim.geo.proj import proj
from bim.georeference import ProjectedCrs
from wire.errors import InputError

__all__ = ["NO_DATUM", "Horizontal", "VerticalDatum", "crs_of", "horizontal", "utm_at", "vertical_datum"]

_NAME_CHARS_MAX = 200
_CODE = re.compile(r"(?:^|[^A-Z])(EPSG|ESRI)\s*:{1,2}\s*(?:[0-9.]*:)?(\d{4,6})(?:\+(\d{4,6}))?\s*(?!\d)", re.IGNORECASE)
_ADDRESS = re.compile(r"/crs/(EPSG|ESRI)/[^/]*/(\d{4,6})\Z", re.IGNORECASE)
_DEFINITION = re.compile(r"\+\w+=|=|\A\w+\[|\{|://")  # PROJ strings, WKT, PROJJSON, addresses
_UTM_ZONE = re.compile(r"\s*(?:UTM)?\s*(?:zone)?\s*(\d{1,2})\s*([NS])?\s*\Z", re.IGNORECASE)
_SURVEYED = "write crs in site.toml, or export the model with the EPSG code as name of its IfcProjectedCRS"
# south-west systems of old maps and their east-north twins, which building models use
_EAST_NORTH = {"EPSG:5513": "EPSG:5514", "EPSG:8352": "EPSG:8353", "EPSG:2065": "EPSG:5221", "EPSG:5515": "EPSG:5516"}
# what people write for a vertical datum, beside its registered name
_HEIGHTS = [
    (re.compile(pattern, re.IGNORECASE), f"EPSG:{code}")
    for pattern, code in (
        (r"\bbpv\b|\bbalt(ic)?\b.*(\bpo\b|after adj|\b1957\b)|\Abalt(ic)?\Z", 8357),
        (r"\bdhhn\s*(20)?16\b|\Adhhn\Z", 7837),
        (r"\bdhhn\s*(19)?92\b", 5783),
        (r"\bnap\b|amsterdams? peil", 5709),
        (r"\bahd\b", 5711),
        (r"\bnavd\s*(19)?88\b", 5703),
        (r"\begm\s*(19)?96\b", 5773),
        (r"\begm\s*(20)?08\b", 3855),
        (r"\bevrf\s*(20)?07\b", 5621),
        (r"\bodn\b|newlyn", 5701),
        (r"\bn\s*2000\b", 3900),
        (r"\btwvd\s*(20)?01\b", 8904),
    )
]
_ELLIPSOIDAL = re.compile(r"ellips|\bwgs\s*_?84\b(?!.*egm)", re.IGNORECASE)


class Horizontal(NamedTuple):
    """A projected east-north system: pyproj's object, its code and name, metres of its unit, its vertical part."""

    crs: Any
    code: str
    name: str
    unit_m: float
    vertical: str


class VerticalDatum(msgspec.Struct, frozen=True):
    """What heights are above."""

    name: str
    known: bool
    ellipsoidal: bool = False


NO_DATUM = VerticalDatum("not stated", known=False)


def crs_of(named: ProjectedCrs) -> Horizontal:
    """The system that a file names in any of its fields; InputError when there is none."""
    tries = [named.name, named.description, named.geodetic_datum]
    codes = [found for text in tries if (found := _code_in(text))]
    composed = _composed(named)
    for text in (*codes[:1], *tries, composed):
        if text.strip():
            try:
                return horizontal(text)
            except InputError as error:
                if _code_in(text):
                    raise
                problem: InputError = error
    if any(text.strip() for text in tries):
        raise problem
    raise InputError("the file names no coordinate reference system", field="IfcProjectedCRS.Name", fix=_SURVEYED)


@lru_cache(maxsize=256)
def horizontal(name: str) -> Horizontal:
    """A system by code ("EPSG:8353", "EPSG:8353+8357") or registered name; InputError with the fix."""
    crs = _look_up(name)
    vertical = ""
    if crs.is_compound:
        crs, above = crs.sub_crs_list[:2]
        vertical = _title(above)
    code = _code(crs)
    field = "IfcProjectedCRS.Name"
    if not crs.is_projected:
        problem = f"{name!r} is no projected system; eastings and northings need one"
        raise InputError(problem, field=field, fix=_SURVEYED)
    axes = crs.axis_info[:2]
    if {axis.direction for axis in axes} != {"east", "north"}:
        twin = _EAST_NORTH.get(code)
        fix = f"give the model in {twin}, whose axes run east and north" if twin else "give it in an east-north system"
        raise InputError(f"the axes of {code} {crs.name} do not run east and north", field=field, fix=fix)
    return Horizontal(crs, code, crs.name, float(axes[0].unit_conversion_factor), vertical)


def utm_at(latitude_deg: float, longitude_deg: float) -> Horizontal:
    """The WGS 84 / UTM zone of a place: what a model gets whose site has no system of its own."""
    zone = min(60, int((longitude_deg + 180.0) // 6.0) + 1)
    return horizontal(f"EPSG:{(32600 if latitude_deg >= 0 else 32700) + zone}")


@lru_cache(maxsize=256)
def vertical_datum(name: str) -> VerticalDatum:
    """A vertical datum by code, registered name or what people call it; unknown names are kept and marked."""
    plain = " ".join(name.split())[:_NAME_CHARS_MAX]
    if not plain:
        return NO_DATUM
    called = [code for pattern, code in _HEIGHTS if pattern.search(plain)]
    for text in (_code_in(plain), plain, f"{plain} height", *called[:1]):
        crs = _by_name(text) if text else None
        if crs is not None and crs.is_vertical:
            return VerticalDatum(_title(crs), known=True)
    if _ELLIPSOIDAL.search(plain):
        return VerticalDatum("WGS 84 ellipsoid", known=True, ellipsoidal=True)
    return VerticalDatum(plain, known=False)


def _look_up(name: str) -> Any:
    plain = " ".join(name.split())
    problem = f"{plain[:80]!r} is no coordinate reference system of the EPSG register"
    if not plain or len(plain) > _NAME_CHARS_MAX:
        raise InputError(problem, field="IfcProjectedCRS.Name", fix=_SURVEYED)
    code = _code_in(plain) or (f"EPSG:{plain}" if plain.isdecimal() else "")
    crs = _by_name(code or plain)
    if crs is None:
        raise InputError(problem, field="IfcProjectedCRS.Name", fix=_SURVEYED)
    return crs


def _by_name(name: str) -> Any:
    """A registered system, None when there is none of just this name: PROJ alone would take the nearest one."""
    if not _code_in(name) and _DEFINITION.search(name):
        return None
    pyproj = proj()
    try:
        crs = pyproj.CRS.from_user_input(name)
    except pyproj.exceptions.CRSError:
        return None
    return crs if _code_in(name) or _plain(crs.name) == _plain(name) else None


def _code_in(text: str) -> str:
    """The first code in a text, "EPSG:8353" or "EPSG:8353+8357"; "" for none."""
    found = _CODE.search(text) or _ADDRESS.search(text.strip())
    if found is None:
        return ""
    above = found[3] if found.re is _CODE and found[3] else ""
    return f"{found[1].upper()}:{found[2]}" + (f"+{above}" if above else "")


def _composed(named: ProjectedCrs) -> str:
    """Datum, projection and zone, as IFC has them apart."""
    zone = _UTM_ZONE.match(named.map_zone)
    if zone is None or "UTM" not in f"{named.map_projection} {named.map_zone}".upper() or not named.geodetic_datum:
        return ""
    return f"{named.geodetic_datum} / UTM zone {int(zone[1])}{(zone[2] or 'N').upper()}"


def _code(crs: Any) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name


def _title(crs: Any) -> str:
    return f"{crs.name} ({_code(crs)})"


def _plain(name: str) -> str:
    return re.sub(r"[\s_/-]+", " ", name).strip().casefold()
