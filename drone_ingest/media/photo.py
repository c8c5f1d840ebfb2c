"""A photo: where the camera stood, when, and how it looked, from EXIF and XMP of JPEG, TIFF and DNG.

Heights: with RTK, DJI's absolute altitude is above the ellipsoid; otherwise EXIF's reference says above sea level
(or, EXIF 3, above the ellipsoid), and a height without reference is of no known datum: one camera writes ellipsoidal
ones. `RelativeAltitude` is above take-off. UTC is the GPS stamp or DJI's `UTCAtExposure`; the camera's own clock has
no zone and stays text in `taken`.
"""

import mmap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from drone_ingest.damage import Notes
from drone_ingest.found import Photo
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.tlog import Progress
from drone_ingest.media.jpeg import read_segments
from drone_ingest.media.tiff_tags import Bytes, Tags, rational, read_tags, text
from drone_ingest.media.xmp import number, read_xmp
from drone_ingest.positions import NO_TIME, positions_table

__all__ = ["read_photo"]

_XMP_TAG = 0x02BC
_FIXES = {16: 3.0, 34: 5.0, 50: 6.0}  # DJI's RtkFlag → GPS_FIX_TYPE: single, float, fixed
_ANGLES = {
    "gimbal_roll_deg": ("GimbalRollDegree",), "gimbal_pitch_deg": ("GimbalPitchDegree",),
    "gimbal_yaw_deg": ("GimbalYawDegree",), "roll_deg": ("FlightRollDegree", "Roll"),
    "pitch_deg": ("FlightPitchDegree", "Pitch"), "yaw_deg": ("FlightYawDegree", "Yaw"),
    "vel_n_m_s": ("FlightXSpeed",), "vel_e_m_s": ("FlightYSpeed",), "vel_d_m_s": ("FlightZSpeed",),
}  # fmt: skip


def read_photo(path: Path, limits: DroneLimits, progress: Progress) -> Photo:
    """One photo; what it does not say is null."""
    notes = Notes(limits.warnings)
    photo = Photo(kind="photo", file=path.name, notes=notes)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        directories, names = _metadata(data, photo, limits)
    progress(path.stat().st_size)
    _camera(photo, directories)
    photo.tags = names
    columns = _position(photo, directories.get("gps", {}), names)
    columns["photo"] = np.array([path.name])
    columns["source"] = np.array(["XMP" if names else "EXIF"])
    photo.position = positions_table(1, columns, notes)
    if photo.position["lat_deg"].null_count:
        notes.warn("it does not say where it was taken")
    return photo


def _metadata(data: Bytes, photo: Photo, limits: DroneLimits) -> tuple[dict[str, Tags], dict[str, str]]:
    notes = photo.notes
    if data[0:2] == b"\xff\xd8":
        segments = read_segments(data, limits.photo_segments, notes)
        if segments.size_px is not None:
            photo.width_px, photo.height_px = segments.size_px
        directories = read_tags(segments.exif, limits.photo_tags, notes) if segments.exif else {}
        packet: Any = segments.xmp
    else:
        directories = read_tags(data, limits.photo_tags, notes)
        packet = directories.get("main", {}).get(_XMP_TAG, b"")
        size = [rational(directories.get("main", {}), tag) for tag in (0x0100, 0x0101)]
        if all(size):
            photo.width_px, photo.height_px = (int(one[0]) for one in size)
    names = read_xmp(packet, limits, notes) if isinstance(packet, bytes) and packet else {}
    return directories, names


def _camera(photo: Photo, directories: dict[str, Tags]) -> None:
    main, exif = directories.get("main", {}), directories.get("exif", {})
    photo.make, photo.model = text(main, 0x010F), text(main, 0x0110)
    photo.taken = " ".join(filter(None, (text(exif, 0x9003) or text(main, 0x0132), text(exif, 0x9011))))
    photo.focal_mm = next(iter(rational(exif, 0x920A)), None)
    photo.focal_35mm = next(iter(rational(exif, 0xA405)), None) or None
    if photo.width_px is None:
        size = [rational(exif, tag) for tag in (0xA002, 0xA003)]
        if all(size):
            photo.width_px, photo.height_px = (int(one[0]) for one in size)


