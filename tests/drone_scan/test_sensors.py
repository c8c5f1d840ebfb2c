"""Where the sensor stood: tables, times and cameras, and refusals of those that cannot be of this cloud."""

import json
from pathlib import Path

import numpy as np
import pytest

from drone_ingest.scan.camera_files import read_cameras
from drone_ingest.scan.cameras import origins_of_cameras
from drone_ingest.scan.points import ScanPoints
from drone_ingest.scan.sensors import origins_of, read_station_table
from wire.errors import InputError

XYZ = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])


def cloud(**known: object) -> ScanPoints:
    return ScanPoints("scan.las", XYZ, 3, **known)  # type: ignore[arg-type]


def table(folder: Path, text: str) -> Path:
    (folder / "table.csv").write_text(text)
    return folder / "table.csv"


def test_points_get_the_place_of_their_station(tmp_path: Path) -> None:
    ids = np.array([2, 1, 9], np.uint16)
    found, told = origins_of(cloud(station=ids), table(tmp_path, "id,x,y,z\n1,5,5,5\n2,6,6,6\n"))
    assert found is not None
    assert found[:2].tolist() == [[6, 6, 6], [5, 5, 5]]
    assert np.isnan(found[2]).all()
    assert any("9" in one for one in told)


def test_a_table_may_have_other_names_order_and_signs(tmp_path: Path) -> None:
    assert read_station_table(table(tmp_path, "X;Y;Z;Station\n1;2;3;7\n")) == {7: (1, 2, 3)}
    assert read_station_table(table(tmp_path, "7,1,2,3\n8,4,5,6\n")) == {7: (1, 2, 3), 8: (4, 5, 6)}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("id,x,y,z\n101,0,0,9\n", "id"),  # stations of another cloud
        ("id,x,y,z\n1,0,0,nan\n", "z"),
        ("id,x,y,z\n1,0,0,1\n1,0,0,2\n", "id"),
        ("id,x,y\n1,0,0\n", "z"),
        ("", ""),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_column_with_the_fix(tmp_path: Path, text: str, field: str) -> None:
    ids = np.array([1, 1, 2], np.uint16)
    with pytest.raises(InputError) as caught:
        origins_of(cloud(station=ids), table(tmp_path, text))
    assert caught.value.field == field
    assert "id,x,y,z" in caught.value.fix


def test_a_cloud_without_station_ids_is_refused_unless_there_is_one_station(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="point_source_id"):
        origins_of(cloud(), table(tmp_path, "id,x,y,z\n1,0,0,9\n2,1,1,9\n"))
    found, _ = origins_of(cloud(), table(tmp_path, "id,x,y,z\n1,0,0,9\n"))
    assert found is not None
    assert (found == [0, 0, 9]).all()


def test_stations_in_other_coordinates_are_refused(tmp_path: Path) -> None:
    ids = np.ones(3, np.uint16)
    with pytest.raises(InputError, match="km from its points"):
        origins_of(cloud(station=ids), table(tmp_path, "id,x,y,z\n1,512000,5402000,200\n"))


def test_a_trajectory_is_read_between_its_times_and_not_across_a_hole(tmp_path: Path) -> None:
    path = table(tmp_path, "time,x,y,z\n0,0,0,10\n2,4,0,10\n100,9,0,10\n")
    found, _ = origins_of(cloud(gps_time_s=np.array([1.0, 50.0, 500.0])), trajectory=path)
    assert found is not None
    assert found[0].tolist() == [2, 0, 10]
    assert np.isnan(found[1:]).all()
    with pytest.raises(InputError, match="it covers"):
        origins_of(cloud(gps_time_s=np.array([9e8, 9e8, 9e8])), trajectory=path)


def test_scans_of_an_e57_bring_their_own_places() -> None:
    found, told = origins_of(cloud(scan=np.array([0, 1, 0], np.uint32), poses={0: (0, 0, 3), 1: (1, 1, 3)}))
    assert found is not None
    assert found.tolist() == [[0, 0, 3], [1, 1, 3], [0, 0, 3]]
    assert told == []


