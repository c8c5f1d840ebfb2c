"""Clouds: every point and attribute against laspy and pye57, and formats made by hand."""

import struct
from pathlib import Path

import laspy
import numpy as np
import pyarrow as pa
import pytest
from pye57 import E57

from drone_ingest import Cloud, read
from drone_ingest.clouds.columns import survey
from drone_ingest.limits import DroneLimits

_LAS = [
    "drone/pointcloud/1_4_w_evlr.las", "drone/pointcloud/autzen_trim.laz", "drone/pointcloud/extrabytes.las",
    "drone/pointcloud/lone-star.laz", "drone/pointcloud/pdal_autzen_trim.las", "drone/pointcloud/simple.las",
    "drone/pointcloud/simple.laz", "bim/pointclouds/laspy_plane.laz", "bim/pointclouds/laspy_simple1_4.las",
    "bim/pointclouds/laspy_vegetation_1_3.las", "bim/pointclouds/warsaw_small.las",
]  # fmt: skip
_NAMES = {"gps_time_s": "gps_time"}


def _cloud(path: Path, limits: DroneLimits | None = None) -> Cloud:
    found = read(path, limits)
    assert isinstance(found, Cloud)
    return found


def _points(cloud: Cloud) -> pa.Table:
    return pa.Table.from_batches(cloud.chunks())


@pytest.mark.parametrize("name", _LAS)
def test_each_attribute_is_that_of_laspy(shared_data: Path, name: str) -> None:
    truth = laspy.read(shared_data / name)
    cloud = _cloud(shared_data / name, DroneLimits(chunk_points=60_000))
    points = _points(cloud)
    assert len(points) == cloud.points == truth.header.point_count
    assert not cloud.damages
    for column in points.column_names:
        theirs = np.asarray(truth[_NAMES.get(column, column)])
        assert np.array_equal(points[column].to_numpy(), theirs, equal_nan=theirs.dtype.kind == "f"), column


@pytest.mark.parametrize("name", ["simple.copc.laz", "lone-star.copc.laz"])
def test_a_copc_gives_all_points_of_all_its_levels(shared_data: Path, name: str) -> None:
    file = shared_data / "drone/pointcloud" / name
    with laspy.CopcReader.open(str(file)) as reader:
        truth = reader.query()
    points = _points(_cloud(file))
    ours = np.stack([points[axis].to_numpy() for axis in "xyz"])
    theirs = np.stack([np.asarray(getattr(truth, axis)) for axis in "xyz"])
    assert np.array_equal(ours[:, np.lexsort(ours)], theirs[:, np.lexsort(theirs)])


def test_where_a_cloud_lies_and_what_its_heights_mean_is_read_from_its_head(shared_data: Path) -> None:
    about = {name: _cloud(shared_data / name) for name in _LAS}
    assert _cloud(shared_data / "drone/photos/brighton_model.laz").crs == "EPSG:32615"
    assert about["drone/pointcloud/1_4_w_evlr.las"].crs == "EPSG:2903"
    assert about["drone/pointcloud/1_4_w_evlr.las"].height_datum == "orthometric"
    assert about["drone/pointcloud/autzen_trim.laz"].crs == "NAD_1983_HARN_Lambert_Conformal_Conic"
    assert about["drone/pointcloud/simple.las"].crs is None
    assert about["drone/pointcloud/simple.las"].height_datum == "unknown"


def test_a_cloud_in_feet_says_so(shared_data: Path) -> None:
    feet = _cloud(shared_data / "drone/pointcloud/1_4_w_evlr.las")
    assert feet.unit_m == pytest.approx(0.3048006096)
    assert feet.height_unit_m is None, "a US survey foot of 1.0 contradicts itself"
    mixed = _cloud(shared_data / "drone/pointcloud/simple.copc.laz")  # metres, heights in feet
    assert mixed.unit_m == 1.0
    assert mixed.height_unit_m == pytest.approx(0.3048006096)
    assert _cloud(shared_data / "drone/photos/brighton_model.laz").unit_m == 1.0
    assert _cloud(shared_data / "drone/pointcloud/simple.las").unit_m is None


def test_a_survey_counts_bounds_and_dates_what_is_there(shared_data: Path) -> None:
    file = shared_data / "drone/pointcloud/1_4_w_evlr.las"
    truth, cloud = laspy.read(file), survey(_cloud(file))
    assert cloud.bounds == pytest.approx([*truth.xyz.min(axis=0), *truth.xyz.max(axis=0)])
    seconds = float(np.asarray(truth.gps_time).min()) + 1e9
    assert cloud.start_us == pytest.approx((315_964_800 + seconds - 18) * 1e6, abs=2)
    assert not cloud.warnings


def test_an_e57_equals_pye57_point_for_point(shared_data: Path) -> None:
    file = shared_data / "drone/pointcloud/pumpAVisualReferenceImage.e57"
    truth = E57(str(file)).read_scan(0, intensity=True, colors=True, ignore_missing_fields=True)
    cloud = _cloud(file, DroneLimits(chunk_points=10_000))
    points = _points(cloud)
    for axis in "xyz":
        assert np.array_equal(points[axis].to_numpy(), truth[f"cartesian{axis.upper()}"])
    assert np.array_equal(points["red"].to_numpy(), truth["colorRed"].astype(np.uint16) * 257)
    low, high = truth["intensity"].min(), truth["intensity"].max()
    assert np.allclose(points["intensity"].to_numpy() / 65_535, truth["intensity"] / 1.0, atol=2e-5), (low, high)
    assert [scan.name for scan in cloud.scans] == ["pumpA"]


