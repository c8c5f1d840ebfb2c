"""A simulated P1 port behind a port server, on a wire that can be pulled."""

from typing import Any

from wired_bench import WiredBench

from sim_devices.servers import DeviceServer
from sim_devices.servers.dsmr import P1Port
from sim_devices.site import Device, Metric


class DsmrBench(WiredBench):
    key = "grid/power_import"
    stale_within_s = 1.0

    def serve(self) -> DeviceServer:
        return P1Port(Device("grid", "p1-meter", "dsmr", "cellar"), (Metric("power_import", "kW"),), period_s=0.1)

    def values(self, value: int) -> dict[str, Any]:
        return {"power_import": float(value)}

    def table(self) -> dict[str, Any]:
        return super().table() | {"url": f"tcp://127.0.0.1:{self.wire.port}", "timeout_s": 0.5}


BENCH = DsmrBench
