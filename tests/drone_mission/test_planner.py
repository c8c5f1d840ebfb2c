"""A planned mission shows what is asked, keeps clear, stays inside, and gets home; checked by rays of our own."""

import json
from pathlib import Path

import numpy as np
import pytest

from bim.geo.frame import SiteFrame
from bim.tiles import ElementMesh
from drone_ingest.mission.area import Area, Zone, read_zones
from drone_ingest.mission.check import totals_of, violations, way_of
from drone_ingest.mission.plan import Mission, Waypoint
from drone_ingest.mission.planner import Planned, plan_mission
from drone_ingest.mission.roadmap import Roadmap, leg_energy
from drone_ingest.mission.settings import CAMERAS, Drone, Wanted
from drone_ingest.mission.tour import split_flights, tour_of
from drone_ingest.ray_scene import RayScene
from wire.errors import InputError

HOME = np.array([25.0, 0.0, 0.0])
CAMERA = CAMERAS["dji-m3e"]
WANTED = Wanted(gsd_m=0.003)


def planned(block: list[ElementMesh], frame: SiteFrame, names: set[str], **more: object) -> Planned:
    chosen = [one for one in block if one.global_id in names]
    settings = {"wanted": WANTED, "camera": CAMERA, "drone": Drone(), **more}
    return plan_mission(chosen, block, frame, HOME, **settings)  # type: ignore[arg-type]


def to_model(frame: SiteFrame, mission: Mission) -> tuple[np.ndarray, np.ndarray]:
    """Eyes and unit views of the pictures, from the mission alone: yaw from north and pitch, as an aircraft has it."""
    rows = [one for one in mission.waypoints if one.photo]
    eyes = frame.from_wgs84(np.array([[one.lat_deg, one.lon_deg, 0.0] for one in rows]))
    eyes[:, 2] = [one.height_m for one in rows]
    yaw, pitch = (np.radians([getattr(one, name) for one in rows]) for name in ("yaw_deg", "pitch_deg"))
    return eyes, np.stack([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)], axis=1)


