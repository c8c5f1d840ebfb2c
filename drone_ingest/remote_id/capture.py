"""A packet capture: Remote ID broadcasts when it was taken from the air, MAVLink when it was taken from a network.

Times are those of the capturing machine. A frame that claims to be Remote ID and is none is reported with its byte.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drone_ingest.damage import Notes
from drone_ingest.found import Flight, RemoteIds
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.tlog import Progress
from drone_ingest.positions import NO_TIME, positions_table
from drone_ingest.remote_id.mavlink_flows import MavlinkFlows
from drone_ingest.remote_id.messages import Message, astm_messages, dji_message
from drone_ingest.remote_id.pcap import Packet, packets
from drone_ingest.remote_id.radio import Heard, is_radio, payloads
from drone_ingest.remote_id.suspicion import Transmitter, judge
from wire.errors import InputError

__all__ = ["read_capture"]

_ROWS_MAX = 500_000  # a kilobyte each; ten aircraft around the clock send 400,000 in eleven hours
_TRANSMITTERS_MAX = 10_000
_PLACES_MAX = 100_000


def read_capture(path: Path, limits: DroneLimits, progress: Progress) -> RemoteIds | Flight:
    """One capture; raises InputError when it has neither Remote ID nor MAVLink."""
    notes = Notes(limits.warnings)
    air, flows = _Air(notes), MavlinkFlows(notes, limits)
    done = radio = 0
    with path.open("rb") as file:
        for packet in packets(file, notes):
            if is_radio(packet.link):
                radio += 1
                air.take(packet)
            else:
                flows.take(packet)
            progress(packet.at - done)
            done = packet.at
    progress(path.stat().st_size - done)
    if air.rows:
        return air.result(path.name, radio)
    if flows.bytes:
        return flows.result(path.name)
    what = f"{radio} radio frames" if radio else "its packets"
    problem = f"{what} hold neither Remote ID nor MAVLink"
    if notes.damages:
        problem += f"; {notes.damages[0].problem} at byte {notes.damages[0].at}"
    raise InputError(problem, file=str(path), fix="capture beacons and advertisements, or UDP of the telemetry")


class _Air:
    """What was heard."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._transmitters: dict[tuple[str, str], Transmitter] = {}
        self._count = 0

    def take(self, packet: Packet) -> None:
        for heard in payloads(packet):
            try:
                messages = [dji_message(heard.data)] if heard.protocol == "dji" else list(astm_messages(heard.data))
            except ValueError as error:
                self._notes.damage(packet.at, "byte", str(error))
                continue
            sender = self._transmitter(heard)
            if sender is None or self._count >= _ROWS_MAX:
                self._notes.warn("more broadcasts than are kept; the rest was passed over")
                return
            sender.frames += 1
            if packet.t_us is not None:
                sender.first_us = packet.t_us if sender.first_us is None else min(packet.t_us, sender.first_us)
                sender.last_us = packet.t_us if sender.last_us is None else max(packet.t_us, sender.last_us)
            for message in messages:
                self._keep(message, heard, sender, packet.t_us)

    def _transmitter(self, heard: Heard) -> Transmitter | None:
        key = (heard.mac, heard.protocol)
        if key not in self._transmitters and len(self._transmitters) >= _TRANSMITTERS_MAX:
            return None
        return self._transmitters.setdefault(key, Transmitter(heard.mac, heard.radio, heard.protocol))

    def _keep(self, message: Message, heard: Heard, sender: Transmitter, t_us: int | None) -> None:
        name, fields = message
        self._count += 1
        self.rows[name].append({"_t_us": t_us, "mac": heard.mac, "radio": heard.radio, **fields})
        if fields.get("uas_id") and len(sender.ids) < 1_000:
            sender.ids.setdefault(fields["uas_id"], fields.get("id_type", "serial"))
        sender.operator_id = fields.get("operator_id") or sender.operator_id
        if fields.get("lat_deg") is not None and fields.get("lon_deg") is not None and len(sender.places) < _PLACES_MAX:
            sender.places.append((t_us, fields["lat_deg"], fields["lon_deg"]))
        if fields.get("operator_lat_deg") is not None and fields.get("operator_lon_deg") is not None:
            sender.operators = [(fields["operator_lat_deg"], fields["operator_lon_deg"])]

    def result(self, name: str, frames: int) -> RemoteIds:
        transmitters = list(self._transmitters.values())
        judge(transmitters)
        for one in transmitters:
            if one.reasons:
                self._notes.warn(f"transmitter {one.mac} is suspect: {'; '.join(one.reasons)}")
        heard = RemoteIds(kind="remote_id", file=name, notes=self._notes, frames=frames)
        heard.messages = {kind: pa.Table.from_pylist(rows) for kind, rows in self.rows.items()}
        heard.transmitters = pa.Table.from_pylist([_row(one) for one in transmitters], schema=_TRANSMITTERS)
        heard.positions = self._positions(transmitters)
        if "dji" in self.rows:
            self._notes.warn("DJI's own broadcast says no unit of its heights; they are left out")
        return heard

    def _positions(self, transmitters: list[Transmitter]) -> pa.Table:
        rows = [row for kind in ("location", "dji") for row in self.rows.get(kind, ()) if row["lat_deg"] is not None]
        rows.sort(key=lambda row: row["_t_us"] or 0)
        names = {one.mac: next(iter(one.ids), one.mac) for one in transmitters}
        times = [row["_t_us"] for row in rows]
        first = min((at for at in times if at is not None), default=0)
        track = [_radian(row.get("track_deg")) for row in rows]
        speed = _floats(rows, "speed_m_s")
        north = np.where(np.isfinite(speed), speed * np.cos(track), _floats(rows, "vel_n_m_s"))
        east = np.where(np.isfinite(speed), speed * np.sin(track), _floats(rows, "vel_e_m_s"))
        above_home = [row["height_m"] if row.get("height_above") == "takeoff" else None for row in rows]
        columns = {
            "ts": np.array([NO_TIME if at is None else at for at in times], np.int64),
            "t_s": np.array([np.nan if at is None else (at - first) / 1e6 for at in times], np.float64),
            "vehicle": np.array([row.get("uas_id") or names[row["mac"]] for row in rows], np.str_),
            "alt_takeoff_m": np.array([np.nan if one is None else one for one in above_home], np.float64),
            "vel_n_m_s": north, "vel_e_m_s": east, "source": np.array([row["radio"] for row in rows], np.str_),
        }  # fmt: skip
        columns |= {name: _floats(rows, name) for name in ("lat_deg", "lon_deg", "alt_ellipsoid_m", "eph_m", "epv_m")}
        columns["vel_d_m_s"] = -_floats(rows, "climb_m_s")
        return positions_table(len(rows), columns, self._notes)


_TRANSMITTERS = pa.schema(
    [
        ("mac", pa.string()), ("radio", pa.string()), ("protocol", pa.string()), ("frames", pa.int64()),
        ("ids", pa.list_(pa.string())), ("operator_id", pa.string()), ("first_us", pa.int64()), ("last_us", pa.int64()),
        ("operator_lat_deg", pa.float64()), ("operator_lon_deg", pa.float64()), ("suspect", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
    ]
)  # fmt: skip


def _row(one: Transmitter) -> dict[str, Any]:
    lat, lon = one.operators[0] if one.operators else (None, None)
    return {
        "mac": one.mac, "radio": one.radio, "protocol": one.protocol, "frames": one.frames, "ids": list(one.ids)[:50],
        "operator_id": one.operator_id or None, "first_us": one.first_us, "last_us": one.last_us,
        "operator_lat_deg": lat, "operator_lon_deg": lon, "suspect": bool(one.reasons), "reasons": one.reasons,
    }  # fmt: skip


def _floats(rows: list[dict[str, Any]], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], np.float64)


def _radian(degrees: float | None) -> float:
    return float("nan") if degrees is None else float(np.radians(degrees))
