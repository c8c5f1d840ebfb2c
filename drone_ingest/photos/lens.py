"""A lens: pixels of a picture ↔ unit directions of its camera (x right, y down, z ahead), with Brown's distortion."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from drone_ingest.found import Photo
from drone_ingest.media.xmp import number
from drone_ingest.ray_scene import Floats
from wire.errors import InputError

__all__ = ["Lens", "lens_of"]

_ROUNDS = 12  # of undoing the distortion
_DIAGONAL_35MM = math.hypot(36, 24)
_SENSOR_MM = {  # width of the sensor by the model in EXIF, for cameras that give no other clue
    "FC300S": 6.17, "FC300X": 6.17, "FC330": 6.17, "FC220": 6.17, "FC350": 6.17, "FC6310": 13.2, "FC6310S": 13.2,
    "FC6310R": 13.2, "FC3170": 6.4, "M3E": 17.4, "L1D-20C": 13.2, "L2D-20C": 17.4, "Canon IXUS 125 HS": 6.17,
    "ZenmuseP1": 35.9, "M30T": 6.4, "M30": 6.4,
}  # fmt: skip
_FOCAL_SHARE = (0.2, 50.0)  # of the width of the picture: from a fisheye to a telescope


class Lens(msgspec.Struct, frozen=True, kw_only=True):
    """Focal length and centre in pixels; k1, k2, k3 and p1, p2 as OpenCV and DJI's DewarpData have them."""

    width_px: int
    height_px: int
    focal_px: float
    center_px: tuple[float, float]
    radial: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)
    how: str = ""

    def directions(self, pixels: NDArray[np.floating]) -> Floats:
        """Unit directions (n, 3) of pixels (n, 2); the middle of the first pixel is at 0.5, 0.5."""
        seen = (np.asarray(pixels, np.float64) - self.center_px) / self.focal_px
        true = seen.copy()
        if any(self.radial) or any(self.tangential):
            for _ in range(_ROUNDS):
                true = seen - (self._bent(true) - true)
        rays = np.column_stack([true, np.ones(len(true))])
        found: Floats = rays / np.linalg.norm(rays, axis=1)[:, None]
        return found

    def pixels(self, places: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Pixels (n, 2) of places (n, 3) in the camera's axes, and which of them are in the picture."""
        ahead = places[:, 2] > 1e-6
        flat = places[:, :2] / np.where(ahead, places[:, 2], 1.0)[:, None]
        found = self._bent(flat) * self.focal_px + self.center_px
        inside = ahead & (found >= 0).all(axis=1) & (found[:, 0] <= self.width_px) & (found[:, 1] <= self.height_px)
        reach = math.hypot(self.width_px, self.height_px) / self.focal_px  # beyond it the polynomial folds back
        return found, inside & (np.hypot(flat[:, 0], flat[:, 1]) <= reach)

    def _bent(self, flat: Floats) -> Floats:
        k1, k2, k3 = self.radial
        p1, p2 = self.tangential
        x, y = flat[:, 0], flat[:, 1]
        square = np.minimum(x * x + y * y, 25.0)
        grown = 1 + square * (k1 + square * (k2 + square * k3))
        bent_x = x * grown + 2 * p1 * x * y + p2 * (square + 2 * x * x)
        bent_y = y * grown + p1 * (square + 2 * y * y) + 2 * p2 * x * y
        return np.stack([bent_x, bent_y], axis=1)


def lens_of(photo: Photo) -> Lens:
    """The lens of a photo: calibrated in its XMP, else by the 35 mm equivalent, else by a sensor known by its name.

    Raises InputError when nothing says how wide it sees.
    """
    width, height = photo.width_px, photo.height_px
    fix = "give the camera's poses with --poses, or its photos with their EXIF and XMP as they came from the drone"
    if not width or not height or not (1 <= width <= 65_535 and 1 <= height <= 65_535):
        raise InputError("it does not say how large it is", file=photo.file, field="ImageWidth", fix=fix)
    lens = _calibrated(photo, width, height) or _by_35mm(photo, width, height) or _by_sensor(photo, width, height)
    if lens is None or not _FOCAL_SHARE[0] <= lens.focal_px / width <= _FOCAL_SHARE[1]:
        problem = f"the lens of {photo.make} {photo.model} is not known".replace("  ", " ")
        raise InputError(problem, file=photo.file, field="FocalLengthIn35mmFilm", fix=fix)
    return lens


def _calibrated(photo: Photo, width: int, height: int) -> Lens | None:
    """DJI: DewarpData `date;fx,fy,cx,cy,k1,k2,p1,p2,k3` (centre from the middle), else CalibratedFocalLength."""
    numbers = photo.tags.get("DewarpData", "").partition(";")[2].split(",")
    if len(numbers) == 9:
        try:
            fx, _, cx, cy, k1, k2, p1, p2, k3 = (float(one) for one in numbers)
        except ValueError:
            fx = math.nan
        if math.isfinite(fx) and fx > 0 and all(map(math.isfinite, (cx, cy, k1, k2, p1, p2, k3))):
            flag = photo.tags.get("DewarpFlag", "0") == "1"  # it was straightened in the camera already
            return Lens(
                width_px=width, height_px=height, focal_px=fx, center_px=(width / 2 + cx, height / 2 + cy),
                radial=(0.0, 0.0, 0.0) if flag else (k1, k2, k3), tangential=(0.0, 0.0) if flag else (p1, p2),
                how="DewarpData",
            )  # fmt: skip
    focal = number(photo.tags, "CalibratedFocalLength")
    if focal is None or focal <= 0:
        return None
    cx = number(photo.tags, "CalibratedOpticalCenterX") or width / 2
    cy = number(photo.tags, "CalibratedOpticalCenterY") or height / 2
    sound = 0.3 * width < cx < 0.7 * width and 0.3 * height < cy < 0.7 * height
    center = (cx, cy) if sound else (width / 2, height / 2)
    return Lens(width_px=width, height_px=height, focal_px=focal, center_px=center, how="CalibratedFocalLength")


def _by_35mm(photo: Photo, width: int, height: int) -> Lens | None:
    if not photo.focal_35mm or photo.focal_35mm <= 0:
        return None
    focal = photo.focal_35mm / _DIAGONAL_35MM * math.hypot(width, height)
    return Lens(
        width_px=width, height_px=height, focal_px=focal, center_px=(width / 2, height / 2), how="35 mm equivalent"
    )


def _by_sensor(photo: Photo, width: int, height: int) -> Lens | None:
    sensor = _SENSOR_MM.get(photo.model) or _SENSOR_MM.get(photo.model.removeprefix(photo.make).strip())
    if sensor is None or not photo.focal_mm or photo.focal_mm <= 0:
        return None
    focal = photo.focal_mm / sensor * width
    return Lens(
        width_px=width, height_px=height, focal_px=focal, center_px=(width / 2, height / 2), how="size of its sensor"
    )