def _position(photo: Photo, gps: Tags, names: dict[str, str]) -> dict[str, Any]:
    lat = number(names, "GpsLatitude", "Latitude")
    lon = number(names, "GpsLongitude", "GpsLongtitude", "Longitude")  # DJI misspells it on some aircraft
    if lat is None or lon is None or (lat == 0 and lon == 0):
        lat, lon = _degrees(gps, 2, text(gps, 1), "S"), _degrees(gps, 4, text(gps, 3), "W")
    columns: dict[str, Any] = {"lat_deg": _row(lat), "lon_deg": _row(lon)}
    _rtk(photo, names, columns)
    _heights(photo, gps, names, columns)
    for name, keys in _ANGLES.items():
        columns[name] = _row(number(names, *keys))
    for name in ("gimbal_yaw_deg", "yaw_deg"):
        columns[name] %= 360
    error = next(iter(rational(gps, 31)), None) or number(names, "GPSXYAccuracy")
    columns.setdefault("eph_m", _row(error))
    columns.setdefault("epv_m", _row(number(names, "GPSZAccuracy")))
    at = _utc_us(gps, names)
    columns["ts"] = np.array([NO_TIME if at is None else at])
    return columns


def _rtk(photo: Photo, names: dict[str, str], columns: dict[str, Any]) -> None:
    flag = number(names, "RtkFlag")
    if flag is None:
        return
    photo.rtk["flag"] = flag
    for name, key in (("std_lat_m", "RtkStdLat"), ("std_lon_m", "RtkStdLon"), ("std_height_m", "RtkStdHgt")):
        value = number(names, key)
        if value is not None:
            photo.rtk[name] = value
    columns["fix"] = _row(_FIXES.get(int(flag)))
    flat = [photo.rtk[name] for name in ("std_lat_m", "std_lon_m") if name in photo.rtk]
    if flag and flat:
        columns["eph_m"], columns["epv_m"] = _row(max(flat)), _row(photo.rtk.get("std_height_m"))


def _heights(photo: Photo, gps: Tags, names: dict[str, str], columns: dict[str, Any]) -> None:
    columns["alt_takeoff_m"] = _row(number(names, "RelativeAltitude"))
    said = number(names, "AbsoluteAltitude")
    exif, reference = next(iter(rational(gps, 6)), None), next(iter(rational(gps, 5)), None)
    if exif is not None and reference in (1, 3):
        exif = -exif
    rtk = photo.rtk.get("flag", 0) > 0 and names.get("AltitudeType", "RtkAlt") == "RtkAlt"
    if said is not None and rtk:
        columns["alt_ellipsoid_m"] = _row(said)
    elif reference in (2, 3):
        columns["alt_ellipsoid_m"] = _row(exif)
    elif exif is not None and reference is not None:
        columns["alt_msl_m"] = _row(exif)
        if said is not None:
            photo.notes.warn("its height above the sea is by GPS and barometer, without RTK: metres off")
    else:
        columns["alt_unknown_m"] = _row(said if exif is None else exif)


def _row(value: float | None) -> Any:
    return np.array([np.nan if value is None else value], np.float64)


def _degrees(gps: Tags, tag: int, reference: str, negative: str) -> float | None:
    parts = rational(gps, tag)
    if len(parts) != 3:
        return None
    value = parts[0] + parts[1] / 60 + parts[2] / 3_600
    return -value if reference.upper().startswith(negative) else value


def _utc_us(gps: Tags, names: dict[str, str]) -> int | None:
    if "UTCAtExposure" in names:
        try:
            moment = datetime.fromisoformat(names["UTCAtExposure"].replace(" ", "T"))
            return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1e6)
        except ValueError:
            pass  # the GPS stamp is the next best
    clock, day = rational(gps, 7), text(gps, 29)
    if len(clock) != 3 or not day:
        return None
    try:
        date = datetime.strptime(day.replace("-", ":"), "%Y:%m:%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    seconds = clock[0] * 3_600 + clock[1] * 60 + clock[2]
    return round((date.timestamp() + seconds) * 1e6) if 0 <= seconds < 86_401 else None