def test_scan_poses_of_an_e57_place_the_points_and_the_scanner(tmp_path: Path) -> None:
    file = tmp_path / "two.e57"
    rng = np.random.default_rng(5)
    local = [rng.normal(size=(500, 3)) for _ in range(2)]
    turns = [np.array([1.0, 0, 0, 0]), np.array([np.cos(0.4), 0, 0, np.sin(0.4)])]
    stands = [np.array([0.0, 0, 0]), np.array([10.0, -4, 1.5])]
    with E57(str(file), mode="w") as made:
        for points, turn, stand in zip(local, turns, stands, strict=True):
            columns = {f"cartesian{axis}": points[:, row].copy() for row, axis in enumerate("XYZ")}
            made.write_scan_raw(columns, rotation=turn, translation=stand)
    cloud = _cloud(file)
    found = _points(cloud)
    angle = 0.8
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    expected = np.concatenate([local[0], local[1] @ rotation.T + stands[1]])
    assert np.allclose(
        np.stack([found[axis].to_numpy() for axis in "xyz"], axis=1), expected, atol=1e-6
    )  # pye57 writes floats
    assert cloud.scans[1].position == (10.0, -4.0, 1.5)
    assert found["scan"].to_pylist() == [0] * 500 + [1] * 500


def _ply(order: str, points: np.ndarray) -> bytes:
    names = (
        "".join(f"property double {axis}\n" for axis in "xyz") + "property uchar red\nproperty float scalar_Intensity\n"
    )
    encoding = {"<": "binary_little_endian", ">": "binary_big_endian", "": "ascii"}[order]
    head = f"ply\nformat {encoding} 1.0\ncomment made by hand\nelement vertex {len(points)}\n{names}element face 0\n"
    head += "property list uchar int vertex_indices\nend_header\n"
    if not order:
        return (head + "".join(f"{x!r} {y!r} {z!r} {int(red)} {i}\n" for x, y, z, red, i in points.tolist())).encode()
    rows = b"".join(struct.pack(order + "dddBf", x, y, z, int(red), i) for x, y, z, red, i in points.tolist())
    return head.encode() + rows


@pytest.mark.parametrize("order", ["<", ">", ""])
def test_a_ply_of_each_encoding_gives_its_points(tmp_path: Path, order: str) -> None:
    rng = np.random.default_rng(6)
    points = np.column_stack([rng.normal(size=(300, 3)), rng.integers(0, 256, 300), rng.integers(0, 1_000, 300)])
    file = tmp_path / "cloud.ply"
    file.write_bytes(_ply(order, points))
    table = _points(_cloud(file, DroneLimits(chunk_points=128)))
    assert np.array_equal(np.stack([table[axis].to_numpy() for axis in "xyz"], axis=1), points[:, :3])
    assert np.array_equal(table["red"].to_numpy(), points[:, 3] * 257)
    assert np.array_equal(table["intensity"].to_numpy(), points[:, 4])


def _lzf_literal(data: bytes) -> bytes:
    return b"".join(bytes([len(data[at : at + 32]) - 1]) + data[at : at + 32] for at in range(0, len(data), 32))


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_a_pcd_of_each_encoding_gives_points_colours_and_where_the_sensor_stood(tmp_path: Path, encoding: str) -> None:
    rng = np.random.default_rng(7)
    xyz = rng.normal(size=(200, 3)).astype("<f4")
    rgb = np.full(200, 0x0A141E, "<u4")
    head = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 200\nHEIGHT 1\n"
        f"VIEWPOINT 1.5 2.5 3.5 1 0 0 0\nPOINTS 200\nDATA {encoding}\n"
    ).encode()
    columns = [*xyz.T, rgb]
    if encoding == "ascii":
        body = "".join(
            f"{x!r} {y!r} {z!r} {c}\n" for x, y, z, c in zip(*(one.tolist() for one in columns), strict=True)
        ).encode()
    elif encoding == "binary":
        body = b"".join(struct.pack("<fffI", *row) for row in zip(*(one.tolist() for one in columns), strict=True))
    else:
        plain = b"".join(np.ascontiguousarray(one).tobytes() for one in columns)
        packed = _lzf_literal(plain)
        body = struct.pack("<II", len(packed), len(plain)) + packed
    file = tmp_path / "cloud.pcd"
    file.write_bytes(head + body)
    cloud = _cloud(file)
    table = _points(cloud)
    assert np.array_equal(np.stack([table[axis].to_numpy() for axis in "xyz"], axis=1), xyz.astype(np.float64))
    assert (table["red"][0].as_py(), table["green"][0].as_py(), table["blue"][0].as_py()) == (
        10 * 257,
        20 * 257,
        30 * 257,
    )
    assert cloud.scans[0].position == (1.5, 2.5, 3.5)


def test_lzf_back_references_repeat_what_was_unpacked() -> None:
    from drone_ingest.clouds.pcd import unpack_lzf

    packed = bytes([2]) + b"abc" + bytes([0xE0, 20, 2]) + bytes([0x20, 0])
    assert unpack_lzf(packed, 1_000) == b"abc" + b"abc" * 9 + b"ab" + b"b" * 3
    assert unpack_lzf(packed, 7) == b"abcabca"
