"""A photo's pose in the model is where its tags say, and pixels lead where they should; real photos too."""

import json
from pathlib import Path

import numpy as np
import pytest

import drone_ingest
from bim.geo.frame import SiteFrame
from bim.geo.settings import Origin
from bim.georeference import Georeference
from drone_ingest.found import Photo
from drone_ingest.photos.given_poses import read_poses
from drone_ingest.photos.lens import Lens, lens_of
from drone_ingest.photos.pose import pose_of, rotation_of
from wire.errors import InputError


def read(path: Path) -> Photo:
    found = drone_ingest.read(path)
    assert isinstance(found, Photo)
    return found


def test_a_photo_with_rtk_stands_where_it_was_taken_and_its_middle_looks_ahead(facing: Path, frame: SiteFrame) -> None:
    pose = pose_of(read(facing), frame)
    assert pose.eye_m == pytest.approx((0.0, -20.0, 5.0), abs=0.01)
    assert pose.sigma_m < 0.05
    assert pose.warnings == []
    _, rays = pose.rays(np.array([[2000.0, 1500.0], [4000.0, 1500.0], [2000.0, 0.0]]))
    assert rays[0] == pytest.approx([0, 1, 0], abs=1e-3)
    assert rays[1][0] > 0.5  # the right of the picture is east
    assert rays[2][2] > 0.4  # its top is up


def test_pixels_and_points_lead_to_each_other(facing: Path, frame: SiteFrame) -> None:
    pose = pose_of(read(facing), frame)
    pixels = np.random.default_rng(1).random((200, 2)) * [4000, 3000]
    origins, rays = pose.rays(pixels)
    back, inside = pose.pixels(origins + rays * 17.0)
    assert inside.all()
    assert np.abs(back - pixels).max() < 1e-6
    _, behind = pose.pixels(origins - rays * 17.0)
    assert not behind.any()


