"""The coordinate system of a LAS file: EPSG code or name, units in metres, and what its heights are above."""

import re
import struct
from dataclasses import dataclass

__all__ = ["Reference", "reference_of"]

_FLAT = re.compile(r"(?:PROJCS|PROJCRS|GEOGCS|GEOGCRS|GEODCRS)\[")
_VERTICAL = re.compile(r"(?:VERT_?CS|VERTCRS)\[")
_CODE = re.compile(r'(?:AUTHORITY|ID)\["EPSG" *, *"?(\d{4,6})"?\]')
_UNIT = re.compile(r'(?:LENGTH)?UNIT\[ *"([^"]*)" *, *([0-9.eE+-]+)')
_NAME = re.compile(r'"([^"]{1,100})"')
_USER_DEFINED = 32_767
_GEOGRAPHIC = 2  # of GTModelTypeGeoKey
_UNIT_KEYS_M = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}


@dataclass(frozen=True, slots=True)
class Reference:
    """`crs` is an EPSG code or a name; units are metres to one unit of x, y and of z, None when nothing says so
    (and None of x, y in degrees)."""

    crs: str | None = None
    height_datum: str = "unknown"
    unit_m: float | None = None
    height_unit_m: float | None = None


def reference_of(vlrs: dict[tuple[str, int], bytes]) -> Reference:
    """From the records of a LAS file by user and number: WKT before GeoTIFF keys."""
    wkt = vlrs.get(("LASF_Projection", 2112), b"").partition(b"\0")[0].decode("utf-8", "replace").strip()
    if len(wkt) > 10:
        return _from_wkt(wkt)
    keys = _geo_keys(vlrs.get(("LASF_Projection", 34735), b""))
    geographic = keys.get(1024) == _GEOGRAPHIC
    code = keys.get(2048) if geographic else keys.get(3072)
    crs = f"EPSG:{code}" if code and code != _USER_DEFINED else None
    if crs is None:
        text = vlrs.get(("LASF_Projection", 34737), b"").partition(b"\0")[0].decode("latin-1")
        crs = text.split("|")[0].strip().removeprefix("unnamed") or None
    vertical = keys.get(4096)
    datum = "unknown" if not vertical else "ellipsoid" if 5_000 < vertical < 5_100 else "orthometric"
    unit_m = None if geographic else _UNIT_KEYS_M.get(keys.get(3076, 0))
    return Reference(crs, datum, unit_m, _UNIT_KEYS_M.get(keys.get(4099, 0), unit_m))


def _from_wkt(wkt: str) -> Reference:
    """The horizontal system (the first of a compound one), its unit, and the vertical one."""
    flat, vertical = _FLAT.search(wkt), _VERTICAL.search(wkt)
    crs, unit_m = _named(wkt[flat.start() :]) if flat is not None else (None, None)
    if flat is not None and flat.group().startswith("GEO"):
        unit_m = None
    if vertical is None:
        return Reference(crs, "unknown", unit_m, unit_m)
    text = wkt[vertical.start() :]
    datum = "ellipsoid" if "llipsoid" in text[:200] else "orthometric"
    unit = _UNIT.search(text)
    return Reference(crs, datum, unit_m, _metres(unit) if unit is not None else unit_m)


def _named(text: str) -> tuple[str | None, float | None]:
    """Of `PROJCS["name",…,UNIT["metre",1],AUTHORITY["EPSG","1"]]` the code that is its own, else the name; its unit."""
    depth, crs, unit_m = 0, None, None
    for at, sign in enumerate(text):
        if depth == 1 and crs is None and text.startswith(("AUTHORITY[", "ID["), at):
            code = _CODE.match(text, at)
            crs = f"EPSG:{code.group(1)}" if code is not None else None
        if depth == 1 and unit_m is None and text.startswith(("UNIT[", "LENGTHUNIT["), at):
            unit = _UNIT.match(text, at)
            unit_m = _metres(unit) if unit is not None else None
        depth += (sign == "[") - (sign == "]")
        if sign == "]" and not depth:
            break
    name = _NAME.search(text)
    return crs or (name.group(1) if name is not None and name.group(1) != "unnamed" else None), unit_m


def _metres(unit: re.Match[str]) -> float | None:
    """Metres of a unit; None for what contradicts itself (a real file has a foot of 1.0)."""
    try:
        value = float(unit.group(2))
    except ValueError:
        return None
    foot = "foot" in unit.group(1).lower() or "feet" in unit.group(1).lower()
    return value if 0 < value < 1e6 and foot == (0.3 < value < 0.31) else None


def _geo_keys(raw: bytes) -> dict[int, int]:
    """GeoTIFF keys whose value is in the directory itself."""
    words = struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) // 2 * 2])
    rows = [words[at : at + 4] for at in range(4, len(words) - 3, 4)]
    return {row[0]: row[3] for row in rows if row[1] == 0}
