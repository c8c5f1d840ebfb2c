"""What of a vehicle's messages becomes points and poses, as tables: the edge source and the twin read the same rows.

A metric is a row: message, field, unit, scale, and the raw value that MAVLink defines as unknown (which becomes NaN).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.found import DATUMS

__all__ = ["METRICS", "Metric", "Poses", "poses", "readings"]

_FRESH_US = 3_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One point of a vehicle."""

    key: str
    message: str
    field: str
    unit: str  # UCUM
    scale: float = 1.0
    unknown: float | None = None  # raw
    low: float | None = None
    high: float | None = None


METRICS = (
    Metric("battery_charge", "SYS_STATUS", "battery_remaining", "%", 1.0, -1, 0, 100),
    Metric("battery_voltage", "SYS_STATUS", "voltage_battery", "V", 1e-3, 65_535, 0, 100),
    Metric("battery_current", "SYS_STATUS", "current_battery", "A", 1e-2, -1, 0, 500),
    Metric("cpu_load", "SYS_STATUS", "load", "%", 0.1, None, 0, 100),
    Metric("link_drop_rate", "SYS_STATUS", "drop_rate_comm", "%", 0.01, None, 0, 100),
    Metric("battery_temperature", "BATTERY_STATUS", "temperature", "Cel", 0.01, 32_767, -40, 100),
    Metric("battery_consumed", "BATTERY_STATUS", "current_consumed", "A.h", 1e-3, -1, 0, 1_000),
    Metric("gps_fix", "GPS_RAW_INT", "fix_type", "1", 1.0, None, 0, 8),
    Metric("gps_satellites", "GPS_RAW_INT", "satellites_visible", "1", 1.0, 255, 0, 100),
    Metric("gps_hdop", "GPS_RAW_INT", "eph", "1", 0.01, 65_535, 0, 100),
    Metric("height_above_takeoff", "GLOBAL_POSITION_INT", "relative_alt", "m", 1e-3, None, -1_000, 10_000),
    Metric("ground_speed", "VFR_HUD", "groundspeed", "m/s", 1.0, None, 0, 200),
    Metric("air_speed", "VFR_HUD", "airspeed", "m/s", 1.0, None, 0, 200),
    Metric("climb_rate", "VFR_HUD", "climb", "m/s", 1.0, None, -100, 100),
    Metric("throttle", "VFR_HUD", "throttle", "%", 1.0, None, 0, 100),
    Metric("vibration_x", "VIBRATION", "vibration_x", "m/s2", 1.0, None, 0, 1_000),
    Metric("vibration_y", "VIBRATION", "vibration_y", "m/s2", 1.0, None, 0, 1_000),
    Metric("vibration_z", "VIBRATION", "vibration_z", "m/s2", 1.0, None, 0, 1_000),
    Metric("wind_speed", "WIND", "speed", "m/s", 1.0, None, 0, 100),
    Metric("air_temperature", "SCALED_PRESSURE", "temperature", "Cel", 0.01, None, -60, 150),
    Metric("air_pressure", "SCALED_PRESSURE", "press_abs", "hPa", 1.0, None, 100, 1_200),
    Metric("mission_item", "MISSION_CURRENT", "seq", "1", 1.0, 65_535, 0, 65_534),
    Metric("remote_rssi", "RADIO_STATUS", "remrssi", "1", 1.0, 255, 0, 254),
)


@dataclass(frozen=True, slots=True)
class Poses:
    """Rows of poses@1 of one vehicle: heights in `datum` (a code of wire's column), angles NaN when not known."""

    system: int
    t_us: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    alt_m: NDArray[np.float64]
    datum: int
    roll_deg: NDArray[np.float32]
    pitch_deg: NDArray[np.float32]
    yaw_deg: NDArray[np.float32]


def readings(
    batches: Mapping[str, pa.RecordBatch],
) -> Iterator[tuple[int, Metric, NDArray[np.int64], NDArray[np.float64]]]:
    """(system, metric, times in µs, values) of what a feed brought; unknown values are NaN."""
    for metric in METRICS:
        batch = batches.get(metric.message)
        if batch is None:
            continue
        raw = batch[metric.field].to_numpy().astype(np.float64)
        values = raw * metric.scale
        if metric.unknown is not None:
            values[raw == metric.unknown] = np.nan
        systems, times = batch["_system"].to_numpy(), batch["_t_us"].to_numpy()
        for system in np.unique(systems):
            rows = systems == system
            yield int(system), metric, times[rows], values[rows]


def poses(batches: Mapping[str, pa.RecordBatch]) -> Iterator[Poses]:
    """Poses of each vehicle that reported where it is; a position of 0, 0 is no position."""
    place = batches.get("GLOBAL_POSITION_INT")
    if place is None:
        return
    systems = place["_system"].to_numpy()
    lat, lon = place["lat"].to_numpy() / 1e7, place["lon"].to_numpy() / 1e7
    known = ((lat != 0) | (lon != 0)) & (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    for system in np.unique(systems[known]):
        rows = known & (systems == system)
        times = place["_t_us"].to_numpy()[rows]
        roll, pitch, yaw = _attitude(batches.get("ATTITUDE"), int(system), times)
        altitude = place["alt"].to_numpy()[rows] / 1e3
        datum = DATUMS.index("orthometric")
        yield Poses(int(system), times, lat[rows], lon[rows], altitude, datum, roll, pitch, yaw)


def _attitude(batch: pa.RecordBatch | None, system: int, at: NDArray[np.int64]) -> tuple[NDArray[np.float32], ...]:
    unknown = tuple(np.full(len(at), np.nan, np.float32) for _ in range(3))
    if batch is None:
        return unknown
    own = batch["_system"].to_numpy() == system
    times = batch["_t_us"].to_numpy()[own]
    if not len(times):
        return unknown
    nearest = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)
    fresh = np.abs(at - times[nearest]) <= _FRESH_US
    angles = (np.degrees(batch[name].to_numpy()[own][nearest]) for name in ("roll", "pitch", "yaw"))
    return tuple(np.where(fresh, angle, np.nan).astype(np.float32) for angle in angles)
