"""A meter behind an M-Bus level converter with a TCP port: primary and secondary addressing, one frame an answer."""

from __future__ import annotations

import asyncio
import contextlib
import math
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, point_spec
from sim_devices.site import Device, Metric
from wire.errors import ConfigError

__all__ = ["MbusMeter", "scale_of"]

ACK = b"\xe5"
ADDRESS = 1
MANUFACTURER = 0x0464  # ACD
MEDIA = {"heat": 0x04, "water": 0x07, "electricity": 0x02, "gas": 0x03, "cooling": 0x0A}
READ_S_MAX = 3_600.0


class _Coded(NamedTuple):
    """Value information bytes, how many of their unit one of the metric's makes, and the quantity as M-Bus has it."""

    vib: bytes
    scale: float
    quantity: str


CODES = {
    "kW.h": _Coded(b"\x03", 1_000.0, "energy"),
    "MW.h": _Coded(b"\x06", 1_000.0, "energy"),
    "m3": _Coded(b"\x13", 1_000.0, "volume"),
    "kW": _Coded(b"\x2b", 1_000.0, "power"),
    "W": _Coded(b"\x2b", 1.0, "power"),
    "m3/h": _Coded(b"\x3b", 1_000.0, "volume_flow"),
    "K": _Coded(b"\x61", 100.0, "temperature_difference"),
    "bar": _Coded(b"\x68", 1_000.0, "pressure"),
    "V": _Coded(b"\xfd\x47", 100.0, "voltage"),
    "A": _Coded(b"\xfd\x59", 1_000.0, "current"),
    "Hz": _Coded(b"\xfb\x2c", 1_000.0, "frequency"),
}
CELSIUS = (
    ("return", _Coded(b"\x5d", 100.0, "return_temperature")),
    ("flow", _Coded(b"\x59", 100.0, "flow_temperature")),
    ("supply", _Coded(b"\x59", 100.0, "flow_temperature")),
    ("", _Coded(b"\x65", 100.0, "external_temperature")),
)


class MbusMeter:
    """One meter and its converter. The unit of a metric says which quantity of M-Bus it is."""

    def __init__(
        self,
        device: Device,
        metrics: tuple[Metric, ...],
        *,
        period_s: float = 900.0,
        port: int = 0,
        address: int = ADDRESS,
    ) -> None:
        self.device, self.address = device, address
        self._period_s, self._port = period_s, port
        self._coded = {metric.name: _coded(metric) for metric in metrics}
        self._metrics = metrics
        self._values: Mapping[str, Value | None] = {}
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._access = 0
        self.selected = False
        self.identity = f"{zlib.crc32(device.name.encode()) % 100_000_000:08d}"
        self.asked = 0

    @property
    def port(self) -> int:
        """Its TCP port on loopback, kept over cuts; 0 before the first start unless one was asked for."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Drop the clients and stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in list(self._clients):
            client.transport.abort()

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """What the next answer tells."""
        self._values = dict(values)

    def source(self) -> dict[str, Any]:
        """The agent's table."""
        seen: Counter[str] = Counter()
        points = []
        for metric in self._metrics:
            quantity = self._coded[metric.name].quantity
            seen[quantity] += 1
            record = quantity if seen[quantity] == 1 else f"{quantity}_{seen[quantity]}"
            points.append(point_spec(self.device, metric) | {"record": record})
        return {
            "kind": "mbus",
            "name": self.device.name,
            "device": self.device.name,
            "url": f"tcp://{LOOPBACK}:{self._port}",
            "period_s": self._period_s,
            "meters": [{"name": self.device.name, "address": self.address, "points": points}],
        }

    def answer(self) -> bytes:
        """The long frame that tells its values."""
        body = bytes.fromhex(self.identity)[::-1] + MANUFACTURER.to_bytes(2, "little")
        body += bytes((1, self._medium, self._access & 0xFF, 0, 0, 0))
        for name, coded in self._coded.items():
            value = self._values.get(name)
            if value is None or isinstance(value, str) or not math.isfinite(value):
                body += b"\x00" + coded.vib  # no data
            else:
                raw = min(max(round(float(value) * coded.scale), -(2**31)), 2**31 - 1)
                body += b"\x04" + coded.vib + raw.to_bytes(4, "little", signed=True)
        content = bytes((0x08, self.address, 0x72)) + body
        length = len(content)
        return bytes((0x68, length, length, 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))

    @property
    def _medium(self) -> int:
        return next((code for name, code in MEDIA.items() if name in self.device.kind), 0x0F)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while True:
                frame = await _frame(reader)
                reply = self._reply(frame)
                if reply:
                    writer.write(reply)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._clients.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    def _reply(self, frame: bytes) -> bytes:
        if not frame:
            return b""
        if frame[0] == 0x68:
            return self._select(frame)
        control, address = frame[1], frame[2]
        if address == 253 and control == 0x40:
            self.selected = False
            return b""
        if address not in {self.address, 254} and not (address == 253 and self.selected):
            return b""
        if control == 0x40:
            return ACK
        if control & 0xDF == 0x5B:
            self.asked += 1
            self._access += 1
            return self.answer()
        return b""

    def _select(self, frame: bytes) -> bytes:
        wanted = frame[7:15]
        mine = bytes.fromhex(self.identity)[::-1] + MANUFACTURER.to_bytes(2, "little") + bytes((1, self._medium))
        matches = all(asked == 0xFF or asked == own for asked, own in zip(wanted, mine, strict=False))
        self.selected = frame[4:7] == b"\x53\xfd\x52" and len(wanted) == 8 and matches
        return ACK if self.selected else b""


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame, empty for a byte that begins none or one whose checksum is wrong."""
    first = await reader.readexactly(1)
    if first == b"\x10":
        frame = first + await reader.readexactly(4)
        return frame if (frame[1] + frame[2]) & 0xFF == frame[3] else b""
    if first == b"\x68":
        head = first + await reader.readexactly(3)
        frame = head + await reader.readexactly(head[1] + 2)
        return frame if sum(frame[4:-2]) & 0xFF == frame[-2] else b""
    return b""


def scale_of(metric: Metric) -> float:
    """How many counts of its record are one of the metric's unit."""
    return _coded(metric).scale


def _coded(metric: Metric) -> _Coded:
    if metric.unit == "Cel":
        return next(coded for word, coded in CELSIUS if word in metric.name)
    if metric.unit not in CODES:
        raise ConfigError(
            f"{metric.name} in {metric.unit!r} has no M-Bus code", field="metrics", fix=f"one of {', '.join(CODES)}"
        )
    return CODES[metric.unit]
