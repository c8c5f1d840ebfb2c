"""From chosen elements to flights: spots, stations, ways, tour, batteries, and what the pictures will show.

Pure: meshes, frame, limits and a seed go in, flights and expected coverage come out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bim.geo.frame import SiteFrame
from bim.tiles.meshes import ElementMesh
from drone_ingest.mission.area import Area, Zone
from drone_ingest.mission.plan import Mission, Waypoint, bearing_deg, place_of
from drone_ingest.mission.roadmap import Roadmap, roadmap_of
from drone_ingest.mission.settings import Camera, Drone, Wanted
from drone_ingest.mission.stations import Spots, Views, candidates_of, cover, spots_of, views_of
from drone_ingest.mission.tour import split_flights, tour_of
from drone_ingest.ray_scene import Floats, RayScene
from wire.errors import InputError

__all__ = ["Coverage", "Flight", "Planned", "plan_mission"]

_PASS_M = 1.0  # way-points nearer to each other than that are one


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the pictures will show of one element: shares of its surface that is open to the air, and the pictures."""

    global_id: str
    share: float  # seen at least once
    share_often: float  # seen as often as wanted
    pictures: int
    open_m2: float
    hidden: bool  # nothing of it is open to the air


@dataclass(frozen=True, slots=True)
class Flight:
    """One battery: the mission for the Earth, its way in model metres, and what it takes."""

    mission: Mission
    way: Floats
    photos: int
    distance_m: float
    climb_m: float
    duration_s: float
    battery: float  # share of a full one, reserve not counted


@dataclass(frozen=True, slots=True)
class Planned:
    """A whole plan; `share` is of all open surface. What could not be planned is named."""

    flights: list[Flight]
    coverage: list[Coverage]
    share: float
    stations: int
    candidates: int
    no_way: int  # stations that no clear way leads to
    too_far: int  # stations beyond one battery
    distance_m: float  # of camera and face


