"""What a PX4 log tells of a flight: UTC from GPS, positions, attitude, battery, navigation states, logged strings.

Topics and fields were renamed over the years: `sensor_gps` or `vehicle_gps_position`, degrees as doubles or as 1e-7
integers, metres or millimetres.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clock import last_before, note_drift, note_steps, robust_clock, robust_span
from drone_ingest.found import POSITIONS, Clock, Flight
from drone_ingest.logs.mavlink_track import events_table
from drone_ingest.logs.ulog_records import Records
from drone_ingest.positions import NO_TIME, positions_table

__all__ = ["fill_flight"]

_US = 1_000_000
_FRESH_US = 3 * _US
_GPS = ("vehicle_gps_position", "sensor_gps", "sensor_gps#1")
_STATES = {
    0: "MANUAL", 1: "ALTCTL", 2: "POSCTL", 3: "AUTO_MISSION", 4: "AUTO_LOITER", 5: "AUTO_RTL", 10: "ACRO",
    12: "DESCEND", 13: "TERMINATION", 14: "OFFBOARD", 15: "STAB", 17: "AUTO_TAKEOFF", 18: "AUTO_LAND",
    19: "AUTO_FOLLOW_TARGET", 20: "AUTO_PRECLAND", 21: "ORBIT", 22: "AUTO_VTOL_TAKEOFF",
}  # fmt: skip
_Columns = dict[str, NDArray[Any]]


def fill_flight(flight: Flight, records: Records) -> None:
    """Set clock, span, positions, events and info of a flight from its topics."""
    span = robust_span(one[one > 0] for one in (table["_t_us"].to_numpy() for table in flight.messages.values()))
    flight.info = {
        key: records.info[key] for key in ("sys_name", "ver_hw", "ver_sw", "sys_uuid") if key in records.info
    }
    clock = _clock(flight)
    flight.clock = clock or Clock()
    if clock is None:
        flight.notes.warn("no GPS time: only the time since boot is known")
    else:
        note_drift(clock, flight.notes)
    if flight.info.get("ver_hw") == "PX4_SITL":
        flight.notes.warn("this flight was simulated: the log is of PX4 SITL")
    if records.dropouts_ms:
        total_ms = sum(duration for _, duration in records.dropouts_ms)
        flight.notes.warn(f"dropouts: {len(records.dropouts_ms)}; {total_ms} ms were not logged")
    if span is None:
        return
    first, last, strange = span
    if first < records.start_us <= last:
        first = records.start_us  # rows published before logging began keep their old times
    if strange:
        flight.notes.warn(f"{strange} rows have times hours away from the rest")
    note_steps({name: table["_t_us"].to_numpy() for name, table in flight.messages.items()}, flight.notes)
    flight.span_s = (first / _US, last / _US)
    flight.start_us = None if flight.clock.offset_us is None else first + flight.clock.offset_us
    flight.positions = _positions(flight, first)
    flight.events = events_table(_events(flight, records), first, flight.clock.offset_us)


def _get(flight: Flight, name: str, *columns: str) -> tuple[NDArray[np.int64], _Columns] | None:
    table = flight.messages.get(name)
    if table is None or not len(table) or not set(columns) <= set(table.column_names):
        return None
    kinds = [table.schema.field(column).type for column in columns]
    if any(not (pa.types.is_integer(kind) or pa.types.is_floating(kind)) for kind in kinds):
        return None
    return table["_t_us"].to_numpy(), {column: table[column].to_numpy() for column in columns}


def _clock(flight: Flight) -> Clock | None:
    for name in _GPS:
        found = _get(flight, name, "time_utc_usec")
        if found is not None:
            clock = robust_clock(name, found[0], np.minimum(found[1]["time_utc_usec"], 1 << 62).astype(np.int64))
            if clock is not None:
                return clock
    return None


def _positions(flight: Flight, first: int) -> pa.Table:
    found = _place(flight)
    if found is None:
        return POSITIONS.empty_table()
    source, at, columns = found
    columns |= _attitude(flight, at) | _speed(flight, at) | _fix(flight, at) | _battery(flight, at)
    offset = flight.clock.offset_us
    states = _get(flight, "vehicle_status", "nav_state")
    if states is not None:
        rows, known = last_before(at, states[0], 1 << 62)
        names = np.array([_STATES.get(int(one), str(one)) for one in states[1]["nav_state"]])
        columns["mode"] = np.where(known, names[rows], "")
    columns |= {
        "t_s": (at - first) / _US,
        "ts": at + offset if offset is not None else np.full(len(at), NO_TIME),
        "source": np.full(len(at), source),
    }
    return positions_table(len(at), columns, flight.notes)


def _place(flight: Flight) -> tuple[str, NDArray[np.int64], _Columns] | None:
    """The fused position where it was logged, else the receiver's."""
    fused = _get(flight, "vehicle_global_position", "lat", "lon", "alt")
    if fused is not None:
        at, raw = fused
        columns = {"lat_deg": raw["lat"], "lon_deg": raw["lon"], "alt_msl_m": raw["alt"].astype(np.float64)}
        ellipsoid = _get(flight, "vehicle_global_position", "alt_ellipsoid")
        if ellipsoid is not None and ellipsoid[1]["alt_ellipsoid"].any():
            columns["alt_ellipsoid_m"] = ellipsoid[1]["alt_ellipsoid"].astype(np.float64)
        return "vehicle_global_position", at, columns
    for name in _GPS:
        degrees = _get(flight, name, "latitude_deg", "longitude_deg", "altitude_msl_m", "altitude_ellipsoid_m")
        if degrees is not None:
            at, raw = degrees
            return name, at, dict(zip(_PLACE, raw.values(), strict=True))
        whole = _get(flight, name, "lat", "lon", "alt", "alt_ellipsoid") or _get(flight, name, "lat", "lon", "alt")
        if whole is not None:
            at, raw = whole
            scales = (1e7, 1e7, 1e3, 1e3)[: len(raw)]
            values = [one / scale for one, scale in zip(raw.values(), scales, strict=True)]
            return name, at, dict(zip(_PLACE[: len(raw)], values, strict=True))
    return None


