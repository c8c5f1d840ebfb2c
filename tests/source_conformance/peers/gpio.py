"""A meter's pulses at a pin of a chip in the kernel's place; pulling the chip out of its socket cuts it off."""

import asyncio
from pathlib import Path
from typing import Any

import gpiod
from gpio_chip import GpioChip

from edge.conformance import Bench

METER, CONTACT = 4, 17


class GpioBench(Bench):
    """The number is the meter's reading; it counts on while the chip is away, which nobody can hear."""

    can = frozenset({"leaves", "floods", "loses"})
    key = "panel/energy"
    stale_within_s = 0.5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.chip = GpioChip(str(folder / "gpiochip0"))
        self.chip.is_there = False
        self.said = self.wanted = 1

    def table(self) -> dict[str, Any]:
        lines = [
            {"line": METER, "metric": "energy", "mode": "pulses", "start": 1},
            {"line": CONTACT, "metric": "door"},
        ]
        return {"kind": "gpio", "device": "panel", "chip": self.chip.path, "period_s": 0.05, "lines": lines}

    async def start(self) -> None:
        gpiod.request_lines = self.chip.open
        self.chip.plug()
        while self.said != self.wanted:
            while self.chip.request is None:
                await asyncio.sleep(0.01)
            await self.change(self.wanted)

    async def stop(self) -> None:
        self.chip.pull()

    async def change(self, value: int) -> None:
        self.wanted = value
        if self.chip.is_there and self.chip.request is not None:
            self.chip.pulse(METER, value - self.said)
            self.said = value

    async def lose(self) -> int:
        for _ in range(1_000):
            self.chip.pulse(CONTACT)
        return 2_000 - 1_024

    async def flood(self) -> None:
        for _ in range(20_000):
            self.chip.pulse(CONTACT)


BENCH = GpioBench
