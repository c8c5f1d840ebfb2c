"""A scale on a real serial line of the kernel: one end of a pseudo terminal; closing it is pulling the cable."""

import asyncio
import os
import random
import tty
from pathlib import Path
from typing import Any

from edge.conformance import Bench

SPEAKS_S = 0.03


class SerialBench(Bench):
    can = frozenset({"leaves", "freezes", "garbles", "floods"})
    key = "scale/weight"
    stale_within_s = 1.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._place, self._value, self._mode = folder / "ttyScale", 1, "plain"
        self._end = -1
        self._speaking: asyncio.Task[None] | None = None
        self._noise = random.Random(11)

    def table(self) -> dict[str, Any]:
        return {
            "kind": "serial", "device": "scale", "url": f"serial://{self._place}?baudrate=9600", "timeout_s": 0.5,
            "pattern": r"ST,GS,(?P<weight>[+-] *\d+\.\d) *kg$", "points": [{"metric": "weight", "unit": "kg"}],
        }  # fmt: skip

    async def start(self) -> None:
        self._end, other = os.openpty()
        tty.setraw(other)
        os.set_blocking(self._end, False)
        self._place.unlink(missing_ok=True)
        self._place.symlink_to(os.ttyname(other))
        self._speaking = asyncio.create_task(self._speak(other))

    async def stop(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.wait([self._speaking])
            self._speaking = None
            self._place.unlink()

    async def change(self, value: int) -> None:
        self._value = value

    async def freeze(self) -> None:
        self._mode = "silent"

    async def thaw(self) -> None:
        self._mode = "plain"

    async def garble(self) -> None:
        self._mode = "noise"

    async def mend(self) -> None:
        self._mode = "plain"

    async def flood(self) -> None:
        for _ in range(2_000):
            self._say(b"ST,GS,+  9.0 kg\r\n" * 100)

    async def _speak(self, other: int) -> None:
        try:
            while True:
                if self._mode == "plain":
                    self._say(b"ST,GS,+%4d.0 kg\r\n" % self._value)
                elif self._mode == "noise":
                    self._say(self._noise.randbytes(30) + b"\r\n")
                await asyncio.sleep(SPEAKS_S)
        finally:
            os.close(other)
            os.close(self._end)

    def _say(self, data: bytes) -> None:
        try:
            os.write(self._end, data)
        except BlockingIOError:
            return  # the line is full: what a scale says then is lost


BENCH = SerialBench