_PLACE = ("lat_deg", "lon_deg", "alt_msl_m", "alt_ellipsoid_m")


def _joined(at: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.float64]:
    rows, fresh = last_before(at, times, _FRESH_US)
    return np.where(fresh, values[rows].astype(np.float64), np.nan)


def _attitude(flight: Flight, at: NDArray[np.int64]) -> _Columns:
    table = flight.messages.get("vehicle_attitude")
    if table is None or "q" not in table.column_names or not pa.types.is_fixed_size_list(table["q"].type):
        return {}
    if table["q"].type.list_size != 4:
        return {}
    q = table["q"].combine_chunks().flatten().to_numpy().astype(np.float64).reshape(-1, 4)
    rows, fresh = last_before(at, table["_t_us"].to_numpy(), _FRESH_US)
    roll, pitch, yaw = euler_deg(q[rows])
    return {
        "roll_deg": np.where(fresh, roll, np.nan),
        "pitch_deg": np.where(fresh, pitch, np.nan),
        "yaw_deg": np.where(fresh, yaw % 360, np.nan),
    }


def euler_deg(q: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Roll, pitch, yaw of unit quaternions w, x, y, z (n, 4), aerospace order."""
    w, x, y, z = q.T
    with np.errstate(invalid="ignore"):
        roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1, 1))
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.degrees(roll), np.degrees(pitch), np.degrees(yaw)


def _speed(flight: Flight, at: NDArray[np.int64]) -> _Columns:
    found = _get(flight, "vehicle_local_position", "vx", "vy", "vz")
    if found is None:
        return {}
    names = ("vel_n_m_s", "vel_e_m_s", "vel_d_m_s")
    return {name: _joined(at, found[0], one) for name, one in zip(names, found[1].values(), strict=True)}


def _fix(flight: Flight, at: NDArray[np.int64]) -> _Columns:
    names = {"fix": "fix_type", "satellites": "satellites_used", "eph_m": "eph", "epv_m": "epv"}
    for topic in _GPS:
        found = _get(flight, topic, *names.values())
        if found is not None:
            return {name: _joined(at, found[0], found[1][field]) for name, field in names.items()}
    return {}


def _battery(flight: Flight, at: NDArray[np.int64]) -> _Columns:
    found = _get(flight, "battery_status", "remaining")
    if found is None:
        return {}
    left = _joined(at, found[0], found[1]["remaining"]) * 100
    with np.errstate(invalid="ignore"):
        return {"battery_percent": np.where((left >= 0) & (left <= 100), left, np.nan)}


def _events(flight: Flight, records: Records) -> list[tuple[int, int, str, str]]:
    rows = [(at, severity, "status", text) for at, severity, text in records.said]
    rows += [(at, 4, "dropout", f"{duration} ms were not logged") for at, duration in records.dropouts_ms]
    rows += [(at, 6, "parameter", f"{name} = {value:g}") for at, name, value in records.changed]
    events = _get(flight, "event", "id", "log_levels")
    if events is not None:
        pairs = zip(events[0], events[1]["id"], events[1]["log_levels"], strict=True)
        rows += [(int(at), int(level) & 7, "event", f"event {number}") for at, number, level in pairs]
    states = _get(flight, "vehicle_status", "nav_state", "arming_state")
    if states is not None:
        at, columns = states
        names = [_STATES.get(int(one), str(one)) for one in columns["nav_state"]]
        armed = columns["arming_state"] == 2
        rows += [(int(at[row]), 6, "mode", names[row]) for row in _changes(columns["nav_state"])]
        rows += [(int(at[row]), 5, "armed" if armed[row] else "disarmed", "") for row in _changes(armed)]
    return rows


def _changes(values: NDArray[Any]) -> list[int]:
    return [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()] if len(values) else []
