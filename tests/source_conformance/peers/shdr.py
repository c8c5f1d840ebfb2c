"""A simulated MTConnect adapter, behind a wire that can be pulled."""

from typing import Any

from wired_bench import WiredBench

from sim_devices.servers import DeviceServer
from sim_devices.servers.shdr import ShdrAdapter
from sim_devices.site import Device, Metric


class ShdrBench(WiredBench):
    key = "source/load"
    stale_within_s = 2.5

    def serve(self) -> DeviceServer:
        return ShdrAdapter(Device("lathe", "lathe", "shdr", "hall"), (Metric("load", "%"),))

    def values(self, value: int) -> dict[str, Any]:
        return {"load": float(value)}

    def table(self) -> dict[str, Any]:
        return super().table() | {"url": f"shdr://127.0.0.1:{self.wire.port}", "link_loss_s": 1.0}


BENCH = ShdrBench
