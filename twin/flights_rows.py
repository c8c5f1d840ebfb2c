"""Rows of flights and photos as the database has them, and the positions of a flight by column."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["FlightRow", "PhotoRow", "Track"]


class FlightRow(msgspec.Struct, frozen=True):
    """One flight; times in µs, null where nothing says them."""

    id: str
    source: str
    device: str
    point: int | None
    kind: str
    file: str
    group: str
    start_us: int | None
    finish_us: int | None
    is_open: bool
    duration_s: float | None
    distance_m: float
    positions: int
    west: float | None
    south: float | None
    east: float | None
    north: float | None
    height_datum: str | None
    height_max_m: float | None
    battery_start: float | None
    battery_end: float | None
    warnings: list[str]


class PhotoRow(msgspec.Struct, frozen=True):
    """One photo; `pose` and `footprint` are JSON of what was found in the model, "" where nothing was."""

    id: str
    flight: str
    upload: str
    name: str
    ts_us: int | None
    lat_deg: float | None
    lon_deg: float | None
    alt_m: float | None
    datum: int
    above_takeoff_m: float | None
    yaw_deg: float | None
    pitch_deg: float | None
    roll_deg: float | None
    width_px: int | None
    height_px: int | None
    focal_mm: float | None
    focal_35mm: float | None
    camera: str
    pose: str
    footprint: str


class Track(msgspec.Struct, frozen=True):
    """Positions of one flight in the order of time, as numpy columns; NaN where a value is not known, `ts_us` None
    where the flight has no time."""

    ts_us: NDArray[np.int64] | None
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    alt_m: NDArray[np.float64]
    datum: NDArray[np.uint8]
    roll_deg: NDArray[np.float64]
    pitch_deg: NDArray[np.float64]
    yaw_deg: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> "Track":
        """Some rows."""
        columns: dict[str, Any] = msgspec.structs.asdict(self)
        cut: dict[str, Any] = {name: None if one is None else one[rows] for name, one in columns.items()}
        return Track(**cut)
