"""Poses of photos that somebody gives: of photogrammetry, or a table with angles as a gimbal has them.

```
photo,x,y,z,yaw_deg,pitch_deg,roll_deg,focal_px,width_px,height_px
DJI_0018.JPG,12.1,-4.0,31.5,45,-89.9,0,2340,4000,2250
```
Yaw is clockwise from the model's y axis. Focal length and size are taken from the photo where they are left out.
"""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drone_ingest.found import Photo
from drone_ingest.photos.lens import Lens, lens_of
from drone_ingest.photos.pose import CameraPose, rotation_of
from drone_ingest.ray_scene import Floats
from drone_ingest.scan.camera_files import Camera, read_cameras
from wire.errors import InputError

__all__ = ["GivenPose", "given_for", "read_poses"]

_BYTES_MAX = 32 << 20
_ROWS_MAX = 200_000
_SIGMA_M = 0.1
_STEEP = 0.99
_FIX = "give a CSV with photo,x,y,z,yaw_deg,pitch_deg,roll_deg"
_NUMBERS = ("x", "y", "z", "yaw_deg", "pitch_deg", "roll_deg")


GivenPose = Callable[[Photo], CameraPose]
"""The pose of a photo; raises InputError when neither it nor the photo says how wide it sees."""


def read_poses(path: Path, transform: Path | None = None, sigma_m: float = _SIGMA_M) -> dict[str, GivenPose]:
    """Poses by the name of their photo: of a table in model metres, or of an export of OpenDroneMap, Metashape, Pix4D
    or COLMAP in the coordinates of its cloud.

    `transform` is a JSON with `transform`, 4x4 from the cloud to the model, as `aid4 drone register` prints it. Raises
    InputError with the line or field.
    """
    if path.suffix.lower() == ".csv":
        return {name: _of_table(numbers, sigma_m) for name, numbers in _rows(path)}
    matrix = np.eye(4) if transform is None else _matrix(transform)
    return {one.name: _of_camera(one, matrix, sigma_m) for one in read_cameras(path)}


def given_for(given: dict[str, GivenPose], photo: str) -> GivenPose | None:
    """The pose of a photo by its name, with or without its suffix; tools drop it."""
    stem = Path(photo).stem
    return given.get(photo) or given.get(stem) or next((given[n] for n in given if Path(n).name == photo), None)


def _of_table(numbers: dict[str, float], sigma_m: float) -> GivenPose:
    def of(photo: Photo) -> CameraPose:
        x, y, z, yaw, pitch, roll = (numbers.get(name, 0.0) for name in _NUMBERS)
        right, down, ahead = ((float(a), float(b), float(c)) for a, b, c in rotation_of(yaw, pitch, roll))
        return CameraPose(
            photo=photo.file, eye_m=(x, y, z), axes=(right, down, ahead), lens=_lens(numbers, photo),
            yaw_deg=yaw % 360, pitch_deg=pitch, how="given", sigma_m=sigma_m,
        )  # fmt: skip

    return of


def _of_camera(camera: Camera, matrix: Floats, sigma_m: float) -> GivenPose:
    def of(photo: Photo) -> CameraPose:
        x, y, z = (matrix[:3, :3] @ camera.eye + matrix[:3, 3]).tolist()
        turned = camera.axes @ matrix[:3, :3].T
        turned = turned / np.linalg.norm(turned, axis=1)[:, None]
        right, down, ahead = ((a, b, c) for a, b, c in turned.tolist())
        level = ahead if abs(ahead[2]) < _STEEP else tuple(-one for one in down)
        wide, high = photo.width_px or camera.width, photo.height_px or camera.height
        scale = wide / camera.width  # a picture may have been shrunk for its tool
        lens = Lens(
            width_px=wide, height_px=high, focal_px=camera.focal * scale,
            center_px=(camera.centre[0] * scale, camera.centre[1] * scale), how="given",
        )  # fmt: skip
        return CameraPose(
            photo=photo.file, eye_m=(x, y, z), axes=(right, down, ahead), lens=lens,
            yaw_deg=math.degrees(math.atan2(level[0], level[1])) % 360,
            pitch_deg=math.degrees(math.asin(max(-1.0, min(1.0, ahead[2])))), how="given by its tool", sigma_m=sigma_m,
        )  # fmt: skip

    return of


def _lens(numbers: dict[str, float], photo: Photo) -> Lens:
    focal = numbers.get("focal_px")
    width = int(numbers.get("width_px", photo.width_px or 0))
    height = int(numbers.get("height_px", photo.height_px or 0))
    if focal is None or not width or not height:
        return lens_of(photo)
    return Lens(width_px=width, height_px=height, focal_px=focal, center_px=(width / 2, height / 2), how="given")


def _rows(path: Path) -> list[tuple[str, dict[str, float]]]:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is larger than any table of poses", file=str(path), fix=_FIX)
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix=_FIX) from error
    if not rows or not {"photo", "x", "y", "z", "yaw_deg", "pitch_deg"} <= set(rows[0]) or len(rows) > _ROWS_MAX:
        raise InputError("it has no poses, or not their columns", file=str(path), field="line 1", fix=_FIX)
    return [(str(row["photo"]), _checked(row, number, path)) for number, row in enumerate(rows, 2)]


def _matrix(path: Path) -> Floats:
    fix = "give the JSON that aid4 drone register --json printed, or result.json of a scan"
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise ValueError("it is larger than any")
        matrix = np.array(json.loads(path.read_bytes())["transform"], np.float64)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"it holds no transform: {error}", file=str(path), field="transform", fix=fix) from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise InputError("its transform is no 4x4 matrix", file=str(path), field="transform", fix=fix)
    return matrix


def _checked(row: dict[str, str | None], number: int, path: Path) -> dict[str, float]:
    wanted = (*_NUMBERS, "focal_px", "width_px", "height_px")
    try:
        numbers = {name: float(row[name] or 0) for name in wanted if row.get(name) not in (None, "")}
    except (TypeError, ValueError) as error:
        problem = f"a number in it cannot be read: {str(error)[:100]}"
        raise InputError(problem, file=str(path), field=f"line {number}", fix=_FIX) from error
    sizes = [numbers.get(name, 1.0) for name in ("focal_px", "width_px", "height_px")]
    sound = all(map(math.isfinite, numbers.values())) and np.abs([*numbers.values()]).max(initial=0) < 1e7
    if (
        not sound
        or not {"x", "y", "z", "yaw_deg", "pitch_deg"} <= set(numbers)
        or not all(1 <= one < 1e6 for one in sizes)
    ):
        raise InputError("a number in it is missing or cannot be", file=str(path), field=f"line {number}", fix=_FIX)
    return numbers
