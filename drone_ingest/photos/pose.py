"""Where a camera stood and looked, in the model's frame: from a photo's EXIF and XMP, or from a file of cameras.

Angles of a gimbal are those of DJI: yaw clockwise from true north, pitch up positive (-90 looks down), roll. Without a
gimbal an aircraft's own angles stand for a camera that is fixed and looks down.
"""

import math

import msgspec
import numpy as np

from bim.geo.frame import SiteFrame
from drone_ingest.found import Photo
from drone_ingest.photos.lens import Lens, lens_of
from drone_ingest.ray_scene import Floats
from wire.errors import InputError

__all__ = ["CameraPose", "axes_at", "pose_of", "rotation_of"]

_STEP_DEG = 1e-4  # about ten metres, for the axes of the Earth in the model
_STEEP = 0.99
_GPS_M, _BAROMETER_M = 5.0, 3.0  # what is not said, at its usual size


class CameraPose(msgspec.Struct, frozen=True, kw_only=True):
    """A camera in the model: `eye_m` in model metres; rows of `axes` are its right, down and ahead there.

    `sigma_m` is about how far the eye may be off. JSON of it is what a twin keeps.
    """

    photo: str
    eye_m: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    lens: Lens
    yaw_deg: float
    pitch_deg: float
    how: str
    sigma_m: float
    warnings: list[str] = []

    def rays(self, pixels: Floats) -> tuple[Floats, Floats]:
        """Origins and unit directions (n, 3) in the model of pixels (n, 2)."""
        directions = self.lens.directions(pixels) @ np.array(self.axes)
        return np.broadcast_to(np.array(self.eye_m), directions.shape), directions

    def pixels(self, points: Floats) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Pixels (n, 2) of model points (n, 3), and which are in the picture (whatever stands before them)."""
        found, inside = self.lens.pixels((points - np.array(self.eye_m)) @ np.array(self.axes).T)
        return found, inside


def pose_of(photo: Photo, frame: SiteFrame, takeoff_m: float | None = None) -> CameraPose:
    """The pose of a photo in the model of a frame. `takeoff_m` is the model height of take-off: with it the height
    above take-off counts, which is better than what GPS says without RTK.

    Raises InputError naming what the photo lacks.
    """
    row = photo.position.to_pylist()[0]
    fix = "take the photos as they came from the drone, or give --poses"
    if row["lat_deg"] is None:
        raise InputError("it does not say where it was taken", file=photo.file, field="GPSLatitude", fix=fix)
    eye, how, sigma = _eye(photo, row, frame, takeoff_m)
    axes, said = _looks(photo, row)
    level = axes[2] if abs(axes[2, 2]) < _STEEP else -axes[1]  # straight down the top of the picture has the yaw
    turned = axes @ axes_at(frame, row["lat_deg"], row["lon_deg"])
    yaw, pitch = (
        math.degrees(math.atan2(level[0], level[1])) % 360,
        math.degrees(math.asin(max(-1.0, min(1.0, axes[2, 2])))),
    )
    right, down, ahead = ((float(a), float(b), float(c)) for a, b, c in turned)
    warnings = [] if row["fix"] in (5, 6) or sigma < 1 else [f"its place is by GPS: metres off (about {sigma:.0f} m)"]
    return CameraPose(
        photo=photo.file, eye_m=(float(eye[0]), float(eye[1]), float(eye[2])), axes=(right, down, ahead),
        lens=lens_of(photo), yaw_deg=yaw, pitch_deg=pitch, how=f"{how}, {said}", sigma_m=sigma, warnings=warnings,
    )  # fmt: skip


def rotation_of(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Floats:
    """Rows right, down, ahead of a camera in east, north, up."""
    yaw, pitch, roll = (math.radians(one) for one in (yaw_deg, pitch_deg, roll_deg))
    level = np.array([math.sin(yaw), math.cos(yaw), 0.0])
    ahead = level * math.cos(pitch) + np.array([0.0, 0.0, math.sin(pitch)])
    right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    down = np.cross(ahead, right)
    tilted = right * math.cos(roll) + down * math.sin(roll)
    return np.stack([tilted, np.cross(ahead, tilted), ahead])


def axes_at(frame: SiteFrame, lat_deg: float, lon_deg: float) -> Floats:
    """Rows east, north, up at a place, as unit vectors of the model."""
    here = [lat_deg, lon_deg, 0.0]
    rows = np.array([here, [lat_deg, lon_deg + _STEP_DEG, 0.0], [lat_deg + _STEP_DEG, lon_deg, 0.0]])
    there = frame.from_wgs84(rows)
    east, north = there[1] - there[0], there[2] - there[0]
    up = np.cross(east, north)
    north = np.cross(up, east)
    return np.stack([one / np.linalg.norm(one) for one in (east, north, up)])


def _eye(photo: Photo, row: dict[str, float], frame: SiteFrame, takeoff_m: float | None) -> tuple[Floats, str, float]:
    """Model place of the eye, how its height was found, and how far off it may be."""
    lat, lon = row["lat_deg"], row["lon_deg"]
    level = row["eph_m"] if row["eph_m"] is not None else _GPS_M
    if row["alt_takeoff_m"] is not None and takeoff_m is not None:
        eye = frame.from_wgs84(np.array([[lat, lon, 0.0]]))[0]
        eye[2] = takeoff_m + row["alt_takeoff_m"]
        return eye, "height above take-off", float(level)
    if row["alt_ellipsoid_m"] is not None:
        eye = frame.from_wgs84(np.array([[lat, lon, row["alt_ellipsoid_m"]]]), ellipsoidal=True)[0]
        return eye, "height above the ellipsoid", float(max(level, row["epv_m"] or _BAROMETER_M))
    if row["alt_msl_m"] is not None and "ellipsoid" not in frame.vertical_datum.lower():
        eye = frame.from_wgs84(np.array([[lat, lon, row["alt_msl_m"]]]))[0]
        return eye, "height above the sea", float(max(level, _BAROMETER_M, row["epv_m"] or _GPS_M))
    problem = "it has no height that the model's heights can be compared with"
    fix = "give --takeoff-z, the model height of take-off, for its height above take-off"
    raise InputError(problem, file=photo.file, field="GPSAltitude", fix=fix)


def _looks(photo: Photo, row: dict[str, float]) -> tuple[Floats, str]:
    """Rows right, down, ahead of the camera in east, north, up, and where they come from."""
    if row["gimbal_pitch_deg"] is not None and row["gimbal_yaw_deg"] is not None:
        axes = rotation_of(row["gimbal_yaw_deg"], row["gimbal_pitch_deg"], row["gimbal_roll_deg"] or 0.0)
        return axes, "angles of the gimbal"
    if row["yaw_deg"] is not None:
        right, down, ahead = rotation_of(row["yaw_deg"], row["pitch_deg"] or 0.0, row["roll_deg"] or 0.0)
        return np.stack([right, -ahead, down]), "fixed below its aircraft"
    fix = "give the camera's poses with --poses"
    raise InputError("it does not say where it looks", file=photo.file, field="GimbalPitchDegree", fix=fix)
