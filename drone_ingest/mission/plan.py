"""A mission: flights of way-points with their pictures, in the frame of the Earth. What every format writes and reads.

Heights are above take-off, so no datum can be mistaken; `home_height_m` says where that is.
"""

import math
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from bim.geo.frame import SiteFrame
from drone_ingest.mission.area import Zone
from drone_ingest.ray_scene import Floats
from drone_ingest.track.enu import enu

__all__ = ["WAYPOINTS_MAX", "Mission", "Waypoint", "bearing_deg", "place_of"]

WAYPOINTS_MAX = 10_000  # of one flight; autopilots hold 700 to 10,000 items
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Height = Annotated[float, Meta(ge=-2_000, le=20_000)]


class Waypoint(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a flight. Yaw clockwise from north; pitch of the gimbal, -90 straight down; a pass has neither."""

    lat_deg: Latitude
    lon_deg: Longitude
    height_m: Height  # above take-off
    yaw_deg: Annotated[float, Meta(ge=-360, le=360)] | None = None
    pitch_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    photo: bool = False


class Mission(msgspec.Struct, frozen=True, kw_only=True):
    """One flight. `home_height_m` is above `height_datum`, as the frame of the site has it."""

    home: tuple[Latitude, Longitude]
    home_height_m: Height | None
    waypoints: Annotated[list[Waypoint], Meta(max_length=WAYPOINTS_MAX)]
    speed_m_s: Annotated[float, Meta(gt=0, le=100)] = 5.0
    takeoff_m: Annotated[float, Meta(ge=0, le=2_000)] = 10.0
    end: Literal["home", "stay"] = "home"
    zones: list[Zone] = []


def place_of(frame: SiteFrame, points: Floats, home: Floats) -> list[tuple[float, float, float]]:
    """Latitude, longitude and height above take-off of model points (n, 3)."""
    placed = frame.to_wgs84(points)
    return [(lat, lon, z) for (lat, lon, _), z in zip(placed.tolist(), (points[:, 2] - home[2]).tolist(), strict=True)]


def bearing_deg(frame: SiteFrame, eyes: Floats, looks: Floats) -> tuple[Floats, Floats]:
    """Yaw (clockwise from true north, 0 to 360) and pitch of views along unit vectors of the model."""
    flat = looks * [1.0, 1.0, 0.0]
    here, there = frame.to_wgs84(eyes), frame.to_wgs84(eyes + flat * 50)
    yaw = np.empty(len(eyes))
    for at, (one, other) in enumerate(zip(here, there, strict=True)):
        east, north, _ = enu(other[:1], other[1:2], np.zeros(1), (one[0], one[1], 0.0))[0]
        yaw[at] = math.degrees(math.atan2(east, north)) % 360
    return yaw, np.degrees(np.arcsin(np.clip(looks[:, 2], -1, 1)))
