"""A mission against the model and the fence, leg by leg: what a pilot wants to know before take-off."""

from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np

from bim.geo.frame import SiteFrame
from drone_ingest.mission.area import Area
from drone_ingest.mission.plan import Mission
from drone_ingest.mission.settings import Drone
from drone_ingest.ray_scene import Floats, RayScene

__all__ = ["Totals", "Violation", "totals_of", "violations", "way_of"]

_STEP_M = 0.5
_GROUND_M = 3.0  # below that the drone is taking off or landing


class Violation(msgspec.Struct, frozen=True):
    """A leg between two way-points that should not be flown; 0 is take-off, one past the last the way home."""

    start: int
    end: int
    why: Literal["clearance", "area"]
    clearance_m: float  # of its nearest point to what stands


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What a mission takes, of a drone that flies as told."""

    waypoints: int
    photos: int
    distance_m: float
    climb_m: float
    duration_s: float
    battery: float


def way_of(mission: Mission, frame: SiteFrame, home_z: float) -> Floats:
    """Its way in model metres: take-off, way-points, and home again when it returns there."""
    rows = [(*mission.home, 0.0), *((one.lat_deg, one.lon_deg, 0.0) for one in mission.waypoints)]
    way = frame.from_wgs84(np.array(rows, np.float64))
    way[:, 2] = [home_z, *(home_z + one.height_m for one in mission.waypoints)]
    if mission.end == "home" and len(way) > 1:  # back at the height of the last way-point, then down
        way = np.concatenate([way, [[way[0, 0], way[0, 1], way[-1, 2]]], way[:1]])
    if len(way) > 1:
        way = np.concatenate([way[:1], [[way[0, 0], way[0, 1], max(home_z + mission.takeoff_m, home_z)]], way[1:]])
    return way


def violations(
    mission: Mission, frame: SiteFrame, home_z: float, scene: RayScene, area: Area, clearance_m: float
) -> list[Violation]:
    """Legs that come nearer to what stands than the clearance, or leave the area; near the ground neither counts."""
    way = way_of(mission, frame, home_z)
    found = []
    for at, (start, end) in enumerate(pairwise(way)):
        count = int(np.linalg.norm(end - start) / _STEP_M) + 2
        points = start + np.linspace(0, 1, count)[:, None] * (end - start)
        points = points[points[:, 2] > home_z + _GROUND_M]
        if not len(points):
            continue
        nearest = float(scene.distance_m(points).min())
        leg = min(max(at - 1, 0), len(mission.waypoints)), min(max(at, 1), len(mission.waypoints) + 1)
        if nearest < clearance_m:
            found.append(Violation(*leg, "clearance", round(nearest, 2)))
        if not area.allows(points, landing=True).all():
            found.append(Violation(*leg, "area", round(nearest, 2)))
    return found


def totals_of(mission: Mission, frame: SiteFrame, home_z: float, drone: Drone) -> Totals:
    """Way, climb, time and battery."""
    step = np.diff(way_of(mission, frame, home_z), axis=0)
    level, up = float(np.hypot(step[:, 0], step[:, 1]).sum()), float(np.maximum(step[:, 2], 0).sum())
    seconds, energy = drone.cost(level, up, float(np.maximum(-step[:, 2], 0).sum()))
    photos = sum(one.photo for one in mission.waypoints)
    hover = drone.photo_s * photos
    return Totals(
        waypoints=len(mission.waypoints), photos=photos, distance_m=round(float(np.linalg.norm(step, axis=1).sum()), 1),
        climb_m=round(up, 1), duration_s=round(seconds + hover, 1),
        battery=round((energy + hover) / drone.endurance_s, 4),
    )  # fmt: skip