def test_a_distorted_lens_is_undone() -> None:
    lens = Lens(width_px=5280, height_px=3956, focal_px=3700.0, center_px=(2650.0, 1970.0),
                radial=(-0.11, 0.012, -0.02), tangential=(0.0003, -0.0002))  # fmt: skip
    pixels = np.random.default_rng(2).random((500, 2)) * [5280, 3956]
    back, inside = lens.pixels(lens.directions(pixels) * 9.0)
    assert inside.all()
    assert np.abs(back - pixels).max() < 0.01


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "right", "down", "ahead"),
    [
        (0, 0, 0, (1, 0, 0), (0, 0, -1), (0, 1, 0)),
        (90, 0, 0, (0, -1, 0), (0, 0, -1), (1, 0, 0)),
        (0, -90, 0, (1, 0, 0), (0, -1, 0), (0, 0, -1)),
        (180, -90, 0, (-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        (0, 0, 90, (0, 0, -1), (-1, 0, 0), (0, 1, 0)),
    ],
)
def test_angles_mean_what_they_mean_on_a_drone(yaw, pitch, roll, right, down, ahead) -> None:
    found = rotation_of(yaw, pitch, roll)
    assert found == pytest.approx(np.array([right, down, ahead], float), abs=1e-12)


def test_three_real_photos_of_one_line_look_down_along_it(shared_data: Path) -> None:
    """Brighton beach: taken 40 m above take-off, gimbal -89.9 degrees, some metres apart."""
    place = Origin(46.842607, -91.994560, 158.51)
    frame = SiteFrame.from_georeference(Georeference(kind="none"), origin=place, true_north_deg=0.0)
    poses = [
        pose_of(read(path), frame, takeoff_m=0.0) for path in sorted((shared_data / "drone" / "photos").glob("*.JPG"))
    ]
    assert [one.pitch_deg for one in poses] == pytest.approx([-89.9] * 3, abs=0.05)
    assert [one.eye_m[2] for one in poses] == pytest.approx([39.8, 40.1, 40.1], abs=0.11)
    assert poses[0].eye_m[:2] == pytest.approx((0, 0), abs=0.1)
    line = np.array([one.eye_m for one in poses])
    flown = np.degrees(np.arctan2(*(line[2] - line[0])[:2])) % 360
    assert flown == pytest.approx(poses[0].yaw_deg, abs=5)  # it flew where it looked
    focal = lens_of(read(shared_data / "drone" / "photos" / "DJI_0018.JPG")).focal_px
    assert 0.5 < focal / 4000 < 0.65  # 20 mm equivalent: 94 degrees across the corners
    assert all("metres off" in one.warnings[0] for one in poses)


def test_overlapping_real_photos_see_the_same_spot_of_the_ground(shared_data: Path) -> None:
    """A point under one photo falls into the next where its movement says, to the exactness of GPS."""
    place = Origin(46.842607, -91.994560, 158.51)
    frame = SiteFrame.from_georeference(Georeference(kind="none"), origin=place, true_north_deg=0.0)
    first, second, _ = (
        pose_of(read(path), frame, takeoff_m=0.0) for path in sorted((shared_data / "drone" / "photos").glob("*.JPG"))
    )
    pixels, inside = second.pixels(np.array([[first.eye_m[0], first.eye_m[1], 0.0]]))
    assert inside[0]
    moved_m = np.hypot(*(np.array(second.eye_m) - first.eye_m)[:2])
    off_px = np.hypot(*(pixels[0] - [2000, 1125]))
    assert off_px == pytest.approx(moved_m / 40.0 * second.lens.focal_px, rel=0.1)


def test_what_a_photo_lacks_is_said_by_its_field(shared_data: Path, frame: SiteFrame, facing: Path) -> None:
    wing = read(shared_data / "bim" / "drone" / "IMG_2171.JPG")
    with pytest.raises(InputError) as refused:
        pose_of(wing, frame)
    assert refused.value.field == "GPSAltitude"
    sea = read(shared_data / "drone" / "photos" / "DJI_0018.JPG")
    with pytest.raises(InputError, match="compared") as refused:
        pose_of(sea, frame)  # the frame's heights are above the ellipsoid, the photo's above the sea
    assert "--takeoff-z" in refused.value.fix
    bare = read(facing)
    bare.focal_35mm, bare.model = None, "Unheard Of"
    with pytest.raises(InputError, match="lens"):
        lens_of(bare)


def test_given_poses_replace_what_exif_says(tmp_path: Path, facing: Path) -> None:
    (tmp_path / "poses.csv").write_text("photo,x,y,z,yaw_deg,pitch_deg,roll_deg\nfacing.JPG,1,2,3,90,-10,0\n")
    pose = read_poses(tmp_path / "poses.csv")["facing.JPG"](read(facing))
    assert pose.eye_m == (1.0, 2.0, 3.0)
    assert pose.axes[2] == pytest.approx((np.cos(np.radians(10)), 0, -np.sin(np.radians(10))), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("photo,x\n", "line 1"),
        ("photo,x,y,z,yaw_deg,pitch_deg\na.jpg,1,2,x,0,0\n", "line 2"),
        ("photo,x,y,z,yaw_deg,pitch_deg\na.jpg,1,2\n", "line 2"),
        ("photo,x,y,z,yaw_deg,pitch_deg\na.jpg,1,2,inf,0,0\n", "line 2"),
        ("photo,x,y,z,yaw_deg,pitch_deg,focal_px\na.jpg,1,2,3,0,0,-4\n", "line 2"),
    ],
)
def test_broken_poses_are_refused_with_their_line(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "poses.csv").write_text(text)
    with pytest.raises(InputError) as refused:
        read_poses(tmp_path / "poses.csv")
    assert refused.value.field == field


def test_cameras_of_colmap_lie_in_the_model_after_the_transform_of_the_scan(tmp_path: Path, facing: Path) -> None:
    """A camera at the cloud's 1, 2, 3 that looks along its x axis; the cloud is turned a quarter and moved."""
    folder = tmp_path / "colmap"
    folder.mkdir()
    (folder / "cameras.txt").write_text("1 PINHOLE 2000 1500 1500 1500 1000 750\n")
    rotation = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # rows right, down, ahead
    w = np.sqrt(max(1 + np.trace(rotation), 0)) / 2
    x, y, z = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0],
                        rotation[1, 0] - rotation[0, 1]]) / (4 * w)  # fmt: skip
    t = -rotation @ [1.0, 2.0, 3.0]
    (folder / "images.txt").write_text(f"1 {w} {x} {y} {z} {t[0]} {t[1]} {t[2]} 1 facing.JPG\n\n")
    matrix = [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]]
    (tmp_path / "result.json").write_text(json.dumps({"accepted": True, "transform": matrix}))
    pose = read_poses(folder, tmp_path / "result.json")["facing.JPG"](read(facing))
    assert pose.eye_m == pytest.approx((8, 21, 33), abs=1e-6)
    assert pose.axes[2] == pytest.approx((0, 1, 0), abs=1e-6)
    assert (pose.yaw_deg % 360, pose.pitch_deg) == pytest.approx((0, 0), abs=1e-4)
    assert pose.lens.focal_px == pytest.approx(3000)  # the photo is twice as wide as what its tool was given
    (tmp_path / "result.json").write_text('{"transform": [[1, 2]]}')
    with pytest.raises(InputError) as refused:
        read_poses(folder, tmp_path / "result.json")
    assert refused.value.field == "transform"
