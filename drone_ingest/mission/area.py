"""Where a drone may be: inside the fence, outside of keep-out zones. From GeoJSON, a QGC plan, or ArduPilot's text.

GeoJSON: polygons with the properties `kind` ("keep_in", "keep_out"), `floor_m`, `ceiling_m` (above take-off). All of
it is turned into model metres once, and asked in arrays.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bim.geo.frame import SiteFrame
from drone_ingest.ray_scene import Floats
from wire.errors import InputError

__all__ = ["Area", "Zone", "read_zones"]

_BYTES_MAX = 16 << 20
_ZONES_MAX, _CORNERS_MAX = 1_000, 10_000
_FIX = "give a GeoJSON of polygons, a .plan with a geofence, or ArduPilot's fence.txt"


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """One polygon, latitude and longitude. Floor and ceiling are above take-off; a keep-out zone between them."""

    kind: str  # keep_in, keep_out
    corners: list[tuple[float, float]]
    name: str = ""
    floor_m: float | None = None
    ceiling_m: float | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """Zones in model metres, and heights of take-off above which the limits count."""

    zones: list[Zone] = field(default_factory=list)
    polygons: list[Floats] = field(default_factory=list)  # (n, 2), model metres
    ground_m: float = 0.0  # z of take-off
    low_m: float = -math.inf
    high_m: float = math.inf

    @classmethod
    def of(cls, zones: list[Zone], frame: SiteFrame, ground_m: float, low_m: float, high_m: float) -> "Area":
        """Zones on the Earth laid into the model."""
        polygons = [frame.from_wgs84(np.array([[lat, lon, 0.0] for lat, lon in zone.corners]))[:, :2] for zone in zones]
        return cls(zones, polygons, ground_m, low_m, high_m)

    def allows(self, points: Floats, *, landing: bool = False) -> NDArray[np.bool_]:
        """Which points (n, 3) are inside every fence, outside every keep-out zone, and between the heights; the way
        down to a landing may be below the lowest."""
        above = points[:, 2] - self.ground_m
        good = above <= self.high_m + 1e-6
        if not landing:
            good &= above >= self.low_m - 1e-6
        fenced, inside = False, np.zeros(len(points), bool)
        for zone, polygon in zip(self.zones, self.polygons, strict=True):
            within = _within(points[:, :2], polygon)
            floor = -math.inf if zone.floor_m is None else zone.floor_m
            ceiling = math.inf if zone.ceiling_m is None else zone.ceiling_m
            level = (above >= floor) & (above <= ceiling)
            if zone.kind == "keep_out":
                good &= ~(within & level)
            else:
                fenced = True
                inside |= within & (level | landing)
        allowed: NDArray[np.bool_] = good & inside if fenced else good
        return allowed


def _within(points: Floats, polygon: Floats) -> NDArray[np.bool_]:
    """Even-odd rule, vectorised over points."""
    inside = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0)
        inside ^= crosses & (points[:, 0] < at)
    return inside


def read_zones(path: Path) -> list[Zone]:
    """Zones of a file; raises InputError with the field and the fix."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is larger than any fence", file=str(path), fix=_FIX)
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix=_FIX) from error
    if not text.lstrip().startswith("{"):
        return [_ardupilot(text, path)]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is no JSON: {error}", file=str(path), fix=_FIX) from error
    try:
        zones = _geojson(document) if "features" in document else _plan(document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        problem = f"a zone is not as it should be: {type(error).__name__} {error}"
        raise InputError(problem, file=str(path), field="zones", fix=_FIX) from error
    if not zones or len(zones) > _ZONES_MAX:
        raise InputError(f"it has {len(zones)} zones", file=str(path), field="zones", fix=_FIX)
    return [_checked(zone, path) for zone in zones]


def _geojson(document: dict[str, Any]) -> list[Zone]:
    zones = []
    for feature in document["features"]:
        shape, said = feature["geometry"], feature.get("properties") or {}
        if shape["type"] not in ("Polygon", "MultiPolygon"):
            raise ValueError(f"a {str(shape['type'])[:40]}, which encloses nothing")
        parts = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
        for part in parts:
            corners = [(float(lat), float(lon)) for lon, lat, *_ in part[0]]
            zones.append(
                Zone(
                    kind=str(said.get("kind", "keep_in")), corners=corners, name=str(said.get("name", ""))[:100],
                    floor_m=_metres(said.get("floor_m")), ceiling_m=_metres(said.get("ceiling_m")),
                )
            )  # fmt: skip
    return zones


def _plan(document: dict[str, Any]) -> list[Zone]:
    fence = document["geoFence"]
    kinds = {True: "keep_in", False: "keep_out"}
    zones = [
        Zone(kind=kinds[bool(one["inclusion"])], corners=[(float(a), float(b)) for a, b in one["polygon"]])
        for one in fence.get("polygons", [])
    ]
    for one in fence.get("circles", []):
        lat, lon = (float(part) for part in one["circle"]["center"])
        corners = _circle(lat, lon, float(one["circle"]["radius"]))
        zones.append(Zone(kind=kinds[bool(one["inclusion"])], corners=corners))
    return zones


def _circle(lat: float, lon: float, radius_m: float) -> list[tuple[float, float]]:
    """A circle as 48 corners."""
    reach = radius_m / 111_320.0
    wide = reach / max(math.cos(math.radians(lat)), 1e-6)
    turns = [2 * math.pi * one / 48 for one in range(48)]
    return [(lat + reach * math.sin(turn), lon + wide * math.cos(turn)) for turn in turns]


def _ardupilot(text: str, path: Path) -> Zone:
    """`latitude longitude` a line; the first is the point of return, the polygon is closed by its first corner."""
    corners = []
    for number, line in enumerate(text.splitlines()[: _CORNERS_MAX + 2], 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            corners.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError) as error:
            raise InputError("a line that is no place", file=str(path), field=f"line {number}", fix=_FIX) from error
    corners = corners[1:]
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    return _checked(Zone(kind="keep_in", corners=corners), path)


def _checked(zone: Zone, path: Path) -> Zone:
    sound = 3 <= len(zone.corners) <= _CORNERS_MAX and zone.kind in ("keep_in", "keep_out")
    if not sound or not all(abs(lat) <= 90 and abs(lon) <= 180 for lat, lon in zone.corners):
        problem = f"a zone of kind {zone.kind[:40]!r} with {len(zone.corners)} corners"
        raise InputError(problem, file=str(path), field="zones", fix='kind "keep_in" or "keep_out", 3 corners and more')
    return zone


def _metres(value: Any) -> float | None:
    if value is None:
        return None
    height = float(value)
    if not math.isfinite(height):
        raise ValueError(f"a height of {height}")
    return height
