"""What a MAVLink log tells of a flight: UTC, positions of each vehicle, modes, arming, statuses.

Positions come from GLOBAL_POSITION_INT (height above sea level and above home), else from GPS_RAW_INT; attitude, fix,
battery and mode are the newest ones before. Values that MAVLink defines as unknown (−1 %, 65535, 255) are null.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.clock import last_before, note_drift, note_steps, robust_clock, robust_span
from drone_ingest.found import EVENTS, POSITIONS, Clock, Flight
from drone_ingest.mavlink.modes import mode_names
from drone_ingest.positions import NO_TIME, positions_table, unknown

__all__ = ["events_table", "fill_flight"]

_US = 1_000_000
_FRESH_US = 3 * _US  # an older attitude or fix is not the one of this position
_SLOW_FRESH_US = 30 * _US  # battery and mode
_AGREE_US = 2 * _US  # the recorder's clock is believed so far


@dataclass(frozen=True, slots=True)
class _Messages:
    """The tables of one vehicle, with times on the log's clock."""

    tables: dict[str, pa.Table]
    stamped: bool

    def get(self, name: str, *columns: str) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]] | None:
        """Times and columns of a message; None when there is none."""
        table = self.tables.get(name)
        if table is None or not len(table):
            return None
        return self.times(table), {column: table[column].to_numpy() for column in columns}

    def times(self, table: pa.Table) -> NDArray[np.int64]:
        """On the recorder's clock, else on the one of the autopilot."""
        if self.stamped:
            return table["_t_us"].to_numpy()  # type: ignore[no-any-return]
        own = np.full(len(table), NO_TIME)
        if "time_boot_ms" in table.column_names:
            own = table["time_boot_ms"].to_numpy().astype(np.int64) * 1_000
        elif "time_usec" in table.column_names:
            own = np.minimum(table["time_usec"].to_numpy(), 1 << 62).astype(np.int64)
        return own


def fill_flight(flight: Flight, *, stamped: bool) -> None:
    """Set clock, span, positions, events and info of a flight from its messages."""
    messages = _Messages(flight.messages, stamped)
    times = [messages.times(table) for table in flight.messages.values()]
    span = robust_span(one[one != NO_TIME] for one in times)
    flight.clock = _clock(messages, flight)
    if "SIMSTATE" in flight.messages or "SIM_STATE" in flight.messages:
        flight.notes.warn("this flight was simulated: the log holds the state of a simulator")
    if span is None:
        return
    first, last, strange = span
    if strange:
        flight.notes.warn(f"{strange} messages have times hours away from the rest")
    flight.span_s = (first / _US, last / _US)
    offset = flight.clock.offset_us
    flight.start_us = None if offset is None else first + offset
    if stamped:
        note_steps({name: messages.times(table) for name, table in flight.messages.items()}, flight.notes)
    parts = [_positions(one, system, first, offset, flight) for system, one in _vehicles(messages)]
    flight.positions = pa.concat_tables(parts) if parts else POSITIONS.empty_table()
    flight.events = _events(messages, first, offset)


def _clock(messages: _Messages, flight: Flight) -> Clock:
    found = None
    for name, column in (("SYSTEM_TIME", "time_unix_usec"), ("GPS_RAW_INT", "time_usec")):
        taken = messages.get(name, column)
        if taken is not None and found is None:
            found = robust_clock(name, taken[0], np.minimum(taken[1][column], 1 << 62).astype(np.int64))
    if found is None:
        return Clock(source="recorder", offset_us=0) if messages.stamped else Clock()
    note_drift(found, flight.notes)
    if messages.stamped and found.offset_us is not None and abs(found.offset_us) > _AGREE_US:
        flight.notes.warn(
            f"the recorder's clock is off by {-found.offset_us / _US:.1f} s; UTC is that of {found.source}"
        )
    return found


def _vehicles(messages: _Messages) -> Iterator[tuple[int, _Messages]]:
    """Each system that sends positions, with its own messages."""
    where = [messages.tables[name] for name in ("GLOBAL_POSITION_INT", "GPS_RAW_INT") if name in messages.tables]
    systems = sorted({int(one) for table in where for one in table["_system"].unique().to_pylist()})
    for system in systems:
        if len(systems) == 1:
            yield system, messages
            continue
        own = {
            name: table.filter(pa.compute.equal(table["_system"], system)) for name, table in messages.tables.items()
        }
        yield system, _Messages({name: table for name, table in own.items() if len(table)}, messages.stamped)


def _positions(messages: _Messages, system: int, first: int, offset: int | None, flight: Flight) -> pa.Table:
    fused = messages.get("GLOBAL_POSITION_INT", "lat", "lon", "alt", "relative_alt", "vx", "vy", "vz")
    if fused is not None:
        at, raw = fused
        columns: dict[str, NDArray[Any]] = {
            "lat_deg": raw["lat"] / 1e7, "lon_deg": raw["lon"] / 1e7, "alt_msl_m": raw["alt"] / 1e3,
            "alt_takeoff_m": raw["relative_alt"] / 1e3, "vel_n_m_s": raw["vx"] / 1e2, "vel_e_m_s": raw["vy"] / 1e2,
            "vel_d_m_s": raw["vz"] / 1e2,
        }  # fmt: skip
        source = "GLOBAL_POSITION_INT"
    else:
        own = messages.get("GPS_RAW_INT", "lat", "lon", "alt")
        if own is None:
            return POSITIONS.empty_table()
        at, raw = own
        columns = {"lat_deg": raw["lat"] / 1e7, "lon_deg": raw["lon"] / 1e7, "alt_msl_m": raw["alt"] / 1e3}
        source = "GPS_RAW_INT"
    columns |= _attitude(messages, at) | _fix(messages, at) | _battery(messages, at)
    known = at != NO_TIME
    columns |= {
        "t_s": np.where(known, (at - first) / _US, np.nan),
        "ts": np.where(known, at + (offset or 0), NO_TIME) if offset is not None else np.full(len(at), NO_TIME),
        "vehicle": np.full(len(at), str(system)),
        "source": np.full(len(at), source),
        "mode": _modes(messages, at),
    }
    return positions_table(len(at), columns, flight.notes)


