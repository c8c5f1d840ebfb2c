"""What a dataflash log tells of a flight: UTC from GPS weeks, positions from POS and GPS, modes, messages, errors."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clock import gps_us, last_before, note_drift, note_steps, robust_clock, robust_span
from drone_ingest.found import POSITIONS, Clock, Flight
from drone_ingest.logs.mavlink_track import events_table
from drone_ingest.mavlink.modes import mode_name
from drone_ingest.positions import NO_TIME, positions_table

__all__ = ["fill_flight"]

_US = 1_000_000
_FRESH_US = 3 * _US
_VEHICLES = {"ArduPlane": 1, "ArduCopter": 2, "ArduRover": 10, "Rover": 10, "ArduSub": 12, "QuadPlane": 1}


class _Records:
    """The tables of a log; numbers of a column whatever its Arrow type."""

    def __init__(self, tables: dict[str, pa.Table]) -> None:
        self.tables = tables

    def get(self, name: str, *columns: str) -> tuple[NDArray[np.int64], list[NDArray[Any]]] | None:
        """Times and columns; None when the log has no such records with all of these columns, as numbers."""
        table = self.tables.get(name)
        if table is None or not len(table) or not set(columns) <= set(table.column_names):
            return None
        if any(not _is_number(table.schema.field(column).type) for column in columns):
            return None
        return table["_t_us"].to_numpy(), [table[column].to_numpy() for column in columns]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def fill_flight(flight: Flight) -> None:
    """Set clock, span, positions, events and info of a flight from its records."""
    records = _Records(flight.messages)
    timed = [table["_t_us"].to_numpy() for name, table in flight.messages.items() if name not in _UNTIMED]
    span = robust_span(one[one > 0] for one in timed)
    clock = _clock(records)
    flight.clock = clock or Clock()
    if clock is None:
        flight.notes.warn("no GPS time: only the time since boot is known")
    else:
        note_drift(clock, flight.notes)
    if span is None:
        return
    first, last, strange = span
    if strange:
        flight.notes.warn(f"{strange} records have times hours away from the rest")
    times = {name: table["_t_us"].to_numpy() for name, table in flight.messages.items() if name not in _STEPLESS}
    note_steps(times, flight.notes)
    flight.span_s = (first / _US, last / _US)
    flight.start_us = None if flight.clock.offset_us is None else first + flight.clock.offset_us
    said = flight.messages["MSG"]["Message"].to_pylist() if "Message" in _columns(flight, "MSG") else []
    kind = next((_VEHICLES[word] for text in said for word in str(text).split() if word in _VEHICLES), 0)
    flight.info = {"firmware": next((str(text) for text in said if _VEHICLES.keys() & set(str(text).split())), "")}
    flight.positions = _positions(records, first, kind, flight)
    flight.events = events_table(_events(flight, records, kind), first, flight.clock.offset_us)


_UNTIMED = frozenset({"FMT", "FMTU", "UNIT", "MULT"})
_STEPLESS = _UNTIMED | {"PARM", "CMD"}  # written when logging begins, with the time of then


def _columns(flight: Flight, name: str) -> list[str]:
    return list(flight.messages[name].column_names) if name in flight.messages else []


def _clock(records: _Records) -> Clock | None:
    for name, week, ms in (("GPS", "GWk", "GMS"), ("GPS", "Week", "TimeMS"), ("GPS2", "GWk", "GMS")):
        found = records.get(name, week, ms)
        if found is not None:
            at, (weeks, into) = found
            clock = robust_clock(name, at, gps_us(weeks, into))
            if clock is not None:
                return clock
    return None


def _positions(records: _Records, first: int, kind: int, flight: Flight) -> pa.Table:
    fused = records.get("POS", "Lat", "Lng", "Alt")
    found = fused or records.get("GPS", "Lat", "Lng", "Alt")
    if found is None:
        return POSITIONS.empty_table()
    at, (lat, lon, alt) = found
    source = "POS" if fused else "GPS"
    columns: dict[str, Any] = {"lat_deg": lat, "lon_deg": lon, "alt_msl_m": alt.astype(np.float64)}
    home = records.get("POS", "RelHomeAlt") if fused else None
    if home is not None:
        columns["alt_takeoff_m"] = home[1][0].astype(np.float64)
    columns |= _attitude(records, at) | _fix(records, at)
    columns |= {
        "t_s": (at - first) / _US,
        "ts": at + flight.clock.offset_us if flight.clock.offset_us is not None else np.full(len(at), NO_TIME),
        "source": np.full(len(at), source),
        "mode": _modes(records, at, kind),
    }
    return positions_table(len(at), columns, flight.notes)


def _joined(at: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.float64]:
    rows, fresh = last_before(at, times, _FRESH_US)
    return np.where(fresh, values[rows].astype(np.float64), np.nan)


def _attitude(records: _Records, at: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    columns = {}
    body = records.get("ATT", "Roll", "Pitch", "Yaw")
    if body is not None:
        names = ("roll_deg", "pitch_deg", "yaw_deg")
        columns = {name: _joined(at, body[0], values) for name, values in zip(names, body[1], strict=True)}
        columns["yaw_deg"] %= 360
    speed = records.get("NKF1", "VN", "VE", "VD") or records.get("XKF1", "VN", "VE", "VD")
    if speed is not None:
        names = ("vel_n_m_s", "vel_e_m_s", "vel_d_m_s")
        columns |= {name: _joined(at, speed[0], values) for name, values in zip(names, speed[1], strict=True)}
    left = records.get("BAT", "RemPct")
    if left is not None:
        percent = _joined(at, left[0], left[1][0])
        columns["battery_percent"] = np.where((percent >= 0) & (percent <= 100), percent, np.nan)
    return columns


def _fix(records: _Records, at: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    columns = {}
    fix = records.get("GPS", "Status", "NSats")
    if fix is not None:
        columns = {"fix": _joined(at, fix[0], fix[1][0]), "satellites": _joined(at, fix[0], fix[1][1])}
    errors = records.get("GPA", "HAcc", "VAcc")
    if errors is not None:
        columns |= {"eph_m": _joined(at, errors[0], errors[1][0]), "epv_m": _joined(at, errors[0], errors[1][1])}
    return columns


def _mode_rows(records: _Records, kind: int) -> tuple[NDArray[np.int64], list[str]]:
    found = records.get("MODE", "Mode")
    if found is None:
        return np.empty(0, np.int64), []
    return found[0], [mode_name(kind, 3, int(number)) for number in found[1][0]]


def _modes(records: _Records, at: NDArray[np.int64], kind: int) -> NDArray[np.str_]:
    times, names = _mode_rows(records, kind)
    if not names:
        return np.full(len(at), "")
    rows, known = last_before(at, times, 1 << 62)
    return np.where(known, np.array(names)[rows], "")


def _events(flight: Flight, records: _Records, kind: int) -> list[tuple[int, int, str, str]]:
    rows: list[tuple[int, int, str, str]] = []
    if "Message" in _columns(flight, "MSG"):
        table = flight.messages["MSG"]
        times = table["_t_us"].to_numpy()
        rows += [
            (int(at), 6, "status", str(text)) for at, text in zip(times, table["Message"].to_pylist(), strict=True)
        ]
    times, names = _mode_rows(records, kind)
    rows += [(int(at), 6, "mode", name) for at, name in zip(times, names, strict=True)]
    errors = records.get("ERR", "Subsys", "ECode")
    if errors is not None:
        pairs = zip(errors[0], *errors[1], strict=True)
        rows += [(int(at), 3, "error", f"subsystem {subsystem} code {code}") for at, subsystem, code in pairs]
    events = records.get("EV", "Id")
    if events is not None:
        rows += [(int(at), 6, "event", str(number)) for at, number in zip(events[0], events[1][0], strict=True)]
    return rows
