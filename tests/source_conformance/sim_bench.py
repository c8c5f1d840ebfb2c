"""A bench for any simulated device: its server holds one number and can be cut, as the park cuts it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from edge.conformance import Ability, Bench
from sim_devices.servers import DeviceServer


class SimBench(Bench):
    """Derive it, make the server in `serve`, and say with which values it speaks in `values`."""

    can: ClassVar[frozenset[Ability]] = frozenset({"leaves", "floods"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.value = 1
        self.server: DeviceServer = self.serve()
        self._running: asyncio.Task[None] | None = None
        self._off = asyncio.Event()

    def serve(self) -> DeviceServer:
        """The server of the device, on a port of its own that stays."""
        raise AssertionError("a bench says which server it starts")

    def values(self, value: int) -> dict[str, Any]:
        """What the device says while it holds `value`, by metric."""
        raise AssertionError("a bench says what its device says")

    def table(self) -> dict[str, Any]:
        return {name: value for name, value in self.server.source().items() if name != "name"}

    async def start(self) -> None:
        await self.server.publish(self.values(self.value))
        self._off, started = asyncio.Event(), asyncio.Event()
        self._running = asyncio.create_task(self._run(started, self._off))
        await started.wait()
        await self.server.publish(self.values(self.value))

    async def _run(self, started: asyncio.Event, off: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            try:
                await self.server.start(tasks)
            finally:
                started.set()
            await off.wait()
            await self.server.cut()

    async def stop(self) -> None:
        if self._running is not None:
            self._off.set()
            running, self._running = self._running, None
            await running

    async def change(self, value: int) -> None:
        self.value = value
        await self.server.publish(self.values(value))

    async def flood(self) -> None:
        for value in range(2, 2_002):
            await self.change(value)
