"""Peers behind a wire that can be pulled, frozen and fed with noise."""

from __future__ import annotations

from pathlib import Path

from sim_bench import SimBench

from edge.conformance import Bench, Proxy


class Wired(Bench):
    """Any TCP peer: the source connects to `wire.port`, and through it to `wire.target`."""

    can = frozenset({"leaves", "freezes", "garbles", "floods"})

    def __init__(self, folder: Path) -> None:
        self.wire = Proxy()
        super().__init__(folder)

    async def freeze(self) -> None:
        self.wire.set("freeze")

    async def thaw(self) -> None:
        self.wire.set("pass")

    async def garble(self) -> None:
        self.wire.set("garble")

    async def mend(self) -> None:
        self.wire.set("pass")


class WiredBench(Wired, SimBench):
    """A simulated device."""

    async def start(self) -> None:
        await super().start()
        self.wire.target = self.server.port
        await self.wire.start()

    async def stop(self) -> None:
        await self.wire.cut()
        await super().stop()
