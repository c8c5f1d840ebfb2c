"""Poses of photos from a table, where their EXIF is not enough: model metres, angles as a gimbal has them.

```
photo,x,y,z,yaw_deg,pitch_deg,roll_deg,focal_px,width_px,height_px
DJI_0018.JPG,12.1,-4.0,31.5,45,-89.9,0,2340,4000,2250
```
Yaw is clockwise from the model's y axis. Focal length and size are taken from the photo where they are left out.
"""

import csv
import math
from pathlib import Path

import numpy as np

from drone_ingest.found import Photo
from drone_ingest.photos.lens import Lens, lens_of
from drone_ingest.photos.pose import CameraPose, rotation_of
from wire.errors import InputError

__all__ = ["GivenPose", "read_poses"]

_BYTES_MAX = 32 << 20
_ROWS_MAX = 200_000
_FIX = "give a CSV with photo,x,y,z,yaw_deg,pitch_deg,roll_deg"
_NUMBERS = ("x", "y", "z", "yaw_deg", "pitch_deg", "roll_deg")


class GivenPose:
    """One row; `of` makes it the pose of its photo."""

    def __init__(self, numbers: dict[str, float], sigma_m: float) -> None:
        self._numbers, self._sigma = numbers, sigma_m

    def of(self, photo: Photo) -> CameraPose:
        """The pose of a photo; raises InputError when neither says how wide it sees."""
        got = self._numbers
        x, y, z, yaw, pitch, roll = (got.get(name, 0.0) for name in _NUMBERS)
        right, down, ahead = ((float(a), float(b), float(c)) for a, b, c in rotation_of(yaw, pitch, roll))
        return CameraPose(
            photo=photo.file, eye_m=(x, y, z), axes=(right, down, ahead), lens=self._lens(photo), yaw_deg=yaw % 360,
            pitch_deg=pitch, how="given", sigma_m=self._sigma,
        )  # fmt: skip

    def _lens(self, photo: Photo) -> Lens:
        focal = self._numbers.get("focal_px")
        width = int(self._numbers.get("width_px", photo.width_px or 0))
        height = int(self._numbers.get("height_px", photo.height_px or 0))
        if focal is None or not width or not height:
            return lens_of(photo)
        return Lens(width_px=width, height_px=height, focal_px=focal, center_px=(width / 2, height / 2), how="given")


def read_poses(path: Path, sigma_m: float = 0.1) -> dict[str, GivenPose]:
    """Poses by the name of their photo; raises InputError with the line."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is larger than any table of poses", file=str(path), fix=_FIX)
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix=_FIX) from error
    if not rows or not {"photo", "x", "y", "z", "yaw_deg", "pitch_deg"} <= set(rows[0]) or len(rows) > _ROWS_MAX:
        raise InputError("it has no poses, or not their columns", file=str(path), field="line 1", fix=_FIX)
    return {str(row["photo"]): GivenPose(_checked(row, number, path), sigma_m) for number, row in enumerate(rows, 2)}


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