def plan_mission(
    elements: Sequence[ElementMesh],
    standing: Sequence[ElementMesh],
    frame: SiteFrame,
    home: Floats,
    *,
    wanted: Wanted,
    camera: Camera,
    drone: Drone,
    zones: Sequence[Zone] = (),
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Planned:
    """Flights that picture `elements` past everything that is `standing` (elements included, where they stand).

    `home` (3,) is take-off in model metres. Raises InputError when no picture is possible, with the reason.
    `progress` is told of each of five steps.
    """
    done = progress or (lambda _: None)
    wanted.check()
    drone.check()
    scene = RayScene.of(standing)
    area = Area.of(list(zones), frame, float(home[2]), wanted.low_m, wanted.high_m)
    _check_home(area, home)
    distance = wanted.distance_m(camera)
    spots = spots_of(elements, scene, distance * 0.08, np.random.default_rng(seed))
    done(1)
    eyes, looks = candidates_of(spots, scene, area, wanted, camera)
    views = views_of(eyes, looks, spots, scene, wanted, camera)
    done(1)
    chosen = cover(views, spots, wanted)
    if not len(chosen):
        raise InputError(_why_none(spots, eyes), field="elements", fix=_fix_none(spots, eyes))
    roadmap = roadmap_of(home, eyes[chosen], scene, area, wanted.clearance_m, drone)
    done(1)
    order, lost = tour_of(roadmap)
    split = split_flights(roadmap, order, drone)
    done(1)
    flights = [
        _flight(nodes, energy, roadmap, looks[chosen], frame, home, drone, list(zones))
        for nodes, energy in zip(split.flights, split.energy_s, strict=True)
    ]
    flown = chosen[np.array(sorted(one - 1 for nodes in split.flights for one in nodes), np.int64)]
    coverage, share = _coverage(elements, spots, views, flown, wanted)
    done(1)
    return Planned(flights, coverage, share, len(flown), len(eyes), len(lost), len(split.too_far), distance)


def _check_home(area: Area, home: Floats) -> None:
    if not area.allows(home[None], landing=True)[0]:
        problem = "take-off lies outside the fence or inside a keep-out zone"
        raise InputError(problem, field="home", fix="give --home X,Y,Z inside the fence")


def _why_none(spots: Spots, eyes: Floats) -> str:
    if not len(spots.points):
        return "nothing of these elements is open to the air"
    return "no camera could stand where it keeps clear" if not len(eyes) else "no camera sees any of these elements"


def _fix_none(spots: Spots, eyes: Floats) -> str:
    if not len(spots.points):
        return "choose elements that can be seen from outside, or a date at which they can"
    return "allow a smaller clearance, a larger fence, a lower or greater height, or a wider angle"


def _flight(
    nodes: list[int], energy_s: float, roadmap: Roadmap, looks: Floats, frame: SiteFrame, home: Floats, drone: Drone,
    zones: list[Zone],
) -> Flight:  # fmt: skip
    """The way out, past every station of one flight, and home."""
    legs = [roadmap.way(a, b) for a, b in zip([0, *nodes], [*nodes, 0], strict=True)]
    line = [0] + [node for leg in legs for node in leg[1:]]
    way = roadmap.nodes[line]
    step = np.diff(way, axis=0)
    level, up = float(np.hypot(step[:, 0], step[:, 1]).sum()), float(np.maximum(step[:, 2], 0).sum())
    seconds, _ = drone.cost(level, up, float(np.maximum(-step[:, 2], 0).sum()))
    stops = _stops(line, set(nodes), roadmap.nodes)
    mission = _mission(stops, roadmap, looks, frame, home, drone, zones)
    return Flight(
        mission, way, len(nodes), float(np.linalg.norm(step, axis=1).sum()), up, seconds + drone.photo_s * len(nodes),
        energy_s / drone.endurance_s,
    )  # fmt: skip


def _stops(line: list[int], stations: set[int], nodes: Floats) -> list[tuple[int, bool]]:
    """Nodes between take-off and landing, each with whether a picture is taken: once at each station."""
    left = set(stations)
    stops: list[tuple[int, bool]] = []
    for node in line[1:-1]:
        photo = node in left
        left.discard(node)
        near = stops and float(np.linalg.norm(nodes[node] - nodes[stops[-1][0]])) < _PASS_M
        if photo or not near:
            stops.append((node, photo))
    return stops


def _mission(
    stops: list[tuple[int, bool]], roadmap: Roadmap, looks: Floats, frame: SiteFrame, home: Floats, drone: Drone,
    zones: list[Zone],
) -> Mission:  # fmt: skip
    nodes = np.array([node for node, _ in stops], np.int64)
    places = place_of(frame, roadmap.nodes[nodes], home)
    at = np.where(nodes <= roadmap.stations, nodes - 1, 0).clip(min=0)
    yaw, pitch = bearing_deg(frame, roadmap.nodes[nodes], looks[at])
    waypoints = [
        Waypoint(
            lat_deg=lat, lon_deg=lon, height_m=height, photo=photo,
            yaw_deg=float(yaw[row]) if photo else None, pitch_deg=float(pitch[row]) if photo else None,
        )
        for row, ((lat, lon, height), (_, photo)) in enumerate(zip(places, stops, strict=True))
    ]  # fmt: skip
    start = frame.to_wgs84(home[None])[0]
    return Mission(
        home=(float(start[0]), float(start[1])), home_height_m=float(start[2]), waypoints=waypoints,
        speed_m_s=drone.speed_m_s, takeoff_m=max(min(waypoints[0].height_m, 2_000.0), 2.0), zones=zones,
    )  # fmt: skip


def _coverage(
    elements: Sequence[ElementMesh], spots: Spots, views: Views, flown: NDArray[np.int64], wanted: Wanted
) -> tuple[list[Coverage], float]:
    """By element, and the share of all open surface."""
    shows = views.shows[flown]
    times = shows.sum(axis=0)
    count = len(elements)

    def area(which: NDArray[np.bool_]) -> Floats:
        return np.bincount(spots.element[which], weights=spots.area_m2[which], minlength=count).astype(np.float64)

    whole, once, often = area(np.ones(len(times), bool)), area(times > 0), area(times >= wanted.times)
    pictures = np.zeros(count, np.int64)
    for row in shows:
        pictures[np.unique(spots.element[row])] += 1
    found = [
        Coverage(
            one.global_id, float(once[at] / whole[at]) if whole[at] else 0.0,
            float(often[at] / whole[at]) if whole[at] else 0.0, int(pictures[at]), float(whole[at]), not whole[at] > 0,
        )
        for at, one in enumerate(elements)
    ]  # fmt: skip
    return found, float(once.sum() / max(whole.sum(), 1e-9))
