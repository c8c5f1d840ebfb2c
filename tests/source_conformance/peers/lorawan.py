"""A simulated soil station behind a network server whose broker is killed with it and comes back at its port."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

from edge.conformance import Bench
from sim_devices.servers.lorawan import LoRaWanStation
from sim_devices.servers.mqtt import Broker
from sim_devices.site import Device, Metric
from wire.mqtt import Link, LinkConfig

_spec = importlib.util.spec_from_file_location("conformance_mqtt_bench", Path(__file__).with_name("mqtt.py"))
assert _spec is not None
assert _spec.loader is not None
_mqtt = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_mqtt)

OTHERS = {
    "battery_voltage": 3.6, "probe_temperature": 8.0, "soil_temperature": 9.0, "soil_conductivity": 700.0
}  # fmt: skip


class LoRaWanBench(_mqtt.MqttBench):  # type: ignore[misc,name-defined]
    can = frozenset({"leaves", "garbles", "loses"})
    key = "source/soil_moisture"
    stale_within_s = 1.5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        device = Device(name="source", kind="lora-soil-station", protocol="lorawan", space="field")
        metrics = tuple(Metric(name) for name in (*OTHERS, "soil_moisture"))
        self.station = LoRaWanStation(device, metrics, Broker(port=self.port), 0.02, lambda metric, value: None)
        self.running: asyncio.Task[None] | None = None

    def table(self) -> dict[str, Any]:
        return {name: value for name, value in self.station.source().items() if name != "name"} | {"keepalive_s": 1.0}

    async def start(self) -> None:
        await super().start()
        await self.change(self.value)
        self.running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        await super().stop()
        if self.running is not None:
            await self.station.close()  # sets it aside for good: a cancelled client may go on
            self.running.cancel()
            await asyncio.wait([self.running])
            self.running = None

    async def change(self, value: int) -> None:
        self.value = value
        await self.station.publish({**OTHERS, "soil_moisture": float(value)})

    async def garble(self) -> None:
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="garbler")) as link:
            await link.up()
            for raw in (b"\xff", b"{}", b'{"deviceInfo": 7}', b"[" * 5_000):
                link.publish(self.station.topic, raw, qos=1)
            while link.stats.acknowledged < 4:
                await asyncio.sleep(0.005)

    async def mend(self) -> None:
        return

    async def lose(self) -> int:
        self.station._frame += 3
        await self.change(self.value)
        return 3

    async def _run(self) -> None:
        """Uplinks now and then, as a station sends them, changed or not."""
        async with asyncio.TaskGroup() as tasks:
            await self.station.start(tasks)
            while True:
                await self.station.publish(self.station._values)
                await asyncio.sleep(0.2)


BENCH: type[Bench] = LoRaWanBench
