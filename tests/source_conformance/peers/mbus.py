"""A simulated M-Bus meter and its level converter, behind a wire that can be pulled."""

from typing import Any

from wired_bench import WiredBench

from sim_devices.servers import DeviceServer
from sim_devices.servers.mbus import MbusMeter
from sim_devices.site import Device, Metric


class MbusBench(WiredBench):
    can = WiredBench.can | {"polled"}
    key = "meter/volume"
    period_s = 0.05
    stale_within_s = 1.0  # three tries

    def serve(self) -> DeviceServer:
        return MbusMeter(Device("meter", "water-meter", "mbus", "cellar"), (Metric("volume", "m3"),))

    def values(self, value: int) -> dict[str, Any]:
        return {"volume": float(value)}

    def table(self) -> dict[str, Any]:
        url = f"tcp://127.0.0.1:{self.wire.port}"
        return super().table() | {"url": url, "period_s": self.period_s, "timeout_s": 0.3}

    def polls(self) -> int:
        assert isinstance(self.server, MbusMeter)
        return self.server.asked


BENCH = MbusBench