def test_the_walls_are_seen_from_where_the_mission_says(block, frame) -> None:
    """The mission's own angles and places, turned back, look at the south wall head-on enough and at the GSD."""
    found = planned(block, frame, {"south"})
    eyes, looks = to_model(frame, found.flights[0].mission)
    wall = np.stack(np.meshgrid(np.linspace(-9.5, 9.5, 20), [-6.2], np.linspace(2.5, 8.5, 8)), -1).reshape(-1, 3)
    seen = np.zeros(len(wall), int)
    scene = RayScene.of(block)
    tan_x, tan_y = 5280 / 2 / CAMERA.focal_px, 3956 / 2 / CAMERA.focal_px
    for eye, look in zip(eyes, looks, strict=True):
        away = wall - eye
        depth = away @ look
        right = np.cross(look, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        inside = (np.abs(away @ right) < depth * tan_x) & (np.abs(away @ np.cross(right, look)) < depth * tan_y)
        far = np.linalg.norm(away, axis=1)
        good = inside & (away[:, 1] > far * np.cos(np.radians(51))) & (depth < 0.003 * CAMERA.focal_px * 1.15)
        seen += good & scene.sees(np.repeat(eye[None], len(wall), 0), wall - np.array([0, 0.01, 0]))
    assert (seen > 0).mean() > 0.97
    assert np.median(seen) >= WANTED.times - 1  # ceil(1 / (1 - 0.7)) = 4 pictures of each spot
    assert found.coverage[0].share > 0.97


def test_what_nobody_can_see_is_said_before_the_flight(block, frame) -> None:
    found = planned(block, frame, {"core", "north"})
    by_name = {one.global_id: one for one in found.coverage}
    assert by_name["core"].hidden
    assert by_name["core"].pictures == 0
    assert by_name["north"].share > 0.9
    with pytest.raises(InputError, match="open to the air"):
        planned(block, frame, {"core"})


def test_every_leg_keeps_clear_of_the_model_and_the_tower_in_its_way(block, frame) -> None:
    found = planned(block, frame, {"south", "north", "roof", "tower"})
    scene = RayScene.of(block)
    for flight in found.flights:
        for start, end in zip(flight.way[:-1], flight.way[1:], strict=True):
            points = start + np.linspace(0, 1, 80)[:, None] * (end - start)
            points = points[points[:, 2] > 3.1]
            if len(points):
                assert scene.distance_m(points).min() > 0.85 * WANTED.clearance_m
        found_unsafe = violations(flight.mission, frame, 0.0, scene, Area(), 0.8 * WANTED.clearance_m)
        assert found_unsafe == []


def test_a_leg_through_the_tower_is_named_with_its_way_points(block, frame) -> None:
    places = frame.to_wgs84(np.array([[-20.0, -22, 0], [20.0, -22, 0], [20.0, -40, 0]]))
    waypoints = [Waypoint(lat_deg=lat, lon_deg=lon, height_m=15.0) for lat, lon, _ in places.tolist()]
    home = frame.to_wgs84(np.array([[-20.0, -40, 0]]))[0]
    mission = Mission(home=(home[0], home[1]), home_height_m=250.0, waypoints=waypoints, takeoff_m=15.0, end="stay")
    found = violations(mission, frame, 0.0, RayScene.of(block), Area(), 3.0)
    assert [(one.start, one.end, one.why) for one in found] == [(1, 2, "clearance")]
    assert found[0].clearance_m < 0.5


def zone(frame: SiteFrame, kind: str, corners: list[tuple[float, float]], **more: float) -> Zone:
    places = frame.to_wgs84(np.array([[x, y, 0.0] for x, y in corners]))
    return Zone(kind=kind, corners=[(lat, lon) for lat, lon, _ in places.tolist()], **more)


def test_no_flight_leaves_the_fence_or_enters_a_keep_out_zone_or_breaks_the_heights(block, frame) -> None:
    zones = [
        zone(frame, "keep_in", [(-40, -30), (40, -30), (40, 30), (-40, 30)]),
        zone(frame, "keep_out", [(-30, -30), (-12, -30), (-12, 30), (-30, 30)]),
        zone(frame, "keep_out", [(-12, 8), (12, 8), (12, 30), (-12, 30)], floor_m=12.0),
    ]
    found = planned(
        block, frame, {"south", "north", "east", "west"}, zones=zones, wanted=Wanted(gsd_m=0.003, high_m=25.0)
    )
    for flight in found.flights:
        for start, end in zip(flight.way[:-1], flight.way[1:], strict=True):
            points = start + np.linspace(0, 1, 60)[:, None] * (end - start)
            assert (np.abs(points[:, 0]) <= 40).all()
            assert (np.abs(points[:, 1]) <= 30).all()
            assert (points[:, 2] <= 25.0 + 1e-6).all()
            assert not ((points[:, 0] > -30) & (points[:, 0] < -12.01)).any()
            assert not ((np.abs(points[:, 0]) < 11.9) & (points[:, 1] > 8.1) & (points[:, 2] > 12.1)).any()
    by_name = {one.global_id: one.share for one in found.coverage}
    assert by_name["south"] > 0.95
    assert by_name["west"] < 0.9  # the zone before it is closed


def test_take_off_outside_the_fence_is_refused(block, frame) -> None:
    fence = [zone(frame, "keep_in", [(-15, -15), (15, -15), (15, 15), (-15, 15)])]
    with pytest.raises(InputError) as refused:
        planned(block, frame, {"south"}, zones=fence)
    assert refused.value.field == "home"


def test_a_small_battery_makes_several_flights_that_each_get_home(block, frame) -> None:
    drone = Drone(endurance_s=150.0)
    whole = planned(block, frame, {"south", "north", "east", "roof"})
    parts = planned(block, frame, {"south", "north", "east", "roof"}, drone=drone)
    assert len(whole.flights) == 1
    assert len(parts.flights) > 2
    assert sum(one.photos for one in parts.flights) == whole.stations
    batteries = [flight.battery for flight in parts.flights]
    assert max(batteries) - min(batteries) < 0.25  # about alike
    for flight in parts.flights:
        assert flight.battery <= 1 - drone.reserve + 1e-9
        told = totals_of(flight.mission, frame, 0.0, drone)
        assert told.battery == pytest.approx(flight.battery, rel=0.1)
        assert way_of(flight.mission, frame, 0.0)[0] == pytest.approx(HOME, abs=1e-3)


def test_a_climb_costs_more_than_the_same_way_down_and_far_stations_are_left_out_by_name() -> None:
    drone = Drone()
    up = leg_energy(np.zeros((1, 3)), np.array([[0.0, 0, 60]]), drone)
    down = leg_energy(np.array([[0.0, 0, 60]]), np.zeros((1, 3)), drone)
    assert up[0] == pytest.approx(60 / 3 * 1.6)
    assert down[0] == pytest.approx(60 / 2 * 0.9)
    energy = np.array([[0.0, 10, 5000], [10, 0, 5000], [5000, 5000, 0]])
    nodes = np.zeros((6, 3))
    split = split_flights(Roadmap(nodes, 2, energy, np.zeros((3, 3), np.int32)), [1, 2], drone)
    assert split.flights == [[1]]
    assert split.too_far == [2]


@pytest.mark.parametrize("seed", range(5))
def test_the_tour_is_no_longer_than_what_brute_force_finds_by_much(seed: int) -> None:
    """Seven stations: all 5,040 orders are tried."""
    from itertools import permutations

    points = np.random.default_rng(seed).random((8, 3)) * 100
    cost = np.linalg.norm(points[:, None] - points[None], axis=2)
    order, lost = tour_of(Roadmap(points, 7, cost, np.zeros((8, 8), np.int32)))
    assert lost == []
    assert sorted(order) == list(range(1, 8))

    def length(way: tuple[int, ...]) -> float:
        return float(sum(cost[a, b] for a, b in zip((0, *way), (*way, 0), strict=True)))

    assert length(tuple(order)) <= 1.05 * min(length(way) for way in permutations(range(1, 8)))


def test_fences_of_every_kind_are_read(shared_data: Path, tmp_path: Path) -> None:
    fence = read_zones(shared_data / "drone" / "mavlink" / "fence.txt")
    assert (len(fence), fence[0].kind) == (1, "keep_in")
    ring = [[18.16, 48.95], [18.18, 48.95], [18.18, 48.97], [18.16, 48.97], [18.16, 48.95]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
               "properties": {"kind": "keep_out", "name": "school", "ceiling_m": 60}}  # fmt: skip
    (tmp_path / "f.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    found = read_zones(tmp_path / "f.geojson")
    assert (found[0].kind, found[0].name, found[0].ceiling_m, found[0].floor_m) == ("keep_out", "school", 60.0, None)
    assert found[0].corners[1] == (48.95, 18.18)
    circle = {"circle": {"center": [48.96, 18.17], "radius": 100}, "inclusion": False, "version": 1}
    (tmp_path / "f.plan").write_text(json.dumps({"fileType": "Plan", "geoFence": {"circles": [circle], "version": 2}}))
    corners = np.array(read_zones(tmp_path / "f.plan")[0].corners)
    away = np.hypot((corners[:, 0] - 48.96) * 111_320, (corners[:, 1] - 18.17) * 111_320 * np.cos(np.radians(48.96)))
    assert away == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "1 2\nhello world\n", "48 18\n48 18\n", "{", '{"features": [{"geometry": {"type": "Point"}}]}',
        '{"features": []}', '{"geoFence": 3}', '{"features": [{"geometry": null}]}',
        '{"features": [{"geometry": {"type": "Polygon", "coordinates": [[[1,2],[3,4]]]}}]}',
        '{"features": [{"geometry": {"type": "Polygon", "coordinates": [[[1,200],[3,4],[5,6]]]}}]}',
    ],
)  # fmt: skip
def test_a_fence_that_encloses_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fence").write_text(text)
    with pytest.raises(InputError) as refused:
        read_zones(tmp_path / "fence")
    assert refused.value.fix


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(gsd_m=0.0), "gsd_m"),
        (Wanted(overlap=0.99), "overlap"),
        (Wanted(standoff_m=50.0, gsd_m=0.001), "standoff_m"),
        (Wanted(low_m=50.0, high_m=40.0), "high_m"),
        (Wanted(angle_deg=float("nan")), "angle_deg"),
        (Wanted(views=0), "views"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused_by_their_field(block, frame, wanted: Wanted, field: str) -> None:
    with pytest.raises(InputError) as refused:
        planned(block, frame, {"south"}, wanted=wanted)
    assert refused.value.field == field