def test_mangled_tables_are_read_or_refused_and_never_crash(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    sound = b"id,x,y,z\n1,5.5,5,5\n2,6,6e1,6\n"
    refused = 0
    for _ in range(200):
        broken = bytearray(sound[: rng.integers(1, len(sound) + 1)])
        broken[rng.integers(0, len(broken))] = rng.integers(0, 256)
        (tmp_path / "table.csv").write_bytes(broken)
        try:
            places = read_station_table(tmp_path / "table.csv")
        except InputError as error:
            refused += bool(error.fix)
        else:
            refused -= not all(np.isfinite(list(places.values())).ravel())
    assert refused > 20


DOWN = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])  # right, down and ahead of a camera that looks down, top north


def _odm(folder: Path) -> Path:
    shot = {"filename": "a.jpg", "translation": [3, 4, 20], "rotation": [np.pi, 0, 0], "focal": 0.8, "width": 4000,
            "height": 3000}  # fmt: skip
    (folder / "shots.geojson").write_text(json.dumps({"features": [{"properties": shot}]}))
    return folder / "shots.geojson"


def _colmap(folder: Path) -> Path:
    (folder / "cameras.txt").write_text("# head\n1 SIMPLE_RADIAL 4000 3000 3200 2000 1500 0.01\n")
    (folder / "images.txt").write_text("# head\n1 0 1 0 0 -3 4 20 1 a.jpg\n\n")
    return folder


def _pix4d(folder: Path) -> Path:
    text = """fileName imageWidth imageHeight
camera matrix K [3x3]
radial distortion [3x1]

a.jpg 4000 3000
3200 0 2000
0 3200 1500
0 0 1
0 0 0
0 0
3 4 20
1 0 0
0 -1 0
0 0 -1
"""
    (folder / "p_calibrated_camera_parameters.txt").write_text(text)
    return folder / "p_calibrated_camera_parameters.txt"


def _angles(folder: Path) -> Path:
    (folder / "external.txt").write_text("imageName X Y Z Omega Phi Kappa\na.jpg 3 4 20 0 0 0\n")
    return folder / "external.txt"


def _metashape(folder: Path) -> Path:
    matrix = "1 0 0 1 0 -1 0 2 0 0 -1 10 0 0 0 1"
    text = f"""<document><chunk><sensors><sensor id="0"><resolution width="4000" height="3000"/>
<calibration><f>3200</f><cx>0</cx><cy>0</cy></calibration></sensor></sensors>
<cameras><camera id="0" sensor_id="0" label="a.jpg"><transform>{matrix}</transform></camera></cameras>
<transform><rotation>1 0 0 0 1 0 0 0 1</rotation><translation>1 0 0</translation><scale>2</scale></transform>
</chunk></document>"""
    (folder / "cameras.xml").write_text(text)
    return folder / "cameras.xml"


@pytest.mark.parametrize("write", [_odm, _colmap, _pix4d, _angles, _metashape])
def test_cameras_of_every_tool_look_where_they_looked(tmp_path: Path, write: object) -> None:
    (camera,) = read_cameras(write(tmp_path))  # type: ignore[operator]
    assert camera.name == "a.jpg"
    assert np.allclose(camera.eye, [3, 4, 20])
    assert np.allclose(camera.axes, DOWN, atol=1e-9)
    assert camera.width == 4000
    assert camera.focal > 2900


@pytest.mark.parametrize("text", ["", "{}", "[1]", "<a><b/></a>", '{"features": [{"properties": {}}]}', "a b c\n"])
def test_files_without_cameras_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cameras.json").write_text(text)
    with pytest.raises(InputError):
        read_cameras(tmp_path / "cameras.json")


def test_a_point_behind_another_is_not_given_to_the_camera_that_cannot_see_it(tmp_path: Path) -> None:
    """A table of 2 m over a floor, one camera above it: the floor below the table is seen by nobody."""
    (camera,) = read_cameras(_odm(tmp_path))
    side = np.linspace(-1, 1, 60)
    top = np.stack(np.meshgrid(side + 3, side + 4, [2.0]), axis=-1).reshape(-1, 3)
    floor = np.stack(np.meshgrid(4 * side + 3, 4 * side + 4, [0.0]), axis=-1).reshape(-1, 3)
    eyes = origins_of_cameras(np.concatenate([top, floor]), [camera])
    assert np.isfinite(eyes[: len(top)]).all()
    below = (np.abs(floor[:, :2] - [3, 4]) < 0.8).all(axis=1)
    beside = (np.abs(floor[:, :2] - [3, 4]) > 1.5).any(axis=1)
    assert np.isnan(eyes[len(top) :][below]).all()
    assert (eyes[len(top) :][beside] == [3, 4, 20]).all()
