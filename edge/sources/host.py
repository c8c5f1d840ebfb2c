"""The gateway itself: load, memory, disk, temperatures, throttling, storage wear, network, modem, Jetson's own figures.

[[source]]                      # tested: the sample is the config of the first test
kind = "host"
name = "health"
device = "gateway"
period_s = 10.0
# disks = ["/", "/var/lib/aid4"]
# tegrastats = "tegrastats"     # on a Jetson: its program; parsed from its text, since its Python tool is AGPL
# modem = "mmcli -m any --signal-get -J"   # on a gateway with a modem: RSRP, RSRQ, SINR as ModemManager says them

What a machine does not have is left out. A Raspberry Pi tells by `throttled` that it saw too low a voltage or too much
heat; `storage_wear` is what an eMMC says of its own life. Both are read from sysfs, so nothing of the Pi is installed.
"""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edge.sources import Batch, SourceConfig, SourceContext, SourceKind
from edge.sources.columns import counted, readings
from edge.sources.host_figures import Figure, Rates, machine, modem_signal, tegra
from edge.sources.running import FieldSource, Pace
from wire.errors import ConfigError
from wire.schemas import READINGS

__all__ = ["SOURCE", "Host", "HostConfig"]

COMMAND_S_MAX = 5.0
OUTPUT_BYTES_MAX = 64 << 10


class HostConfig(SourceConfig, tag="host"):
    """Config of the gateway's own figures; `root` is where /proc and /sys are looked for."""

    period_s: Annotated[float, msgspec.Meta(ge=0.05, le=3_600)] = 10.0
    disks: Annotated[tuple[str, ...], msgspec.Meta(max_length=32)] = ("/",)
    tegrastats: str = ""
    modem: str = ""
    root: str = "/"


class Host(FieldSource):
    """One machine as a source; nothing of it is written."""

    def __init__(self, config: HostConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        self._root = Path(config.root)
        self._ids: dict[str, int] = {}
        self._rates = Rates()
        for field, command in (("tegrastats", config.tegrastats), ("modem", config.modem)):
            try:
                shlex.split(command)
            except ValueError as error:
                raise ConfigError(f"is no command: {error}", field=field, fix="close the quotes") from error

    async def batches(self) -> AsyncIterator[Batch]:
        """All figures once a period."""
        pace = Pace(self._clock, self._config.period_s, self.health)
        while True:
            now_s = self._clock.monotonic_s()
            found = await asyncio.to_thread(machine, self._root, self._config.disks, self._rates, now_s)
            found += await self._told("tegrastats", self._config.tegrastats, tegra, first_line=True)
            found += await self._told("modem", self._config.modem, modem_signal)
            yield self._batch(found)
            await pace.rest()

    def _batch(self, found: list[Figure]) -> Batch:
        now_us = self._clock.wall_us()
        self.health.state, self.health.last_us = "running", now_us
        self.health.received += len(found)
        ids = np.array([self._point(figure) for figure in found], np.uint32)
        values = np.array([figure.value for figure in found], np.float64)
        times, quality = np.full(len(found), now_us, np.int64), np.zeros(len(found), np.uint8)
        return counted(READINGS, readings(ids, times, values, quality | self._points.flags(ids, values)), self.health)

    def _point(self, figure: Figure) -> int:
        if figure.metric not in self._ids:
            device = self._config.device or self._config.name
            self._ids[figure.metric] = self._points.add(
                device, figure.metric, unit=figure.unit, point_class=figure.point_class,
                period_s=self._config.period_s,
            )  # fmt: skip
        return self._ids[figure.metric]

    async def _told(self, stage: str, command: str, read: object, *, first_line: bool = False) -> list[Figure]:
        """Figures out of the text of a program; one that fails is counted and tried again."""
        if not command:
            return []
        assert callable(read)
        try:
            text = await _output(shlex.split(command), first_line=first_line)
            found: list[Figure] = read(text)
        except (OSError, TimeoutError, ValueError) as error:
            self.health.error(stage, f"{command}: {error or type(error).__name__}")
            return []
        return found


async def _output(command: list[str], *, first_line: bool) -> str:
    """What a program prints, or its first line where it would never end."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=OUTPUT_BYTES_MAX,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_S_MAX):
            reading = process.stdout.readline() if first_line else process.stdout.read(OUTPUT_BYTES_MAX)
            return (await reading).decode(errors="replace")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


SOURCE = SourceKind(HostConfig, Host)
