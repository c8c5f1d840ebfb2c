"""The `[[drone]]` tables of `devices.toml`: a drone, its dock on the site's grid, and the mission that it knows.

```
[[drone]]
name = "drone-1"
dock_m = [168.0, 20.0]            # on the site's grid
space = "Weather garden"
mission_m = [[110.0, 50.0, 24.0], [150.0, 46.0, 24.0]]   # x, y, height above the dock
fence_m = [-60.0, -60.0, 240.0, 200.0]
```
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

__all__ = ["DroneSpec", "Frame", "Place3"]

_Metre = Annotated[float, Meta(ge=-20_000, le=20_000)]
_SEMI_MAJOR_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563  # WGS 84


class DroneSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One drone. Its system id on the link is `system`; the first flight begins `first_s` after the start."""

    name: str
    label: str = ""
    serial: Annotated[str, Meta(max_length=20, pattern=r"^[0-9A-Z]*$")] = ""  # that Remote ID tells; else its name
    space: str
    dock_m: tuple[_Metre, _Metre]
    mission_m: Annotated[tuple[tuple[_Metre, _Metre, Annotated[float, Meta(ge=2, le=500)]], ...], Meta(min_length=1)]
    fence_m: tuple[_Metre, _Metre, _Metre, _Metre]
    ceiling_m: Annotated[float, Meta(ge=5, le=1_000)] = 60.0
    speed_m_s: Annotated[float, Meta(gt=0, le=20)] = 6.0
    return_m: Annotated[float, Meta(ge=2, le=500)] = 30.0  # height of the way home
    system: Annotated[int, Meta(ge=1, le=250)] = 1
    first_s: Annotated[float, Meta(ge=0)] = 12.0
    rest_s: Annotated[float, Meta(ge=0)] = 600.0  # at least so long in the dock between two flights
    capacity_wh: Annotated[float, Meta(gt=0, le=10_000)] = 105.0
    scans: bool = False  # its dock brings a scan of the site after each flight
    scan_stations: Annotated[int, Meta(ge=3, le=64)] = 16
    scan_points: Annotated[int, Meta(ge=1_000, le=2_000_000)] = 150_000
    late: Annotated[int, Meta(ge=0, le=1_000)] = 4  # planned elements that do not stand yet when it scans


class Place3(NamedTuple):
    """Metres east, north and up."""

    east: float
    north: float
    up: float


class Frame(NamedTuple):
    """Where the site's grid lies on Earth: a plane that touches it at the origin, good to centimetres there."""

    latitude_deg: float
    longitude_deg: float
    height_m: float  # of the ground, above the sea
    true_north_deg: float  # against the grid's y axis, clockwise

    def from_grid(self, x_m: float, y_m: float, up_m: float = 0.0) -> Place3:
        """A place on the grid, metres above the ground."""
        turn = math.radians(self.true_north_deg)
        return Place3(
            x_m * math.cos(turn) - y_m * math.sin(turn), x_m * math.sin(turn) + y_m * math.cos(turn), up_m
        )  # fmt: skip

    def to_grid(self, place: Place3) -> tuple[float, float]:
        """Grid x and y of a place."""
        turn = math.radians(self.true_north_deg)
        east, north = place.east, place.north
        return east * math.cos(turn) + north * math.sin(turn), north * math.cos(turn) - east * math.sin(turn)

    def to_earth(self, place: Place3) -> tuple[float, float, float]:
        """Latitude, longitude in degrees, height above the sea in metres."""
        per_lat, per_lon = self._metres_per_degree()
        return (
            self.latitude_deg + place.north / per_lat,
            self.longitude_deg + place.east / per_lon,
            self.height_m + place.up,
        )

    def from_earth(self, lat_deg: float, lon_deg: float, height_m: float) -> Place3:
        """The inverse of `to_earth`."""
        per_lat, per_lon = self._metres_per_degree()
        north = (lat_deg - self.latitude_deg) * per_lat
        return Place3((lon_deg - self.longitude_deg) * per_lon, north, height_m - self.height_m)

    def _metres_per_degree(self) -> tuple[float, float]:
        lat = math.radians(self.latitude_deg)
        squash = _FLATTENING * (2 - _FLATTENING)
        w = 1 - squash * math.sin(lat) ** 2
        meridian = _SEMI_MAJOR_M * (1 - squash) / w**1.5
        parallel = _SEMI_MAJOR_M / math.sqrt(w) * math.cos(lat)
        return math.radians(meridian), math.radians(parallel)
