"""A simulated P1 port behind a port server, on a wire that can be pulled."""

from pathlib import Path
from typing import Any

from sim_bench import SimBench

from edge.conformance import Proxy
from sim_devices.servers import DeviceServer
from sim_devices.servers.dsmr import P1Port
from sim_devices.site import Device, Metric


class DsmrBench(SimBench):
    can = frozenset({"leaves", "freezes", "garbles", "floods"})
    key = "grid/power_import"
    stale_within_s = 1.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wire = Proxy()

    def serve(self) -> DeviceServer:
        return P1Port(Device("grid", "p1-meter", "dsmr", "cellar"), (Metric("power_import", "kW"),), period_s=0.1)

    def values(self, value: int) -> dict[str, Any]:
        return {"power_import": float(value)}

    def table(self) -> dict[str, Any]:
        return super().table() | {"url": f"tcp://127.0.0.1:{self.wire.port}", "timeout_s": 0.5}

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


BENCH = DsmrBench
