"""A mission as MAVLink mission items, and back: what a QGC plan and a WPL file both hold.

Take-off, then for each station the gimbal (DO_MOUNT_CONTROL, before the way-point, so it has turned when the drone is
there), the way-point with its yaw, and the picture (IMAGE_START_CAPTURE); in the end the return. Heights are above
take-off (frame 3). Items of other planners are understood too; what cannot be is told.
"""

import math
from dataclasses import dataclass

from drone_ingest.mission.plan import WAYPOINTS_MAX, Mission, Waypoint
from wire.errors import InputError

__all__ = ["ITEMS_MAX", "Item", "items_of", "waypoints_of"]

ITEMS_MAX = 3 * WAYPOINTS_MAX + 10
WAYPOINT, TAKEOFF, RETURN, LAND, LOITER_TIME = 16, 22, 20, 21, 19
MOUNT, CAPTURE, DIGICAM, SPEED, GIMBAL = 205, 2_000, 203, 178, 1_000
SPLINE = 82
RELATIVE, ABSOLUTE, COMMAND, RELATIVE_INT, TERRAIN = 3, 0, 2, 6, 10
_MAVLINK_TARGETING = 2.0
_HOLD_S = 1.0
_PLACES = frozenset({WAYPOINT, SPLINE, LOITER_TIME})


@dataclass(frozen=True, slots=True)
class Item:
    """One item: seven parameters (NaN: the autopilot's own), of which 5 to 7 are latitude, longitude, height."""

    command: int
    frame: int
    params: tuple[float, float, float, float, float, float, float]


def items_of(mission: Mission) -> list[Item]:
    """Items without the home that a WPL file puts first."""
    nan = math.nan
    lat, lon = mission.home
    items = [
        Item(TAKEOFF, RELATIVE, (0.0, 0.0, 0.0, nan, lat, lon, mission.takeoff_m)),
        Item(SPEED, COMMAND, (1.0, mission.speed_m_s, -1.0, 0.0, 0.0, 0.0, 0.0)),
    ]
    for one in mission.waypoints:
        if one.pitch_deg is not None:
            items.append(Item(MOUNT, COMMAND, (one.pitch_deg, 0.0, 0.0, 0.0, 0.0, 0.0, _MAVLINK_TARGETING)))
        yaw = nan if one.yaw_deg is None else one.yaw_deg
        hold = _HOLD_S if one.photo else 0.0
        items.append(Item(WAYPOINT, RELATIVE, (hold, 0.0, 0.0, yaw, one.lat_deg, one.lon_deg, one.height_m)))
        if one.photo:
            items.append(Item(CAPTURE, COMMAND, (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)))
    if mission.end == "home":
        items.append(Item(RETURN, COMMAND, (0.0,) * 7))
    return items


def waypoints_of(items: list[Item], home_height_m: float | None, file: str) -> tuple[list[Waypoint], dict[str, float]]:
    """Way-points of items, and what else they say: takeoff_m, speed_m_s, home (1 when it returns).

    Raises InputError for places that are nowhere and for heights that take-off does not explain.
    """
    waypoints: list[Waypoint] = []
    said: dict[str, float] = {}
    pitch: float | None = None
    for number, item in enumerate(items, 1):
        field = f"item {number}"
        if item.command == TAKEOFF:
            said.setdefault("takeoff_m", _height(item, home_height_m, file, field))
        elif item.command in _PLACES:
            waypoints.append(_waypoint(item, pitch, home_height_m, file, field))
            pitch = None
        elif item.command in (MOUNT, GIMBAL):
            pitch = _finite(item.params[0])
        elif item.command in (CAPTURE, DIGICAM) and waypoints:
            last = waypoints[-1]
            waypoints[-1] = Waypoint(
                lat_deg=last.lat_deg, lon_deg=last.lon_deg, height_m=last.height_m, yaw_deg=last.yaw_deg,
                pitch_deg=last.pitch_deg, photo=True,
            )  # fmt: skip
        elif item.command == SPEED and 0 < item.params[1] <= 100:
            said["speed_m_s"] = item.params[1]
        elif item.command == RETURN:
            said["home"] = 1.0
    if len(waypoints) > WAYPOINTS_MAX:
        raise InputError(f"{len(waypoints)} way-points", file=file, field="items", fix=f"at most {WAYPOINTS_MAX}")
    return waypoints, said


def _waypoint(item: Item, pitch: float | None, home_height_m: float | None, file: str, field: str) -> Waypoint:
    lat, lon = item.params[4:6]
    if not (abs(lat) <= 90 and abs(lon) <= 180) or (lat == 0 and lon == 0):
        raise InputError(f"the place {lat}, {lon} is nowhere", file=file, field=field, fix="plan it again")
    yaw = _finite(item.params[3])
    if (yaw is not None and abs(yaw) > 360) or (pitch is not None and abs(pitch) > 180):
        raise InputError(f"a yaw of {yaw}, a pitch of {pitch}", file=file, field=field, fix="plan it again")
    height = _height(item, home_height_m, file, field)
    turned = None if yaw is None else yaw % 360
    return Waypoint(lat_deg=lat, lon_deg=lon, height_m=height, yaw_deg=turned, pitch_deg=pitch)


def _height(item: Item, home_height_m: float | None, file: str, field: str) -> float:
    """Above take-off."""
    height = item.params[6]
    if item.frame in (ABSOLUTE, 5):
        if home_height_m is None:
            problem = "its height is above the sea and the height of take-off is not known"
            raise InputError(problem, file=file, field=field, fix="give the plan its planned home position")
        height -= home_height_m
    elif item.frame in (TERRAIN, 11):
        fix = "plan it with heights above take-off"
        raise InputError("its height is above terrain, which is not known here", file=file, field=field, fix=fix)
    if not (math.isfinite(height) and -2_000 <= height <= 20_000):
        raise InputError(f"a height of {height}", file=file, field=field, fix="plan it again")
    return height


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
