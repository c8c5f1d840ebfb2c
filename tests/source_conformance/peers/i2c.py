"""A sensor with checksums, by a table of its own, on an adapter in the kernel's place."""

import random
from pathlib import Path
from typing import Any

import fastcrc
from i2c_kernel import I2cKernel, Registers

from edge.conformance import Bench

PROFILE = """title = "bench"
addresses = [0x44]
[[read]]
write = "e0"
bytes = 3
crc = "sensirion"
fields = [{ metric = "level" }]
"""


class I2cBench(Bench):
    can = frozenset({"leaves", "garbles", "polled", "floods"})
    key = "tank/level"
    period_s = 0.05
    stale_within_s = 0.5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "bench.toml").write_text(PROFILE)
        self._chip = Registers({})
        self._kernel = I2cKernel(folder / "i2c-7", {0x44: self._chip})
        self._noise = random.Random(5)
        self._value = 1

    def table(self) -> dict[str, Any]:
        devices = [{"name": "tank", "profile": "bench.toml"}]
        return {"kind": "i2c", "bus": str(self._kernel.path), "period_s": self.period_s, "devices": devices}

    async def start(self) -> None:
        self._kernel.install()
        await self.change(self._value)
        self._kernel.plug()

    async def stop(self) -> None:
        self._kernel.pull()

    async def change(self, value: int) -> None:
        self._value = value
        word = value.to_bytes(2, "big")
        self._chip.registers[0xE0] = word + bytes([fastcrc.crc8.nrsc_5(word)])

    async def garble(self) -> None:
        right = self._chip.registers[0xE0]
        noise = self._noise.randbytes(2)
        self._chip.registers[0xE0] = noise + bytes([fastcrc.crc8.nrsc_5(noise) ^ right[0] ^ 0x5A])

    async def mend(self) -> None:
        await self.change(self._value)

    def polls(self) -> int:
        return self._kernel.transfers

    async def flood(self) -> None:
        for value in range(2, 200):
            await self.change(value)


BENCH = I2cBench
