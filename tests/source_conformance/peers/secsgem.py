"""Simulated fab equipment in its own process, behind a wire that can be pulled."""

from typing import Any

from wired_bench import WiredBench

from edge.conformance import free_port
from sim_devices.servers import DeviceServer
from sim_devices.servers.secsgem import SecsGemServer
from sim_devices.site import Device, Metric


class SecsGemBench(WiredBench):
    key = "source/rf_power"
    stale_within_s = 12.0  # three requests without an answer

    def serve(self) -> DeviceServer:
        device = Device("etcher", "process-tool", "secsgem", "bay")
        return SecsGemServer(device, (Metric("rf_power", "W"),), lambda *_: None, period_s=0.2, port=free_port())

    def values(self, value: int) -> dict[str, Any]:
        return {"rf_power": float(value)}

    def table(self) -> dict[str, Any]:
        return super().table() | {"url": f"hsms://127.0.0.1:{self.wire.port}", "timeout_s": 1.0}


BENCH = SecsGemBench
