"""The simulated device with a web server, behind a wire that can be pulled; it counts who asks."""

from typing import Any

from sim_bench import SimBench

from edge.conformance import free_port
from sim_devices.servers import DeviceServer
from sim_devices.servers.http_json import HttpJsonServer
from sim_devices.site import Device, Metric

PERIOD_S = 0.1


class Counting(HttpJsonServer):
    """Counts questions; garbled, it answers what is no JSON."""

    asked, garbled = 0, False

    def _answer(self, method: str, path: str, body: bytes) -> tuple[str, dict[str, Any]]:
        self.asked += 1
        return (
            ("200 OK", {"data": {"value": "\x00 not a number"}})
            if self.garbled
            else super()._answer(method, path, body)
        )


class HttpJsonBench(SimBench):
    can = frozenset({"leaves", "garbles", "polled"})
    key = "source/value"
    period_s = PERIOD_S
    stale_within_s = 1.0

    def serve(self) -> DeviceServer:
        device = Device(name="source", kind="logger", protocol="http-json", space="roof")
        port = free_port()
        self.http = Counting(device, (Metric("value"),), lambda metric, value: None, period_s=PERIOD_S, port=port)
        return self.http

    def values(self, value: int) -> dict[str, Any]:
        return {"value": float(value)}

    def polls(self) -> int:
        return self.http.asked

    async def garble(self) -> None:
        self.http.garbled = True

    async def mend(self) -> None:
        self.http.garbled = False


BENCH = HttpJsonBench