def _joined(at: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[Any], age_us: int) -> NDArray[np.float64]:
    rows, fresh = last_before(at, times, age_us)
    return np.where(fresh, values[rows].astype(np.float64), np.nan)


def _attitude(messages: _Messages, at: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    columns = {}
    body = messages.get("ATTITUDE", "roll", "pitch", "yaw")
    if body is not None:
        for name, values in body[1].items():
            columns[f"{name}_deg"] = np.degrees(_joined(at, body[0], values, _FRESH_US))
        columns["yaw_deg"] %= 360
    mount = messages.get("MOUNT_ORIENTATION", "roll", "pitch", "yaw")
    if mount is not None:
        for name, values in mount[1].items():
            columns[f"gimbal_{name}_deg"] = _joined(at, mount[0], values, _FRESH_US)
    return columns


def _fix(messages: _Messages, at: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    names = ("fix_type", "satellites_visible", "alt_ellipsoid", "h_acc", "v_acc")
    found = messages.get("GPS_RAW_INT", *names)
    if found is None:
        return {}
    fix, satellites, ellipsoid, h_acc, v_acc = (_joined(at, found[0], found[1][name], _FRESH_US) for name in names)
    return {
        "fix": fix,
        "satellites": np.where(satellites == 255, np.nan, satellites),
        "alt_ellipsoid_m": np.where(ellipsoid == 0, np.nan, ellipsoid / 1e3),
        "eph_m": np.where(h_acc == 0, np.nan, h_acc / 1e3),
        "epv_m": np.where(v_acc == 0, np.nan, v_acc / 1e3),
    }


def _battery(messages: _Messages, at: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    for name in ("SYS_STATUS", "BATTERY_STATUS"):
        found = messages.get(name, "battery_remaining")
        if found is not None:
            left = _joined(at, found[0], found[1]["battery_remaining"], _SLOW_FRESH_US)
            if (left >= 0).any():
                return {"battery_percent": np.where((left >= 0) & (left <= 100), left, np.nan)}
    return {"battery_percent": unknown(len(at))}


def _heartbeats(messages: _Messages) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.bool_]] | None:
    """Times, mode names and whether it is armed, of autopilots only (a ground station has a heartbeat too)."""
    found = messages.get("HEARTBEAT", "type", "autopilot", "custom_mode", "base_mode")
    if found is None:
        return None
    at, beat = found
    own = beat["autopilot"] != 8  # MAV_AUTOPILOT_INVALID
    names = mode_names(beat["type"][own], beat["autopilot"][own], beat["custom_mode"][own])
    return at[own], names, (beat["base_mode"][own] & 128) > 0


def _modes(messages: _Messages, at: NDArray[np.int64]) -> NDArray[np.str_]:
    beats = _heartbeats(messages)
    if beats is None or not len(beats[0]):
        return np.full(len(at), "")
    rows, fresh = last_before(at, beats[0], _SLOW_FRESH_US)
    return np.where(fresh, beats[1][rows], "")


def _events(messages: _Messages, first: int, offset: int | None) -> pa.Table:
    rows: list[tuple[int, int, str, str]] = []
    said = messages.get("STATUSTEXT", "severity")
    if said is not None:
        words = messages.tables["STATUSTEXT"]["text"].to_pylist()
        rows += [
            (int(at), int(severity), "status", text)
            for at, severity, text in zip(said[0], said[1]["severity"], words, strict=True)
        ]
    beats = _heartbeats(messages)
    if beats is not None and len(beats[0]):
        at, names, armed = beats
        rows += [(int(at[row]), 6, "mode", str(names[row])) for row in _changes(names)]
        rows += [(int(at[row]), 5, "armed" if armed[row] else "disarmed", "") for row in _changes(armed)]
    reached = messages.get("MISSION_ITEM_REACHED", "seq")
    if reached is not None:
        rows += [(int(at), 6, "waypoint", str(seq)) for at, seq in zip(reached[0], reached[1]["seq"], strict=True)]
    return events_table(rows, first, offset)


def events_table(rows: list[tuple[int, int, str, str]], first: int, offset: int | None) -> pa.Table:
    """EVENTS from (log time in µs or NO_TIME, severity, kind, text), in time order."""
    rows = sorted(rows, key=lambda row: row[0])
    return pa.table(
        [
            pa.array([None if offset is None or at == NO_TIME else at + offset for at, *_ in rows], pa.int64()).cast(
                EVENTS.field("ts").type
            ),
            pa.array([None if at == NO_TIME else (at - first) / _US for at, *_ in rows], pa.float64()),
            pa.array([min(max(severity, 0), 7) for _, severity, _, _ in rows], pa.uint8()),
            pa.array([kind for _, _, kind, _ in rows], pa.string()),
            pa.array([text for *_, text in rows], pa.string()),
        ],
        schema=EVENTS,
    )


def _changes(values: NDArray[Any]) -> list[int]:
    return [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()]
