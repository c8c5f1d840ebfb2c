"""A Remote ID receiver with simulated aircraft in the air around it: ASTM F3411 message packs in JSON over UDP."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from sim_devices.servers import LOOPBACK

__all__ = ["RemoteIdReceiver", "pack"]

_SERIAL, _MULTIROTOR = 1, 2
_UNKNOWN_HEIGHT: Final = 0


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
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def hear(self, mac: str, payload: bytes, rssi: float = -70.0) -> None:
        """Pass on one payload."""
        self.send(json.dumps({"mac": mac, "radio": "wifi_beacon", "rssi": rssi, "data": payload.hex()}).encode())

    def send(self, datagram: bytes) -> None:
        """Send a datagram as it stands."""
        self._socket.sendto(datagram, self._to)

    def close(self) -> None:
        """Switch it off."""
        self._socket.close()


def _text(text: str) -> bytes:
    return text.encode()[:20].ljust(20, b"\0") + bytes(3)


def _height(value: float | None) -> int:
    return _UNKNOWN_HEIGHT if value is None else round((value + 1_000.0) * 2)
