"""An MTConnect adapter: SHDR over TCP, PONG to a PING; who connects is told everything, then what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, point_spec
from sim_devices.site import Device, Metric

__all__ = ["ShdrAdapter"]

PONG: Final = b"* PONG 10000\n"
UNSENT_BYTES_MAX: Final = 1 << 20  # of an agent that does not read; it is dropped then


class ShdrAdapter:
    """One machine's adapter."""

    def __init__(self, device: Device, metrics: tuple[Metric, ...], *, port: int = 0) -> None:
        self.device = device
        self._metrics, self._port = metrics, port
        self._server: asyncio.Server | None = None
        self._agents: set[asyncio.StreamWriter] = set()
        self._shown: dict[str, Value | None] = {}

    @property
    def port(self) -> int:
        """Where it listens; kept over a cut."""
        return self._port

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Drop the agents and stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for agent in list(self._agents):
            agent.transport.abort()
        self._agents.clear()
        await asyncio.sleep(0)  # lets those that served them end

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def publish(self, values: Mapping[str, Value | None]) -> None:
        """Tell the agents what changed."""
        fresh = {name: value for name, value in values.items() if self._shown.get(name, self) != value}
        self._shown.update(fresh)
        if fresh and self._agents:
            self._tell(_line(fresh), self._agents)

    def say(self, line: bytes) -> None:
        """Send a line as it stands, as a recording's."""
        self._tell(line, self._agents)

    def source(self) -> dict[str, Any]:
        """The agent's table."""
        points = [point_spec(self.device, metric) for metric in self._metrics]
        return {"kind": "shdr", "name": self.device.name, "url": f"shdr://{LOOPBACK}:{self._port}", "points": points}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._shown:
            writer.write(_line(self._shown))
        self._agents.add(writer)
        try:
            while line := await reader.readline():
                if line.startswith(b"* PING"):
                    writer.write(PONG)
        except (OSError, ValueError):
            pass
        finally:
            self._agents.discard(writer)
            writer.close()

    def _tell(self, line: bytes, agents: set[asyncio.StreamWriter]) -> None:
        for agent in list(agents):
            if agent.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
                agent.transport.abort()
                agents.discard(agent)
            else:
                agent.write(line)


def _line(values: Mapping[str, Value | None]) -> bytes:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    pairs = "|".join(f"{name}|{'UNAVAILABLE' if value is None else value}" for name, value in values.items())
    return f"{at}|{pairs}\n".encode()
