"""A device with a little web server: GET tells its values as JSON, POST to `/set` takes `{"metric": number}`.

What loggers of inverters, counters of gates and lamps with a REST interface have. HTTP/1.1, one answer a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, Written, point_spec
from sim_devices.servers.mqtt import rounded
from sim_devices.site import Device, Metric
from wire.errors import InputError

__all__ = ["HttpJsonServer"]

BODY_BYTES_MAX = 4_096
REQUEST_S_MAX = 5.0


class HttpJsonServer:
    """One device on a port of its own."""

    def __init__(
        self, device: Device, metrics: tuple[Metric, ...], written: Written, *, period_s: float, port: int = 0
    ) -> None:
        self.device = device
        self._metrics, self._written, self._period_s, self._port = metrics, written, period_s, port
        self._values: Mapping[str, Value | None] = {}
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens on loopback; 0 when it does not."""
        return self._port if self._server is not None else 0

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen, at the same port each time."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """End the device."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """What the next question is answered with."""
        self._values = values

    def source(self) -> dict[str, Any]:
        """The agent's table: ask for everything at the device's pace."""
        name, base = self.device.name, f"http://{LOOPBACK}:{self._port}"
        specs = []
        for metric in self._metrics:
            spec = {"path": f"data.{metric.name}", "kind": metric.kind, **point_spec(self.device, metric)}
            if metric.writable:
                spec |= {
                    "command": f"{base}/set",
                    "command_payload": json.dumps({metric.name: 0}).replace("0", "{value}"),
                }
            specs.append(spec)
        poll = {"device": name, "url": f"{base}/status", "period_s": self._period_s}
        rule = {"pattern": f"{name}/status", "device": name, "metrics": specs}
        return {"kind": "http-json", "name": name, "poll": [poll], "topic": [rule]}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(REQUEST_S_MAX):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(min(int(fields.get("content-length", "0")), BODY_BYTES_MAX))
                status, answer = self._answer(head.split(" ")[0], head.split(" ")[1], body)
                text = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
                    "connection: close\r\n\r\n".encode()
                    + text
                )
                await writer.drain()
        writer.close()

    def _answer(self, method: str, path: str, body: bytes) -> tuple[str, dict[str, Any]]:
        if method == "GET" and path == "/status":
            shown = {metric.name: rounded(self._values.get(metric.name), metric) for metric in self._metrics}
            return "200 OK", {"device": self.device.name, "data": shown}
        if method == "POST" and path == "/set":
            try:
                for name, value in json.loads(body).items():
                    self._written(str(name), float(value))
            except (InputError, ValueError, TypeError, AttributeError) as error:
                return "400 Bad Request", {"error": str(error)}
            return "200 OK", {}
        return "404 Not Found", {}
