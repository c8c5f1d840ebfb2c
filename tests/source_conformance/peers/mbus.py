"""A simulated M-Bus meter and its level converter, behind a wire that can be pulled."""

from pathlib import Path
from typing import Any

from sim_bench import SimBench

from edge.conformance import Proxy
from sim_devices.servers import DeviceServer
from sim_devices.servers.mbus import MbusMeter
from sim_devices.site import Device, Metric


class MbusBench(SimBench):
    can = frozenset({"leaves", "freezes", "garbles", "polled", "floods"})
    key = "meter/volume"
    period_s = 0.05
    stale_within_s = 1.0  # three tries

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wire = Proxy()

    def serve(self) -> DeviceServer:
        return MbusMeter(Device("meter", "water-meter", "mbus", "cellar"), (Metric("volume", "m3"),))

    def values(self, value: int) -> dict[str, Any]:
        return {"volume": float(value)}

    def table(self) -> dict[str, Any]:
        url = f"tcp://127.0.0.1:{self.wire.port}"
        return super().table() | {"url": url, "period_s": self.period_s, "timeout_s": 0.3}

    async def start(self) -> None:
        await super().start()
        self.wire.target = self.server.port
        await self.wire.start()

    async def stop(self) -> None:
        await self.wire.cut()
        await super().stop()

    async def freeze(self) -> None:
        self.wire.set("freeze")

    async def thaw(self) -> None:
        self.wire.set("pass")

    async def garble(self) -> None:
        self.wire.set("garble")

    async def mend(self) -> None:
        self.wire.set("pass")

    def polls(self) -> int:
        assert isinstance(self.server, MbusMeter)
        return self.server.asked


BENCH = MbusBench
