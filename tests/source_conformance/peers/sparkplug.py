"""The simulated edge node on a broker of its own, which is killed with it and comes back at its port."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any, cast

from edge.conformance import Bench
from edge.sources import Source
from sim_devices.servers.mqtt import Broker
from sim_devices.servers.sparkplug import SparkplugNode
from sim_devices.site import Device, Metric
from wire.mqtt import Link, LinkConfig

_spec = importlib.util.spec_from_file_location("conformance_mqtt_bench", Path(__file__).with_name("mqtt.py"))
assert _spec is not None
assert _spec.loader is not None
_mqtt = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_mqtt)


class SparkplugBench(_mqtt.MqttBench):  # type: ignore[misc,name-defined]
    can = frozenset({"leaves", "garbles", "loses"})
    key = "source/value"
    stale_within_s = 1.5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        device = Device(name="source", kind="line", protocol="sparkplug", space="hall")
        self.node = SparkplugNode(device, (Metric("value"),), Broker(port=self.port), 0.02, lambda metric, value: None)
        self.running: asyncio.Task[None] | None = None
        self.host: Any = None

    def source(self) -> Source:
        self.host = super().source()
        return cast("Source", self.host)

    def table(self) -> dict[str, Any]:
        table = {name: value for name, value in self.node.source().items() if name != "name"}
        return {**table, "keepalive_s": 1.0, "rebirth_s": 0.2, "reorder_s": 0.1}

    async def start(self) -> None:
        await super().start()
        if self.host is not None and self.host.health.state == "waiting":
            await self._heard()
        await self.node.publish({"value": float(self.value)})
        self.running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        await super().stop()
        if self.running is not None:
            await self.node.close()  # sets it aside for good: a cancelled client may go on
            self.running.cancel()
            await asyncio.wait([self.running])
            self.running = None

    async def change(self, value: int) -> None:
        self.value = value
        await self.node.publish({"value": float(value)})

    async def garble(self) -> None:
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="garbler")) as link:
            await link.up()
            for raw in (b"\xff", b"", b"\x12\x7f", bytes(range(64))):
                link.publish(self.node.topic, raw, qos=1)
            while link.stats.acknowledged < 4:
                await asyncio.sleep(0.005)

    async def mend(self) -> None:
        return

    async def lose(self) -> int:
        self.node._seq = (self.node._seq + 3) % 256
        await self.change(self.value + 100)
        return 3

    async def _heard(self) -> None:
        """Until the host is there: a node that was born before, and whose value rests, says nothing."""
        async with asyncio.timeout(_mqtt.UP_S_MAX):
            while not self.host._link.connected:
                await asyncio.sleep(0.01)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await self.node.start(tasks)
            await asyncio.Event().wait()


BENCH: type[Bench] = SparkplugBench
