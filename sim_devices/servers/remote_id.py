"""A Remote ID receiver with simulated aircraft in the air around it: ASTM F3411 message packs in JSON over UDP.

The receiver of a park hears the park's drones, which broadcast once a second as long as they have power.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sim_devices.drone.autopilot import Autopilot
from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, udp_socket
from sim_devices.site import Device

__all__ = ["RemoteIdReceiver", "RemoteIdStation", "broadcast", "pack"]

_SERIAL, _MULTIROTOR = 1, 2
_UNKNOWN_HEIGHT: Final = 0
SPEAK_S: Final = 1.0  # F3411 asks for a place at least once a second
GEOID_M: Final = 42.5  # of the ellipsoid's height above the sea's, around the campus
_NEAR_DBM: Final = -40.0  # at one metre; falls with the square of the distance


def pack(told: Mapping[str, Any]) -> bytes:
    """A message pack of Basic ID, Location and Operator ID: `number`, `operator`, `lat_deg`, `lon_deg`,
    `alt_ellipsoid_m` and `height_m` (None: unknown), `speed_m_s`, `climb_m_s`, `track_deg`, `airborne`."""
    basic = bytes([0x02, _SERIAL << 4 | _MULTIROTOR]) + _text(told["number"])
    track = int(told["track_deg"]) % 360
    flags = (0x20 if told["airborne"] else 0x10) | (2 if track >= 180 else 0)
    location = bytes([0x12, flags, track % 180, min(round(told["speed_m_s"] / 0.25), 254)])
    location += struct.pack("<b", round(told["climb_m_s"] / 0.5))
    heights = [_height(told.get(name)) for name in ("alt_pressure_m", "alt_ellipsoid_m", "height_m")]
    location += struct.pack("<iiHHH", round(told["lat_deg"] * 1e7), round(told["lon_deg"] * 1e7), *heights)
    location += bytes([0x3B, 0, 0, 0, 0, 0])
    operator = bytes([0x52, 0]) + _text(told["operator"])
    return bytes([0xF2, 25, 3]) + basic + location + operator


class RemoteIdReceiver:
    """Sends what it hears to the agent's port on loopback."""

    def __init__(self, port: int) -> None:
        self._to = (LOOPBACK, port)
        self._socket = udp_socket(0)

    def hear(self, mac: str, payload: bytes, rssi: float = -70.0) -> None:
        """Pass on one payload."""
        self.send(json.dumps({"mac": mac, "radio": "wifi_beacon", "rssi": rssi, "data": payload.hex()}).encode())

    def send(self, datagram: bytes) -> None:
        """Send a datagram as it stands."""
        self._socket.sendto(datagram, self._to)

    def close(self) -> None:
        """Switch it off."""
        self._socket.close()


class RemoteIdStation:
    """The receiver of a site as a device server; `pilots` are the drones that it hears, `port` the agent's."""

    def __init__(self, device: Device, pilots: Sequence[Autopilot], port: int, *, speed: float = 1.0) -> None:
        self.device = device
        self._pilots, self._agent_port, self._speed = pilots, port, speed
        self._receiver: RemoteIdReceiver | None = None
        self._due_s = 0.0

    @property
    def port(self) -> int:
        """It listens nowhere: it sends."""
        return 0

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Switch it on."""
        self._receiver = self._receiver or RemoteIdReceiver(self._agent_port)

    async def cut(self) -> None:
        """Switch it off."""
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Pass on what the drones broadcast, once a second; what nobody takes at the agent's port is lost."""
        now_s = time.monotonic()
        if self._receiver is None or now_s < self._due_s:
            return
        self._due_s = max(self._due_s + SPEAK_S, now_s)
        for number, pilot in enumerate(self._pilots, start=1):
            signal = _NEAR_DBM - 20.0 * math.log10(max(pilot.home_m, 3.0))
            try:
                self._receiver.hear(f"60:60:1f:00:00:{number:02x}", pack(broadcast(pilot)), round(signal, 1))
            except OSError:  # told of an earlier datagram that found no agent
                continue

    def source(self) -> dict[str, Any]:
        """The agent's table."""
        return {
            "kind": "remote-id", "name": self.device.name, "url": f"udp://{LOOPBACK}:{self._agent_port}",
            "trusted": [LOOPBACK], "space": self.device.space, "speed_m_s_max": 150.0 * max(self._speed, 1.0),
        }  # fmt: skip


def broadcast(pilot: Autopilot) -> dict[str, Any]:
    """What a drone says of itself, as `pack` takes it."""
    lat_deg, lon_deg, sea_m = pilot.frame.to_earth(pilot.place)
    moving = pilot.air.velocity
    return {
        "number": pilot.spec.serial or pilot.spec.name.upper()[:20], "operator": "SVK-AID4-CAMPUS",
        "lat_deg": lat_deg, "lon_deg": lon_deg, "alt_ellipsoid_m": sea_m + GEOID_M,
        "height_m": pilot.place.up - pilot.home.up, "speed_m_s": math.hypot(moving.east, moving.north),
        "climb_m_s": moving.up, "track_deg": math.degrees(math.atan2(moving.east, moving.north)) % 360.0,
        "airborne": pilot.airborne,
    }  # fmt: skip


def _text(text: str) -> bytes:
    return text.encode()[:20].ljust(20, b"\0") + bytes(3)


def _height(value: float | None) -> int:
    return _UNKNOWN_HEIGHT if value is None else round((value + 1_000.0) * 2)
