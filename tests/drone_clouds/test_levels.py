"""Levels of a cloud: every point once, evenly thinned, where it was measured, from real files of every kind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import drone_ingest
from drone_ingest.clouds.levels import RECORD, build_levels
from drone_ingest.simulate import SimulatedScan, write_scan
from wire.errors import InputError

TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 2], [0, 0, 0, 1]])


def drawn(folder: Path) -> tuple[dict, list[np.ndarray]]:
    """levels.json, and the places of each level as a page computes them."""
    known = json.loads((folder / "levels.json").read_text())
    parts = [np.frombuffer((folder / level["file"]).read_bytes(), RECORD) for level in known["levels"]]
    low, scale = np.array(known["bounds_m"][:3]), np.array(known["scale_m"])
    return known, [low + part["xyz"] * scale for part in parts]


def points_of(path: Path) -> np.ndarray:
    cloud = drone_ingest.read(path)
    return np.concatenate([np.stack([batch[axis].to_numpy() for axis in "xyz"], axis=1) for batch in cloud.chunks()])


def sorted_rows(points: np.ndarray, step: float) -> np.ndarray:
    rounded = np.round(points / step)
    return rounded[np.lexsort(rounded.T)]


@pytest.mark.parametrize("name", ["lone-star.laz", "autzen_trim.laz", "pdal_autzen_trim.las", "simple.copc.laz"])
def test_every_point_of_a_real_cloud_is_in_one_level_where_it_was_measured(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    path = shared_data / "drone" / "pointcloud" / name
    true = points_of(path)
    origin = true.min(axis=0)
    known = build_levels(path, np.eye(4), origin, tmp_path)
    told, levels = drawn(tmp_path)
    assert told["points"] == sum(len(one) for one in levels) == known.points
    assert known.points + known.left_out == known.of == len(true)
    assert known.left_out <= 0.01 * len(true)
    places = np.concatenate(levels)
    scale = np.array(told["scale_m"])
    low, high = (np.array(told["bounds_m"][part]) for part in (slice(0, 3), slice(3, 6)))
    near = true[((true - origin >= low - 0.01) & (true - origin <= high + 0.01)).all(axis=1)]
    assert len(near) == len(places)
    assert np.abs(places.mean(axis=0) - (near - origin).mean(axis=0)).max() < scale.max()
    for axis in range(3):
        assert np.abs(np.sort(places[:, axis]) - np.sort(near[:, axis] - origin[axis])).max() < scale[axis] + 1e-3


def test_each_level_adds_points_in_cubes_where_earlier_ones_have_none(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "drone" / "pointcloud" / "lone-star.laz"
    build_levels(path, np.eye(4), points_of(path).min(axis=0), tmp_path)
    told, levels = drawn(tmp_path)
    spacings = [one["spacing_m"] for one in told["levels"]]
    assert spacings == sorted(spacings, reverse=True)
    assert 1_000 < len(levels[0]) < 100_000
    low = np.array(told["bounds_m"][:3])
    cubes = np.floor((levels[0] - low) / spacings[0] + 1e-3)
    assert len(np.unique(cubes, axis=0)) > 0.97 * len(levels[0])  # all but what rounding moves over a side


def test_a_transform_leads_into_the_model(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "drone" / "pointcloud" / "simple.las"
    true = points_of(path)
    back = np.eye(4)
    back[:3, 3] = -true.mean(axis=0)
    build_levels(path, TURN @ back, np.array([1.0, 2.0, 3.0]), tmp_path)
    told, levels = drawn(tmp_path)
    expected = (true - true.mean(axis=0)) @ TURN[:3, :3].T + TURN[:3, 3] - [1, 2, 3]
    for axis in range(3):
        got = np.sort(np.concatenate(levels)[:, axis])
        assert np.abs(got - np.sort(expected[:, axis])).max() < told["scale_m"][axis] + 1e-3


def test_a_large_cloud_is_thinned_evenly_and_the_same_each_time(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "drone" / "pointcloud" / "lone-star.laz"
    origin = points_of(path).min(axis=0)
    for folder in ("a", "b"):
        known = build_levels(path, np.eye(4), origin, tmp_path / folder, points_max=50_000)
    assert 45_000 < known.points <= 50_000 < known.of
    assert all(
        (tmp_path / "a" / one.file).read_bytes() == (tmp_path / "b" / one.file).read_bytes() for one in known.levels
    )
    whole = points_of(path) - origin
    thin = np.concatenate(drawn(tmp_path / "a")[1])
    assert np.abs(np.median(thin, axis=0) - np.median(whole, axis=0)).max() < 0.02 * np.ptp(whole, axis=0).max()


def made(points: np.ndarray) -> SimulatedScan:
    count = len(points)
    return SimulatedScan(
        points, np.ones(count, np.uint16), np.full(count, 900, np.uint16), np.tile(np.uint8([10, 200, 30]), (count, 1)),
        np.arange(count) / 10, np.zeros(count, np.int32), np.zeros((1, 3)), {"disturbance": {"epsg": None}},
    )  # fmt: skip


def test_one_stray_point_does_not_cost_the_others_their_resolution(tmp_path: Path) -> None:
    points = np.random.default_rng(1).random((20_000, 3)) * 10
    points[77] = [90_000, 0, 0]
    write_scan(made(points), tmp_path / "cloud.ply")
    known = build_levels(tmp_path / "cloud.ply", np.eye(4), np.zeros(3), tmp_path / "levels")
    assert known.left_out == 1
    assert max(known.scale_m) < 0.001
    record = np.frombuffer((tmp_path / "levels" / "L0.bin").read_bytes(), RECORD)
    assert record["rgba"][0].tolist() == [10, 200, 30, 255]


def test_what_is_no_cloud_or_has_no_point_is_refused(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        build_levels(shared_data / "drone" / "photos" / "DJI_0018.JPG", np.eye(4), np.zeros(3), tmp_path)
    nan = np.full((10, 3), np.nan)
    write_scan(made(nan), tmp_path / "nan.ply")
    with pytest.raises(InputError, match="no point"):
        build_levels(tmp_path / "nan.ply", np.eye(4), np.zeros(3), tmp_path)


_CHILD = """
import sys
from pathlib import Path
import numpy as np
from drone_ingest.clouds.levels import build_levels
known = build_levels(Path(sys.argv[1]), np.eye(4), np.zeros(3), Path(sys.argv[2]), points_max=300_000)
status = Path("/proc/self/status").read_text(encoding="ascii")  # rusage counts the parent before the exec, too
print(known.of, known.points, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def test_memory_is_that_of_the_levels_and_not_of_the_cloud(tmp_path: Path) -> None:
    rows = 6_000_000
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {rows}\n" + "".join(
        f"property double {axis}\n" for axis in "xyz"
    )
    rng = np.random.default_rng(2)
    with (tmp_path / "big.ply").open("wb") as file:
        file.write(f"{head}end_header\n".encode())
        for _ in range(6):
            file.write((rng.random((rows // 6, 3)) * 100).tobytes())
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path / "big.ply"), str(tmp_path / "out")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2], env=dict(os.environ),
    )  # fmt: skip
    of, points, memory_mib = map(int, done.stdout.split())
    assert (of, points <= 300_000) == (rows, True)
    assert memory_mib < 420  # the cloud alone is 140 MiB of doubles, three times that while it is worked on
