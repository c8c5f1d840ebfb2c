"""What a file turned out to be: a flight, a photo, a cloud or heard Remote IDs, in Arrow tables.

Heights never mix: each of the four columns `alt_*_m` has one datum and is null where the file does not know it.
Angles are degrees (yaw clockwise from north, pitch up positive), speeds m/s in north, east, down; times UTC or null.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import pyarrow as pa

from drone_ingest.damage import Damage, Notes

__all__ = [
    "DATUMS", "EVENTS", "HEIGHTS", "POSITIONS", "Cloud", "Clock", "CloudScan", "Flight", "Found", "Photo",
    "RemoteIds",
]  # fmt: skip

HEIGHTS: Final = {
    "ellipsoid": "alt_ellipsoid_m",  # above the WGS 84 ellipsoid
    "orthometric": "alt_msl_m",  # above mean sea level, by the geoid the receiver carries
    "relative": "alt_takeoff_m",  # above the place of take-off
    "unknown": "alt_unknown_m",  # the file does not say
}
DATUMS: Final = tuple(HEIGHTS)  # position = code of the `datum` column of wire's poses@1
_TS = pa.timestamp("us", tz="UTC")
_F4, _F8 = pa.float32(), pa.float64()

POSITIONS: Final = pa.schema(
    [
        ("ts", _TS),  # UTC, from GPS where the file has it
        ("t_s", _F8),  # the file's own clock, from its first record
        ("vehicle", pa.string()),
        ("lat_deg", _F8), ("lon_deg", _F8),
        ("alt_ellipsoid_m", _F8), ("alt_msl_m", _F8), ("alt_takeoff_m", _F8), ("alt_unknown_m", _F8),
        ("vel_n_m_s", _F4), ("vel_e_m_s", _F4), ("vel_d_m_s", _F4),
        ("roll_deg", _F4), ("pitch_deg", _F4), ("yaw_deg", _F4),
        ("gimbal_roll_deg", _F4), ("gimbal_pitch_deg", _F4), ("gimbal_yaw_deg", _F4),
        ("fix", pa.uint8()),  # GPS_FIX_TYPE of MAVLink: 3 is 3D, 5 RTK float, 6 RTK fixed
        ("satellites", pa.uint8()),
        ("eph_m", _F4), ("epv_m", _F4),  # standard error, horizontal and vertical
        ("battery_percent", _F4),
        ("mode", pa.string()),
        ("source", pa.string()),  # message type, SRT grammar, column layout
        ("photo", pa.string()),  # file name of the picture taken here
        ("quality", pa.uint8()),  # flags of wire.quality
    ]
)  # fmt: skip

EVENTS: Final = pa.schema(
    [
        ("ts", _TS),
        ("t_s", _F8),
        ("severity", pa.uint8()),  # 0 emergency … 7 debug, as syslog counts
        ("kind", pa.string()),
        ("text", pa.string()),
    ]
)


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """How the file's clock became UTC: `utc_us = log_us + offset_us`; null when nothing in the file knows UTC."""

    source: str = ""  # the message that knew, "" when none did
    offset_us: int | None = None
    spread_us: int = 0  # median absolute deviation of the samples
    samples: int = 0


@dataclass(slots=True)
class Found:
    """What every file has."""

    kind: str
    file: str
    notes: Notes

    @property
    def warnings(self) -> list[str]:
        """For people, damages included."""
        return self.notes.warnings

    @property
    def damages(self) -> list[Damage]:
        """Broken places; empty when the file is whole."""
        return self.notes.damages


@dataclass(slots=True)
class Flight(Found):
    """A log, a subtitle track, a KML track, a table of positions."""

    messages: dict[str, pa.Table] = field(default_factory=dict)  # by type, in the file's order
    positions: pa.Table = field(default_factory=POSITIONS.empty_table)
    events: pa.Table = field(default_factory=EVENTS.empty_table)
    clock: Clock = field(default_factory=Clock)
    span_s: tuple[float, float] | None = None  # first and last record on the file's clock
    start_us: int | None = None  # UTC of the first record
    info: dict[str, str] = field(default_factory=dict)  # vehicle, firmware, grammar
    records: int | None = None  # where `messages` has not one row a record
    keep: object = None  # owns the temporary file behind `messages`


@dataclass(slots=True)
class Photo(Found):
    """A picture: one row of POSITIONS (the camera) and its optics. `tags` holds what else it says, as text."""

    position: pa.Table = field(default_factory=POSITIONS.empty_table)
    width_px: int | None = None
    height_px: int | None = None
    focal_mm: float | None = None
    focal_35mm: float | None = None
    make: str = ""
    model: str = ""
    taken: str = ""  # camera's wall clock, without zone unless the file gives one
    rtk: dict[str, float] = field(default_factory=dict)  # flag, std_lat_m, std_lon_m, std_height_m
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RemoteIds(Found):
    """Heard Remote ID broadcasts: `messages` by type, `positions` of the aircraft, one summary per transmitter."""

    messages: dict[str, pa.Table] = field(default_factory=dict)
    positions: pa.Table = field(default_factory=POSITIONS.empty_table)
    transmitters: pa.Table | None = None
    frames: int = 0


class CloudScan(msgspec.Struct, frozen=True, kw_only=True):
    """One scan of a cloud: where the sensor stood (in the cloud's coordinates), when known."""

    index: int
    name: str = ""
    points: int = 0
    position: tuple[float, float, float] | None = None
    rotation: tuple[float, float, float, float] | None = None  # quaternion w, x, y, z: scanner to cloud
    start_utc: str | None = None


@dataclass(slots=True)
class Cloud(Found):
    """A point cloud: its head now, its points in chunks when asked for.

    `chunks()` yields record batches with x, y, z (float64, the cloud's coordinates, whole-file transform applied) and
    what the file has of intensity, red, green, blue (uint16), gps_time_s, point_source_id, return_number,
    classification, scan (uint32 index into `scans`). Damage met while reading lands in `notes`.
    """

    points: int = 0
    bounds: list[float] | None = None  # min x, y, z, max x, y, z as the head says; None when it does not
    crs: str | None = None
    height_datum: str | None = None
    unit_m: float | None = None  # metres to one unit of x and y; None when the file does not say, or they are degrees
    height_unit_m: float | None = None  # the same of z
    scans: list[CloudScan] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    start_us: int | None = None
    duration_s: float | None = None
    gps_epoch_s: float | None = None  # gps_time_s plus this is seconds since 1980-01-06; None when it is not known
    chunks: Callable[[], Iterator[pa.RecordBatch]] = field(default=lambda: iter(()))
