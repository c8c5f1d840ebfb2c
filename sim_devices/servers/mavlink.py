"""A simulated drone on the net: MAVLink 2 over UDP, for as many ground stations as speak to it.

It listens on loopback and answers whoever sends; a station that falls silent is forgotten. With a key it signs, and
takes only what is signed. Times of the link are real seconds, whatever the park's pace.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, cast

import pyarrow as pa

from drone_ingest.mavlink.dialect import LIVE
from drone_ingest.mavlink.encode import encode
from drone_ingest.mavlink.signing import SignatureCheck, Signer
from drone_ingest.mavlink.stream import MavlinkStream
from sim_devices.drone.autopilot import Autopilot
from sim_devices.drone.commands import INTERVAL, REQUEST_MESSAGE, carry_out
from sim_devices.drone.mission import Message
from sim_devices.drone.telemetry import MESSAGES, NUMBERS, RATES_HZ
from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK
from sim_devices.site import Device

__all__ = ["DroneServer"]

STATIONS_MAX: Final = 16
FORGET_S: Final = 15.0
SPEAK_S: Final = 0.05
RATE_HZ_MAX: Final = 50.0
DATAGRAMS_MAX: Final = 1_000  # waiting to be looked at; a flood loses the rest
_COMPONENT, _OK, _DENIED = 1, 0, 2
_MISSION: Final = frozenset(
    f"MISSION_{word}"
    for word in ("COUNT", "ITEM_INT", "REQUEST_LIST", "REQUEST_INT", "REQUEST", "CLEAR_ALL", "SET_CURRENT")
)

Station = tuple[str, int]


class _Ears(asyncio.DatagramProtocol):
    def __init__(self, heard: deque[tuple[bytes, Station]]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Station) -> None:
        self._heard.append((data, addr))


class DroneServer:
    """One drone as a device server; `pilot` is stepped by the park, this only speaks for it."""

    def __init__(
        self, device: Device, pilot: Autopilot, *, speed: float = 1.0, port: int = 0, key: bytes = b""
    ) -> None:
        self.device, self.pilot = device, pilot
        self._port, self._speed = port, speed
        self._signer = Signer(key) if key else None
        self._check = SignatureCheck(key) if key else None
        self._heard: deque[tuple[bytes, Station]] = deque(maxlen=DATAGRAMS_MAX)
        self._stations: dict[Station, tuple[MavlinkStream, float]] = {}
        self._due: dict[str, float] = {}
        self._rates = dict(RATES_HZ)
        self._seq = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._task: asyncio.Task[None] | None = None
        pilot.say, pilot.reached, pilot.pace = self._say, self._reached, speed

    @property
    def port(self) -> int:
        """The UDP port that it listens on, kept over a cut."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Go on the air."""
        loop = asyncio.get_running_loop()
        made, _ = await loop.create_datagram_endpoint(lambda: _Ears(self._heard), local_addr=(LOOPBACK, self._port))
        self._udp = made
        self._port = int(made.get_extra_info("sockname")[1])
        self._task = tasks.create_task(self._speak(), name=f"mavlink {self.device.name}")

    async def cut(self) -> None:
        """Lose the radio; the vehicle flies on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        self._stations.clear()
        self._heard.clear()

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Its telemetry has a pace of its own."""

    def source(self) -> dict[str, Any]:
        """The agent's table."""
        spec = self.pilot.spec
        return {
            "kind": "mavlink", "name": spec.name, "url": f"udpout://{LOOPBACK}:{self._port}",
            "devices": {str(spec.system): spec.name}, "space": spec.space,
            "speed_m_s_max": 150.0 * max(self._speed, 1.0),
            "commands": ["return_home", "hold", "continue", "land", "start"],
        }  # fmt: skip

    # -- the link

    async def _speak(self) -> None:
        while True:
            now_s = time.monotonic()
            self._listen(now_s)
            self._stations = {at: one for at, one in self._stations.items() if now_s - one[1] < FORGET_S}
            station, asked = self.pilot.mission.again(now_s)
            self._answer(cast("Station | None", station), asked)
            for name, rate_hz in self._rates.items():
                if self._stations and rate_hz and now_s >= self._due.get(name, 0.0):
                    self._due[name] = max(self._due.get(name, 0.0) + 1.0 / rate_hz, now_s)
                    self._send(name, MESSAGES[name](self.pilot))
            await asyncio.sleep(SPEAK_S)

    def _listen(self, now_s: float) -> None:
        while self._heard:
            data, station = self._heard.popleft()
            stream, _ = self._stations.get(station, (None, 0.0))
            if stream is None:
                if len(self._stations) >= STATIONS_MAX:
                    continue
                stream = MavlinkStream(dialect=LIVE, signatures=self._check)
            found = stream.feed(data, time.time_ns() // 1_000)
            if found:  # noise alone makes nobody a ground station
                self._stations[station] = stream, now_s
                self.pilot.since_heard_s = 0.0
                for name, row in _in_order(found):
                    self._take(name, row, station, now_s)

    def _take(self, name: str, row: Mapping[str, Any], station: Station, now_s: float) -> None:
        if row.get("target_system", 0) not in (0, self.pilot.spec.system):
            return
        if name in _MISSION:
            self._answer(station, self.pilot.mission.take(name, row, station, now_s))
        elif name in ("COMMAND_LONG", "COMMAND_INT"):
            self._obey(row, station)
        elif name == "SET_MODE":
            self.pilot.set_mode(int(row["custom_mode"]))
        elif name == "PARAM_REQUEST_LIST":
            self._answer(station, [("PARAM_VALUE", {"param_id": "SYSID_THISMAV", "param_value": self.pilot.spec.system,
                                                    "param_type": 9, "param_count": 1})])  # fmt: skip

    def _obey(self, row: Mapping[str, Any], station: Station) -> None:
        command, sent = int(row["command"]), list[Message]()
        if command == INTERVAL:
            result = self._set_rate(row)
        elif command == REQUEST_MESSAGE:
            name = NUMBERS.get(int(row["param1"]) if abs(row["param1"]) < 1e6 else -1, "")
            sent = [(name, MESSAGES[name](self.pilot))] if name in MESSAGES else []
            result = _OK if sent else _DENIED
        else:
            result = carry_out(self.pilot, row)
        back = {"target_system": row["_system"], "target_component": row["_component"]}
        self._answer(station, [("COMMAND_ACK", {"command": command, "result": result, **back}), *sent])

    def _set_rate(self, row: Mapping[str, Any]) -> int:
        """MAV_CMD_SET_MESSAGE_INTERVAL: param2 µs, 0 as we like it, −1 never."""
        name = NUMBERS.get(int(row["param1"]) if abs(row["param1"]) < 1e6 else -1, "")
        if name not in MESSAGES or math.isnan(row["param2"]):
            return _DENIED
        usual = RATES_HZ[name]
        self._rates[name] = (
            min(1e6 / row["param2"], RATE_HZ_MAX) if row["param2"] > 0 else usual if not row["param2"] else 0
        )
        if name == "HEARTBEAT":
            self._rates[name] = max(self._rates[name], usual)  # a silent one is a lost one
        return _OK

    def _say(self, severity: int, text: str) -> None:
        self._send("STATUSTEXT", {"severity": severity, "text": text})

    def _reached(self, seq: int) -> None:
        self._send("MISSION_ITEM_REACHED", {"seq": seq})

    def _send(self, name: str, fields: Mapping[str, Any]) -> None:
        """To every station."""
        frame = self._frame(name, fields)
        for station in self._stations:
            if self._udp is not None:
                self._udp.sendto(frame, station)

    def _answer(self, station: Station | None, messages: list[Message]) -> None:
        for name, fields in messages:
            if self._udp is not None and station is not None:
                self._udp.sendto(self._frame(name, fields), station)

    def _frame(self, name: str, fields: Mapping[str, Any]) -> bytes:
        self._seq = (self._seq + 1) & 0xFF
        return encode(
            name, fields, system=self.pilot.spec.system, component=_COMPONENT, seq=self._seq, signer=self._signer,
            now_us=time.time_ns() // 1_000, dialect_name=LIVE,
        )  # fmt: skip


def _in_order(found: Mapping[str, pa.RecordBatch]) -> list[tuple[str, dict[str, Any]]]:
    """Messages of one datagram by their sequence number; of one datagram there are few."""
    rows = [(name, row) for name, batch in found.items() for row in batch.to_pylist()]
    first = rows[0][1]["_seq"]
    return sorted(rows, key=lambda one: (one[1]["_seq"] - first) % 256 if len(rows) > 1 else 0)
