"""A simulated scan keeps to the truth that it tells: occlusion, noise, clutter, errors of registration, its seed."""

import csv
import json
from pathlib import Path

import laspy
import numpy as np
import pytest

import drone_ingest
from bim.tiles import Meshes
from drone_ingest.scan.camera_files import read_cameras
from drone_ingest.simulate import (
    FIELD,
    Disturbance,
    Sensor,
    SimulatedScan,
    orbit_stations,
    simulate_scan,
    write_cameras,
    write_scan,
)
from drone_ingest.simulate.clutter import clutter, outline
from wire.errors import InputError

STATIONS = np.array([[0.0, -20, 4], [20, 0, 4], [0, 20, 9], [-20, 0, 9]])
ALL = ["south", "north", "west", "east", "slab", "roof", "core", "room"]


def of(scan: SimulatedScan, label: str) -> np.ndarray:
    return scan.points[scan.owner == scan.truth["labels"].index(label)]


def test_what_stands_behind_a_wall_gives_no_point(hut) -> None:
    scan = simulate_scan(hut, ALL, STATIONS[:1], Sensor(points=20_000), Disturbance(), seed=1)
    assert len(of(scan, "south")) > 1_000
    assert len(of(scan, "core")) == 0
    assert len(of(scan, "north")) == 0


def test_a_room_is_no_matter_and_what_is_not_built_gives_no_point(hut) -> None:
    scan = simulate_scan(hut, ["north", "room"], STATIONS[:1], Sensor(points=20_000), Disturbance(), seed=1)
    assert "room" not in scan.truth["labels"]
    assert "south" not in scan.truth["labels"]
    assert len(of(scan, "north")) > 1_000


def test_ranges_are_as_noisy_as_the_sensor_says(hut) -> None:
    sensor = Sensor(points=60_000, sigma_m=0.02, range_m=40.0, beam_mrad=0.0)
    scan = simulate_scan(hut, ALL, STATIONS[:1], sensor, Disturbance(), seed=2)
    wall = of(scan, "south")
    front = wall[(np.abs(wall[:, 0]) < 2)]
    assert np.std(front[:, 1] + 4.15) == pytest.approx(0.02, rel=0.15)  # head-on at half of its range
    assert np.mean(front[:, 1]) == pytest.approx(-4.15, abs=0.002)


