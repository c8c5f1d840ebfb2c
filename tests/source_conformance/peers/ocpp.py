"""A simulated charger that connects to the source; it can lose its network."""

from typing import Any

from sim_bench import SimBench

from edge.conformance import free_port
from sim_devices.servers import DeviceServer
from sim_devices.servers.ocpp import Central, OcppCharger
from sim_devices.site import Device, Metric


class OcppBench(SimBench):
    can = frozenset({"leaves", "floods"})
    key = "charger/power"
    stale_within_s = 2.0

    def serve(self) -> DeviceServer:
        device, metrics = Device("charger", "ev-charger", "ocpp", "yard"), (Metric("power", "kW"),)
        return OcppCharger(device, metrics, Central(free_port()), "2.0.1", 0.2, lambda *_: None, lambda _: None)

    def values(self, value: int) -> dict[str, Any]:
        return {"power": float(value), "connector_state": "Charging", "session_energy": 1.0}

    def table(self) -> dict[str, Any]:
        return super().table() | {"link_loss_s": 1.0}

    async def change(self, value: int) -> None:
        await super().change(value)
        assert isinstance(self.server, OcppCharger)
        self.server.say_state()  # a charger's meter is read now and then; this one is read now


BENCH = OcppBench
