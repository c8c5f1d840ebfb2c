"""A thermometer as the kernel shows it, in a folder of its own; pulling its wire takes its folder away."""

import shutil
from typing import Any

from edge.conformance import Bench

SENSOR = "sys/bus/w1/devices/28-00000a1b2c3d"


class OneWireBench(Bench):
    can = frozenset({"leaves", "garbles", "floods"})
    stale_within_s = 0.5
    value, there = 1, False

    def table(self) -> dict[str, Any]:
        return {"kind": "onewire", "device": "cellar", "period_s": 0.05, "root": str(self.folder)}

    async def start(self) -> None:
        (self.folder / SENSOR).mkdir(parents=True, exist_ok=True)
        self.there = True
        self._say("YES")

    async def stop(self) -> None:
        self.there = False
        shutil.rmtree(self.folder / SENSOR, ignore_errors=True)

    async def change(self, value: int) -> None:
        self.value = value
        if self.there:
            self._say("YES")

    async def garble(self) -> None:
        self._say("NO")

    async def mend(self) -> None:
        self._say("YES")

    async def flood(self) -> None:
        for value in range(2, 200):
            await self.change(value)

    def _say(self, good: str) -> None:
        new = self.folder / SENSOR / "new"
        new.write_text(
            f"4b 01 4b 46 7f ff 05 10 e1 : crc=e1 {good}\n4b 01 4b 46 7f ff 05 10 e1 t={self.value * 1000}\n"
        )
        new.replace(self.folder / SENSOR / "w1_slave")


BENCH = OneWireBench
