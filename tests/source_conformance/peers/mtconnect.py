"""The simulated agent of a machining centre, behind a wire that can be pulled."""

from typing import Any

from wired_bench import WiredBench

from sim_devices.servers import DeviceServer
from sim_devices.servers.mtconnect import BUFFER, MtConnectAgent
from sim_devices.site import Device, Metric


class MtConnectBench(WiredBench):
    can = WiredBench.can | {"loses"}
    key = "mill-3/parts_made"
    stale_within_s = 1.0

    def serve(self) -> DeviceServer:
        device = Device(name="mill-3", kind="machine-tool", protocol="mtconnect", space="Machine shop")
        return MtConnectAgent(device, (Metric("parts_made", "1"),))

    def values(self, value: int) -> dict[str, Any]:
        return {"parts_made": value}

    def table(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.wire.port}"
        return super().table() | {"url": url, "interval_s": 0.05, "heartbeat_s": 0.5, "timeout_s": 0.5}

    async def lose(self) -> int:
        await self.wire.cut()
        for value in range(BUFFER + 500):
            await self.change(value)
        await self.wire.start()
        return 400


BENCH = MtConnectBench
