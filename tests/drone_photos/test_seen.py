"""What a photo shows: shares of the picture that geometry foretells, nothing that is hidden, the best photo first."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

import drone_ingest
from bim.geo.frame import SiteFrame
from bim.tiles import ElementMesh
from bim.tiles.meshes import MeshWriter
from drone_ingest.found import Photo
from drone_ingest.photos.index import index_photos, photo_files
from drone_ingest.photos.pick import Picker
from drone_ingest.photos.pose import CameraPose, pose_of
from drone_ingest.photos.seen import PhotoScene, ranked
from drone_ingest.ray_scene import RayScene
from wire.errors import InputError


def pose_at(facing: Path, frame: SiteFrame, eye: tuple[float, float, float]) -> CameraPose:
    found = drone_ingest.read(facing)
    assert isinstance(found, Photo)
    return msgspec.structs.replace(pose_of(found, frame), eye_m=eye)


def test_each_half_takes_the_share_of_the_picture_that_its_size_says(wall, facing: Path, frame: SiteFrame) -> None:
    pose = pose_at(facing, frame, (0.0, -20.0, 5.0))
    rows = {row["element"]: row for row in PhotoScene(wall).look(pose).elements.to_pylist()}
    focal = pose.lens.focal_px
    expected = (10 / 20 * focal) * (10 / 20 * focal) / (4000 * 3000)
    for name in ("left", "right"):
        assert rows[name]["share"] == pytest.approx(expected, rel=0.05)
        assert rows[name]["distance_m"] == pytest.approx(20.5, abs=1.0)
        assert rows[name]["facing"] > 0.9
    assert "behind" not in rows
    assert rows["slab"]["facing"] < 0.5


def test_what_is_not_standing_hides_nothing(wall, facing: Path, frame: SiteFrame) -> None:
    pose = pose_at(facing, frame, (0.0, -20.0, 5.0))
    seen = PhotoScene([one for one in wall if one.global_id != "left"]).look(pose)
    assert "behind" in seen.elements["element"].to_pylist()


def test_the_footprint_lies_on_the_ground_below_a_camera_that_looks_down(wall, facing: Path, frame: SiteFrame) -> None:
    pose = pose_at(facing, frame, (0.0, -10.0, 18.0))
    down = msgspec.structs.replace(pose, axes=((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)))
    corners = np.array(PhotoScene(wall[3:]).look(down).footprint_m)
    half_x, half_y = 18 / down.lens.focal_px * 2000, 18 / down.lens.focal_px * 1500
    expected = [[-half_x, -10 + half_y], [half_x, -10 + half_y], [half_x, -10 - half_y], [-half_x, -10 - half_y]]
    assert corners[:, :2] == pytest.approx(np.array(expected), rel=0.02)
    assert PhotoScene(wall).look(pose).footprint_m is None  # its upper corners look into the sky


def test_the_best_photo_of_an_element_is_near_head_on_and_has_it_in_the_middle(wall, facing, frame) -> None:
    scene = PhotoScene(wall)
    eyes = {"far": (5.0, -60.0, 5.0), "near": (5.0, -12.0, 5.0), "aside": (-30.0, -12.0, 5.0)}
    tables = [
        scene.look(msgspec.structs.replace(pose_at(facing, frame, eye), photo=name)).elements
        for name, eye in eyes.items()
    ]
    found = [row["photo"] for row in ranked(tables, "right")]
    assert found[0] == "near"
    assert set(found) <= set(eyes)
    assert ranked(tables, "nothing") == []


def test_a_pick_agrees_with_the_ray_library(wall: list[ElementMesh]) -> None:
    rng = np.random.default_rng(4)
    eyes = rng.normal(size=(300, 3)) * [15, 15, 4] + [0, -5, 12]
    ways = rng.normal(size=(300, 3)) * [12, 12, 6] - eyes
    ways /= np.linalg.norm(ways, axis=1)[:, None]
    hits = RayScene.of(wall).cast(eyes, ways)
    picker = Picker(wall)
    met = 0
    for row in range(300):
        found = picker.pick(eyes[row], ways[row])
        if hits.owner[row] < 0:
            assert found is None
            continue
        met += 1
        assert found is not None
        assert found.global_id == wall[hits.owner[row]].global_id
        assert found.distance_m == pytest.approx(hits.t_m[row], abs=1e-3)
        assert np.dot(found.normal, ways[row]) <= 0
    assert met > 100


def test_a_folder_is_indexed_and_what_has_no_pose_is_listed(wall, facing: Path, frame: SiteFrame) -> None:
    (facing.parent / "not_a_photo.jpg").write_bytes(b"\xff\xd8 nothing")
    (facing.parent / "notes.txt").write_text("lunch at twelve")
    files = photo_files([facing.parent])
    assert [path.name for path in files] == ["facing.JPG", "not_a_photo.jpg"]
    index = index_photos(files, PhotoScene(wall), frame)
    assert index.photos["photo"].to_pylist() == ["facing.JPG"]
    assert [one["file"] for one in index.without] == ["not_a_photo.jpg"]
    pose = msgspec.json.decode(index.photos["pose"][0].as_py(), type=CameraPose)
    assert pose.eye_m == pytest.approx((0.0, -20.0, 5.0), abs=0.01)
    with pytest.raises(InputError, match="no picture"):
        photo_files([facing.parent / "nowhere_dir_of_photos"][:0])


def test_the_child_of_a_twin_writes_what_the_photos_show(
    wall, facing: Path, frame: SiteFrame, tmp_path: Path, shared_data: Path
) -> None:
    with MeshWriter(tmp_path / "meshes.arrow", np.zeros(3)) as writer:
        for one in wall:
            writer.write(one, "made")
    pose = pose_at(facing, frame, (0.0, -20.0, 5.0))
    job = {"poses": [msgspec.to_builtins(pose)], "meshes": str(tmp_path), "out_dir": str(tmp_path)}
    (tmp_path / "JOB.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "drone_ingest.photos.job", str(tmp_path / "JOB.json")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "photo_elements.parquet")
    assert {"left", "right"} <= set(table["element"].to_pylist())
    known = json.loads((tmp_path / "result.json").read_text())
    assert known["photos"][0]["elements"] == len(table)
    (tmp_path / "JOB.json").write_text(json.dumps({**job, "meshes": str(tmp_path / "nowhere")}))
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 2
    assert json.loads(done.stderr)["fix"]


def test_real_photos_of_a_real_building_that_is_laid_below_them(
    shared_data: Path, tmp_path: Path, frame: SiteFrame
) -> None:
    from click.testing import CliRunner

    from aid4.cli import cli

    photos, house = shared_data / "drone" / "photos", shared_data / "bim" / "ifc" / "AC20-FZK-Haus.ifc"
    (tmp_path / "poses.csv").write_text(
        "photo,x,y,z,yaw_deg,pitch_deg\nDJI_0018.JPG,6,-20,5,0,-5\nDJI_0019.JPG,6,5,30,0,-90\n"
    )
    words = ["drone", "photos", photos, "--ifc", house, "--poses", tmp_path / "poses.csv", "--out", tmp_path / "out"]
    done = CliRunner().invoke(cli, [*map(str, words), "--tiles", str(tmp_path / "tiles"), "--json"])
    assert done.exit_code == 0, done.output
    known = json.loads(done.stdout)
    shown = {one["file"]: one for one in known["photos"]}
    assert len(shown["DJI_0018.JPG"]["elements"]) > 3
    assert 1 <= len(shown["DJI_0019.JPG"]["elements"]) < 40
    assert [one["file"] for one in known["without_pose"]] == ["DJI_0020.JPG"]  # taken on another continent
    assert "km from the model" in known["without_pose"][0]["problem"]
    assert pq.read_table(tmp_path / "out" / "photos.parquet").num_rows == len(shown)
