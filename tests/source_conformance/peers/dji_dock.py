"""An aircraft that says ten times a second how high it is above its take-off."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

from edge.conformance import Bench
from wire.mqtt import Link, LinkConfig

_spec = importlib.util.spec_from_file_location("conformance_mqtt_bench", Path(__file__).with_name("mqtt.py"))
assert _spec is not None
assert _spec.loader is not None
_mqtt = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_mqtt)


class DjiDockBench(_mqtt.MqttBench):  # type: ignore[misc,name-defined]
    can = frozenset({"leaves"})
    stale_within_s = 1.5
    flying: asyncio.Task[None] | None = None

    def table(self) -> dict[str, Any]:
        return {"kind": "dji-dock", "url": f"mqtt://127.0.0.1:{self.port}", "keepalive_s": 1.0, "commands": []}

    async def start(self) -> None:
        await super().start()
        self.flying = asyncio.create_task(self._fly())

    async def stop(self) -> None:
        if self.flying is not None:
            self.flying.cancel()
            await asyncio.wait([self.flying])
            self.flying = None
        await super().stop()

    async def change(self, value: int) -> None:
        self.value = value

    async def _fly(self) -> None:
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="dock")) as dock:
            await dock.up()
            while True:
                dock.publish("thing/product/SN1/osd", b'{"data": {"gear": 1, "elevation": %d}}' % self.value)
                await asyncio.sleep(0.1)


BENCH: type[Bench] = DjiDockBench
