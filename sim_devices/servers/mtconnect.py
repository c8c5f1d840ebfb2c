"""A machine tool behind an MTConnect agent of its own: /probe, /current and /sample, streamed as multipart.

The agent keeps the last observations in a ring, as real ones do: a client that comes back in time misses nothing, one
that asks for what is gone is told OUT_OF_RANGE. Answers follow the schemas of version 2.4.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, point_spec
from sim_devices.servers.mtconnect_documents import ITEMS, SCALE, Documents, Observation
from sim_devices.site import Device, Metric
from wire.clock import SystemClock

__all__ = ["MtConnectAgent"]

_CLOCK = SystemClock()
BUFFER = 8_192
BOUNDARY = "aid4-mtconnect"
COUNT_MAX = 2_000
START_POLL_S = 0.01


class MtConnectAgent:
    """One machine's agent without authentication, as agents stand in a shop-floor network."""

    def __init__(self, device: Device, metrics: tuple[Metric, ...], *, period_s: float = 0.5, port: int = 0) -> None:
        self.device = device
        self._metrics = {metric.name: metric for metric in metrics if metric.name in ITEMS}
        self._period_s, self._port = period_s, port
        self._buffer: deque[Observation] = deque(maxlen=BUFFER)
        self._sequence = 1
        self._newest: dict[str, Observation] = {}
        self._shown: dict[str, str] = {}
        self._documents = Documents(device, list(self._metrics), str(_CLOCK.wall_us() // 1_000_000), BUFFER)
        self._news = asyncio.Event()
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Its TCP port on loopback; 0 before the first start unless one was asked for."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen; the buffer survives a cut as an agent's does."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, self._port))
        self._port = listener.getsockname()[1]
        routes = [Route(path, self._answer) for path in ("/probe", "/current", "/sample")]
        config = uvicorn.Config(
            Starlette(routes=routes), log_config=None, lifespan="off", timeout_graceful_shutdown=1, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._task = tasks.create_task(self._serve(self._server, listener), name=f"mtconnect {self.device.name}")
        while not self._server.started:  # noqa: ASYNC110  (the server has no event for it)
            await asyncio.sleep(START_POLL_S)

    async def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        with contextlib.closing(listener):
            await server._serve([listener])  # without its signal handlers: they are the park's

    async def cut(self) -> None:
        """Drop the clients and stop listening."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._news.set()
        await asyncio.wait([self._task], timeout=5.0)
        self._server = self._task = None

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Put what changed into the buffer; a missing value is UNAVAILABLE."""
        now = (
            datetime.fromtimestamp(_CLOCK.wall_us() / 1e6, UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z")
        )
        for name in self._metrics:
            text = _text(name, values[name])
            if self._shown.get(name) == text:
                continue
            self._shown[name] = text
            self._newest[name] = Observation(self._sequence, name, now, text)
            self._buffer.append(self._newest[name])
            self._sequence += 1
        self._news.set()

    def source(self) -> dict[str, Any]:
        """The `[[source]]` table with which an agent of ours reads it."""
        items = []
        for name, metric in self._metrics.items():
            spec = point_spec(self.device, metric) | {"id": self._documents.id(name)}
            if name in SCALE:  # told in MTConnect's own unit
                spec |= {"scale": 1.0 / SCALE[name]}
            items.append(spec)
        return {
            "kind": "mtconnect",
            "name": self.device.name,
            "device": self.device.name,
            "url": f"http://{LOOPBACK}:{self._port}",
            "only": True,
            "items": items,
        }

    # -- answers

    async def _answer(self, request: Request) -> Response:
        query = request.query_params
        match request.url.path:
            case "/probe":
                return _xml(self._documents.devices())
            case "/current":
                return _xml(self._streams(sorted(self._newest.values()), self._sequence))
        try:
            start, count = int(query.get("from", self._first())), int(query.get("count", 100))
            interval_s = int(query["interval"]) / 1_000.0 if "interval" in query else None
            heartbeat_s = int(query.get("heartbeat", 10_000)) / 1_000.0
        except ValueError:
            return _xml(self._documents.error("INVALID_PARAMETER_VALUE", "these parameters are numbers"), 400)
        if not self._first() <= start <= self._sequence or not 0 < count <= COUNT_MAX:
            return _xml(self._documents.error("OUT_OF_RANGE", f"from {self._first()} to {self._sequence}"), 404)
        if interval_s is None:
            chosen = self._from(start, count)
            return _xml(self._streams(chosen, chosen[-1].sequence + 1 if chosen else start))
        media = f"multipart/x-mixed-replace;boundary={BOUNDARY}"
        return StreamingResponse(self._stream(start, count, interval_s, heartbeat_s), media_type=media)

    async def _stream(self, start: int, count: int, interval_s: float, heartbeat_s: float) -> AsyncIterator[bytes]:
        """Documents as something happens, at most one an interval; an empty one as a heartbeat."""
        while self._server is not None and not self._server.should_exit:
            chosen = self._from(start, count)
            if not chosen:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(heartbeat_s):
                        await self._news.wait()
                chosen = self._from(start, count)
            start = chosen[-1].sequence + 1 if chosen else start
            body = self._streams(chosen, start)
            yield b"--%s\r\nContent-type: text/xml\r\nContent-length: %d\r\n\r\n" % (BOUNDARY.encode(), len(body))
            yield body + b"\r\n"
            await asyncio.sleep(interval_s)

    def _first(self) -> int:
        return self._buffer[0].sequence if self._buffer else self._sequence

    def _from(self, start: int, count: int) -> list[Observation]:
        skip = max(0, start - self._first())
        return [self._buffer[at] for at in range(skip, min(len(self._buffer), skip + count))]

    def _streams(self, chosen: list[Observation], next_sequence: int) -> bytes:
        return self._documents.streams(chosen, self._first(), self._sequence, next_sequence)


def _xml(document: bytes, status: int = 200) -> Response:
    return Response(document, status, media_type="text/xml")


def _text(name: str, value: Value | None) -> str:
    if value is None:
        return "UNAVAILABLE"
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return f"{value * SCALE.get(name, 1.0):.6g}" if isinstance(value, float) else str(value)
