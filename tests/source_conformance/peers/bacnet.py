"""A simulated BACnet controller, whose cable can be pulled, and which can be made to send noise."""

import random
from pathlib import Path
from typing import Any

from sim_bench import SimBench

from edge.conformance import free_port
from sim_devices.servers import DeviceServer
from sim_devices.servers.bacnet import BacnetServer
from sim_devices.site import Device, Metric


class BacnetBench(SimBench):
    can = frozenset({"leaves", "freezes", "garbles", "floods"})
    key = "ahu/number"
    stale_within_s = 0.6  # a period and the time for an answer

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._noise = random.Random(7)

    def serve(self) -> DeviceServer:
        device = Device("ahu", "ahu", "bacnet", "plant")
        return BacnetServer(device, (Metric("number"),), lambda metric, value: None, instance=7, port=free_port())

    def values(self, value: int) -> dict[str, Any]:
        return {"number": float(value)}

    def table(self) -> dict[str, Any]:
        return super().table() | {"period_s": 0.1, "timeout_s": 0.4, "reread_s": 0.3}

    async def freeze(self) -> None:
        await self.server.cut()

    async def thaw(self) -> None:
        await self._cable.put_back()

    async def garble(self) -> None:
        cable = self._cable

        async def noise(pdu: Any) -> None:
            data = self._noise.randbytes(len(pdu.pduData))
            cable.local_transport.sendto(b"\x81\x0a" + data[2:], pdu.pduDestination.addrTuple)

        cable.indication = noise

    async def mend(self) -> None:
        del self._cable.indication

    @property
    def _cable(self) -> Any:
        assert isinstance(self.server, BacnetServer)
        return self.server._cable


BENCH = BacnetBench