def test_one_seed_gives_one_file_byte_for_byte_and_another_seed_another(hut, tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        scan = simulate_scan(hut, ALL, STATIONS, Sensor(points=5_000), FIELD, seed)
        write_scan(scan, tmp_path / f"{name}.laz", tmp_path / f"{name}.csv", truth=tmp_path / f"{name}.json")
    files = {name: (tmp_path / f"{name}.laz").read_bytes() for name in "abc"}
    assert files["a"] == files["b"] != files["c"]
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_the_truth_says_how_to_get_back_from_a_wrong_registration_and_a_map(hut) -> None:
    sensor = Sensor(points=20_000, sigma_m=0.0, beam_mrad=0.0)
    turn = np.radians(30)
    placed = np.array([[np.cos(turn), -np.sin(turn), 0, 500_000], [np.sin(turn), np.cos(turn), 0, 5_000_000],
                       [0, 0, 1, 250], [0, 0, 0, 1]])  # fmt: skip
    wrong = Disturbance(shift_m=(0.5, -0.3, 0.1), yaw_deg=0.3, georeference=tuple(map(tuple, placed.tolist())))
    scan = simulate_scan(hut, ALL, STATIONS[:1], sensor, wrong, seed=3)
    assert scan.points[:, 0].min() > 499_000
    back = np.array(scan.truth["transform"])
    home = scan.points @ back[:3, :3].T + back[:3, 3]
    south = home[scan.owner == scan.truth["labels"].index("south")]
    outer = south[(np.abs(south[:, 0]) < 4) & (south[:, 2] > 0.3) & (south[:, 2] < 2.7)]
    assert np.abs(outer[:, 1] + 4.15).max() < 1e-4
    assert np.abs(scan.stations @ back[:3, :3].T + back[:3, 3] - STATIONS[:1]).max() < 1e-6


def test_each_element_stands_a_little_off_and_the_truth_says_how_much(hut) -> None:
    sensor = Sensor(points=40_000, sigma_m=0.0, beam_mrad=0.0)
    scan = simulate_scan(hut, ALL, STATIONS, sensor, Disturbance(tolerance_m=0.01), seed=4)
    off = np.array(scan.truth["tolerance_mm"]["south"]) / 1000
    front = of(scan, "south")
    front = front[(np.abs(front[:, 0]) < 4) & (front[:, 1] < -4.1) & (front[:, 2] > 0.3) & (front[:, 2] < 2.7)]
    assert abs(off[1]) > 0
    assert np.median(front[:, 1]) == pytest.approx(-4.15 + off[1], abs=1e-4)


def test_outliers_are_the_share_that_was_asked_for(hut) -> None:
    scan = simulate_scan(hut, ALL, STATIONS, Sensor(points=40_000), Disturbance(outlier_share=0.05), seed=5)
    assert scan.truth["points"]["outlier"] / len(scan.points) == pytest.approx(0.05, rel=0.15)


def test_a_pulse_on_an_edge_measures_between_two_surfaces(hut) -> None:
    sensor = Sensor(points=60_000, sigma_m=0.0, beam_mrad=4.0)
    scan = simulate_scan(hut, ["pane", "south"], STATIONS[:1], sensor, Disturbance(), seed=6)
    mixed = scan.points[scan.owner == -3]
    between = mixed[(mixed[:, 1] > -4.55) & (mixed[:, 1] < -4.2)]
    assert len(between) > 20
    clean = simulate_scan(hut, ["pane", "south"], STATIONS[:1], Sensor(points=60_000, beam_mrad=0.0), Disturbance(), 6)
    assert clean.truth["points"]["mixed"] == 0


def test_glass_lets_most_pulses_through(hut) -> None:
    sensor = Sensor(points=40_000)
    clear = simulate_scan(hut, ["pane", "south"], STATIONS[:1], sensor, Disturbance(glass=0.9), seed=7)
    solid = simulate_scan(hut, ["pane", "south"], STATIONS[:1], sensor, Disturbance(), seed=7)
    assert len(of(clear, "pane")) < 0.2 * len(of(solid, "pane"))
    assert len(of(clear, "south")) > 1.5 * len(of(solid, "south"))


def test_clutter_stands_around_and_formwork_where_walls_are_not_yet(hut) -> None:
    scan = simulate_scan(hut, ["slab", "north", "west"], STATIONS, Sensor(points=80_000), Disturbance(clutter=1.0), 8)
    seen = scan.truth["points"]
    for kind in ("scaffolding", "vegetation", "people", "vehicles", "material"):
        assert seen[kind] > 50, kind


def test_formwork_stands_a_panel_before_the_planned_face_and_never_on_it(hut) -> None:
    walls = [one for one in hut if one.type == "IfcWall"]
    place = outline(np.concatenate([one.vertices for one in hut]))
    vertices, _ = clutter(place, walls, 1.0, np.random.default_rng(1))["formwork"]
    panels = vertices.reshape(-1, 8, 3)
    assert len(panels) == 2 * round(0.3 * len(walls))
    for panel in panels:
        outer = min(
            abs(abs(float(panel[:, axis].min() + panel[:, axis].max()) / 2) - drawn)
            for axis, drawn in ((0, 5.0), (1, 4.0))
        )
        assert outer == pytest.approx(0.15 + 0.06, abs=1e-6)


def test_photogrammetry_needs_several_views_and_bends_and_bridges(hut) -> None:
    around = orbit_stations(np.concatenate([one.vertices for one in hut]), 16)
    sensor = Sensor(kind="photogrammetry", points=60_000, gsd_m=0.002)
    plain = simulate_scan(hut, ALL, around, sensor, Disturbance(), seed=9)
    roof = of(plain, "roof")
    top = roof[(roof[:, 2] > 3.2) & (np.hypot(roof[:, 0], roof[:, 1]) < 2)]
    assert np.median(top[:, 2]) == pytest.approx(3.3, abs=0.005)
    bent = simulate_scan(hut, ALL, around, sensor, Disturbance(doming_m=0.2), seed=9)
    roof = of(bent, "roof")
    top = roof[(roof[:, 2] > 3.2) & (np.hypot(roof[:, 0], roof[:, 1]) < 2)]
    assert np.median(top[:, 2]) == pytest.approx(3.5, abs=0.03)
    bridged = simulate_scan(hut, ALL, around, sensor, Disturbance(glass=0.9, voids=0.3, hole_fill=1.0), seed=9)
    assert bridged.truth["points"]["filled"] > 500
    with pytest.raises(InputError, match="2 stations"):
        simulate_scan(hut, ALL, around[:2], sensor, Disturbance(), seed=9)


def test_cameras_of_simulated_photographs_are_read_as_those_of_colmap_and_show_their_points(hut, tmp_path) -> None:
    around = orbit_stations(np.concatenate([one.vertices for one in hut]), 12)
    moved = Disturbance(shift_m=(100.0, 0.0, 5.0), yaw_deg=40.0)
    scan = simulate_scan(hut, ALL, around, Sensor(kind="photogrammetry", points=20_000), moved, seed=13)
    write_cameras(scan, tmp_path / "cameras")
    cameras = read_cameras(tmp_path / "cameras")
    assert np.abs(np.array([one.eye for one in cameras]) - scan.stations).max() < 1e-6
    for number, one in enumerate(cameras, 1):
        points = scan.points[scan.station == number]
        away = (points - one.eye) @ one.axes.T
        pixels = away[:, :2] / away[:, 2:] * one.focal + one.centre
        inside = (pixels > -5).all(axis=1) & (pixels[:, 0] < one.width + 5) & (pixels[:, 1] < one.height + 5)
        assert (away[:, 2] > 0).all()
        assert inside.mean() > 0.99
    lidar = simulate_scan(hut, ALL, STATIONS, Sensor(points=100), Disturbance(), seed=1)
    with pytest.raises(InputError, match="no pictures"):
        write_cameras(lidar, tmp_path / "none")


def test_a_written_scan_is_read_back_by_our_reader_and_by_laspy(hut, tmp_path: Path) -> None:
    scan = simulate_scan(hut, ALL, STATIONS, Sensor(points=9_000), FIELD, seed=10)
    names = {kind: tmp_path / f"scan.{kind}" for kind in ("las", "laz", "ply")}
    for path in names.values():
        write_scan(scan, path, tmp_path / "stations.csv", trajectory=tmp_path / "trajectory.csv")
    told = laspy.read(names["laz"])
    assert told.header.system_identifier == "AID4 simulated"
    assert np.abs(np.asarray(told.xyz) - scan.points).max() <= 0.0005 + 1e-9
    assert (np.asarray(told.point_source_id) == scan.station).all()
    for path in names.values():
        cloud = drone_ingest.read(path)
        rows = list(cloud.chunks())
        xyz = np.concatenate([np.stack([batch[name].to_numpy() for name in "xyz"], axis=1) for batch in rows])
        assert np.abs(xyz - scan.points).max() <= 0.0005 + 1e-9, path.suffix
        ids = np.concatenate([batch["point_source_id"].to_numpy() for batch in rows])
        assert (ids == scan.station).all()
    table = list(csv.DictReader((tmp_path / "stations.csv").open()))
    assert [int(row["id"]) for row in table] == [1, 2, 3, 4]
    assert [float(row["y"]) for row in table] == pytest.approx(scan.stations[:, 1].tolist(), abs=1e-4)
    track = np.loadtxt(tmp_path / "trajectory.csv", delimiter=",", skiprows=1)
    assert (np.diff(track[:, 0]) > 0).all()
    at = np.stack([np.interp(scan.gps_time_s, track[:, 0], track[:, 1 + axis]) for axis in range(3)], axis=1)
    assert np.abs(at - scan.stations[scan.station - 1]).max() < 1e-3


def test_a_map_is_named_in_the_file(hut, tmp_path: Path) -> None:
    matrix = ((1.0, 0.0, 0.0, 500_000.0), (0.0, 1.0, 0.0, 5_000_000.0), (0.0, 0.0, 1.0, 200.0), (0.0, 0.0, 0.0, 1.0))
    scan = simulate_scan(hut, ALL, STATIONS, Sensor(points=1_000), Disturbance(georeference=matrix, epsg=8353), 11)
    write_scan(scan, tmp_path / "map.laz")
    assert drone_ingest.read(tmp_path / "map.laz").crs == "EPSG:8353"


def test_a_real_house_is_scanned(real_meshes: Meshes, tmp_path: Path) -> None:
    around = orbit_stations(np.concatenate([one.vertices for one in real_meshes]), 8)
    built = [name for name, kind in zip(real_meshes.global_ids, real_meshes.types, strict=True) if kind != "IfcDoor"]
    scan = simulate_scan(real_meshes, built, around, Sensor(points=50_000), FIELD, seed=12)
    write_scan(scan, tmp_path / "real.laz", truth=tmp_path / "truth.json")
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["simulated"] is True
    assert 40_000 < len(scan.points) <= 50_000
    assert truth["points"]["element"] > 5_000
    doors = {name for name, kind in zip(real_meshes.global_ids, real_meshes.types, strict=True) if kind == "IfcDoor"}
    assert not doors & set(truth["labels"])


@pytest.mark.parametrize(
    ("sensor", "disturbance", "stations", "built", "field"),
    [
        (Sensor(points=0), Disturbance(), STATIONS, ALL, "points"),
        (Sensor(range_m=float("nan")), Disturbance(), STATIONS, ALL, "range_m"),
        (Sensor(), Disturbance(outlier_share=1.5), STATIONS, ALL, "outlier_share"),
        (Sensor(), Disturbance(shift_m=(1e9, 0, 0)), STATIONS, ALL, "shift_m"),
        (Sensor(), Disturbance(georeference=((1.0, 0.0, 0.0, 0.0),)), STATIONS, ALL, "georeference"),
        (Sensor(), Disturbance(), np.zeros((0, 3)), ALL, "stations"),
        (Sensor(), Disturbance(), np.full((1, 3), np.inf), ALL, "stations"),
        (Sensor(), Disturbance(), STATIONS, ["room", "nobody"], "built"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_its_field(hut, sensor, disturbance, stations, built, field) -> None:
    with pytest.raises(InputError) as refused:
        simulate_scan(hut, built, stations, sensor, disturbance, seed=1)
    assert refused.value.field == field
    assert refused.value.fix
