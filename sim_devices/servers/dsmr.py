"""A smart meter's P1 port behind a TCP port server: DSMR 5 telegrams with their CRC, to everyone who is connected."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import fastcrc

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, point_spec
from sim_devices.site import Device, Metric

__all__ = ["P1Port"]

FORMATS = {"kW.h": ("{:010.3f}", "kWh"), "kW": ("{:06.3f}", "kW"), "V": ("{:05.1f}", "V"), "A": ("{:03.0f}", "A")}
CODES = {
    "energy_import_t1": "1-0:1.8.1", "energy_import_t2": "1-0:1.8.2", "energy_export_t1": "1-0:2.8.1",
    "energy_export_t2": "1-0:2.8.2", "tariff": "0-0:96.14.0", "power_import": "1-0:1.7.0", "power_export": "1-0:2.7.0",
    "voltage_l1": "1-0:32.7.0", "voltage_l2": "1-0:52.7.0", "voltage_l3": "1-0:72.7.0", "current_l1": "1-0:31.7.0",
    "current_l2": "1-0:51.7.0", "current_l3": "1-0:71.7.0", "power_import_l1": "1-0:21.7.0",
    "power_import_l2": "1-0:41.7.0", "power_import_l3": "1-0:61.7.0", "gas_1": "0-1:24.2.1",
}  # fmt: skip
BUFFER_BYTES_MAX = 64 * 1024  # a client that does not read is hung up


class P1Port:
    """One meter; it speaks each period. Metrics are named as those of the source: energy_import_t1, power_import, …"""

    def __init__(self, device: Device, metrics: tuple[Metric, ...], *, period_s: float = 1.0, port: int = 0) -> None:
        self.device = device
        self._metrics = tuple(metric for metric in metrics if metric.name in CODES)
        self._period_s, self._port = period_s, port
        self._values: Mapping[str, Value | None] = {}
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Its TCP port on loopback, kept over cuts; 0 before the first start unless one was asked for."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen and begin to speak."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self._task = tasks.create_task(self._speak(), name=f"p1 {self.device.name}")

    async def cut(self) -> None:
        """Drop the clients and stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in list(self._clients):
            client.transport.abort()

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """What the next telegram tells."""
        self._values = dict(values)

    def source(self) -> dict[str, Any]:
        """The agent's table."""
        return {
            "kind": "dsmr",
            "name": self.device.name,
            "device": self.device.name,
            "url": f"tcp://{LOOPBACK}:{self._port}",
            "timeout_s": max(5.0, 5 * self._period_s),
            "points": [point_spec(self.device, metric) for metric in self._metrics],
        }

    def telegram(self) -> bytes:
        """Of now, with the CRC over all that stands before it."""
        now = datetime.now().astimezone().strftime("%y%m%d%H%M%SW")
        lines = ["/AID5\\2" + self.device.name, "", "1-3:0.2.8(50)", f"0-0:1.0.0({now})"]
        for metric in self._metrics:
            value, code = self._values.get(metric.name), CODES[metric.name]
            if value is None or isinstance(value, str):
                continue
            if metric.name == "gas_1":
                lines += ["0-1:24.1.0(003)", f"{code}({now[:8]}0000W)({float(value):09.3f}*m3)"]
            elif metric.unit in FORMATS:
                form, unit = FORMATS[metric.unit]
                lines.append(f"{code}({form.format(float(value))}*{unit})")
            else:
                lines.append(f"{code}({int(value):04d})")
        body = ("\r\n".join(lines) + "\r\n!").encode("ascii")
        return body + b"%04X\r\n" % fastcrc.crc16.arc(body)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while await reader.read(1024):  # the port listens to nobody, and notices who hangs up
                pass
        except OSError:
            return
        finally:
            self._clients.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    async def _speak(self) -> None:
        while True:
            telegram = self.telegram()
            for client in list(self._clients):
                if client.transport.get_write_buffer_size() > BUFFER_BYTES_MAX:
                    client.transport.abort()
                else:
                    client.write(telegram)
            await asyncio.sleep(self._period_s)
