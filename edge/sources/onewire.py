"""1-Wire thermometers on a gateway's own pins, as the Linux kernel shows them (w1_therm: DS18B20, DS18S20, DS1822, …).

[[source]]                      # tested: the sample is the config of the first test
kind = "onewire"
name = "cellar"
device = "cellar"
period_s = 5.0
points = [{ id = "28-00000a1b2c3d", metric = "supply_temperature", high = 90 }]   # default: every one that is found

On a Raspberry Pi `dtoverlay=w1-gpio` in config.txt turns the bus on. A sensor that lost its supply says exactly 85 °C,
the value it wakes up with; one that was read in the middle of a disturbance fails its checksum. Both are bad.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from edge.sources import Batch, SourceConfig, SourceContext, SourceKind
from edge.sources.columns import PointSpec, counted, readings
from edge.sources.running import FieldSource, Pace
from wire.errors import ConfigError
from wire.quality import BAD
from wire.schemas import READINGS

__all__ = ["SOURCE", "OneWire", "OneWireConfig"]

DEVICES = "sys/bus/w1/devices"
SENSORS_MAX = 64
WOKE_UP_C = 85.0
_FAMILY = re.compile(r"(10|22|28|3b|42)-[0-9a-f]{12}")
_TEMPERATURE = re.compile(r"t=(-?\d{1,7})\s*$")


class SensorSpec(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One sensor by the number that was burnt into it."""

    id: str


class OneWireConfig(SourceConfig, tag="onewire"):
    """Config of one bus; `root` is where /sys is looked for."""

    period_s: Annotated[float, msgspec.Meta(ge=0.05, le=3_600)] = 5.0
    points: Annotated[tuple[SensorSpec, ...], msgspec.Meta(max_length=SENSORS_MAX)] = ()
    root: str = "/"


class Heard(NamedTuple):
    """What one sensor said: °C, and why that is nothing."""

    id: str
    value: float
    why: str


class OneWire(FieldSource):
    """The thermometers of one gateway as a source."""

    def __init__(self, config: OneWireConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock = config, context.clock
        self._folder = Path(config.root) / DEVICES
        self._ids: dict[str, int] = {}
        self._specs = {spec.id: spec for spec in config.points}
        for spec in config.points:
            if not _FAMILY.fullmatch(spec.id):
                fix = "write it as in /sys/bus/w1/devices, such as 28-00000a1b2c3d"
                raise ConfigError(f"{spec.id!r} is no thermometer's number", field="points.id", fix=fix)
        self._gone = False

    async def batches(self) -> AsyncIterator[Batch]:
        """All sensors once a period; those that vanished once more, as stale."""
        pace = Pace(self._clock, self._config.period_s, self.health)
        while True:
            heard = await asyncio.to_thread(self._read)
            if heard:
                yield self._batch(heard)
            for batch in self._vanished({one.id for one in heard}):
                yield batch
            await pace.rest()

    def _read(self) -> list[Heard]:
        """Each conversion takes up to 0.75 s, so this runs beside the event loop."""
        wanted = list(self._specs) or sorted(
            path.name for path in self._folder.glob("*-*") if _FAMILY.fullmatch(path.name)
        )
        return [heard for name in wanted[:SENSORS_MAX] if (heard := _temperature(self._folder / name))]

    def _batch(self, heard: list[Heard]) -> Batch:
        now_us = self._clock.wall_us()
        ids = np.array([self._point(one.id) for one in heard], np.uint32)
        values = np.array([one.value for one in heard])
        bad = np.array([bool(one.why) for one in heard])
        for one in heard:
            if one.why:
                self.health.error("read", f"{one.id}: {one.why}")
        self._last.take_values(ids[~bad], values[~bad])
        quality = np.where(bad, BAD, 0).astype(np.uint8) | self._points.flags(ids, values)
        self.health.state, self.health.last_us, self._gone = "running", now_us, False
        self.health.received += len(heard)
        return counted(READINGS, readings(ids, np.full(len(heard), now_us), values, quality), self.health)

    def _vanished(self, here: set[str]) -> list[Batch]:
        lost = [point for name, point in self._ids.items() if name not in here]
        if here or self._gone:
            return []
        self.health.state = "waiting"
        self.health.error("read", f"no thermometer in {self._folder}: is the bus turned on, and its wire whole?")
        self._gone = True
        return self._last.stale(lost, self._clock.wall_us(), self.health) if lost else []

    def _point(self, name: str) -> int:
        if name not in self._ids:
            spec = self._specs.get(name) or SensorSpec(id=name)
            about = spec.about() | {"unit": "Cel", "point_class": spec.point_class or "temperature"}
            device, metric = self._config.device or self._config.name, spec.metric or f"t_{name}"
            self._ids[name] = self._points.add(device, metric, period_s=self._config.period_s, **about)
        return self._ids[name]


def _temperature(folder: Path) -> Heard | None:
    """What the kernel's `w1_slave` says: two lines, the first ends with YES when the checksum held."""
    try:
        first, _, second = (folder / "w1_slave").read_text(errors="replace")[:200].partition("\n")
    except OSError:
        return None
    found = _TEMPERATURE.search(second)
    if not first.rstrip().endswith("YES") or found is None:
        return Heard(folder.name, float("nan"), "its checksum does not hold")
    value = int(found[1]) / 1_000
    if value == WOKE_UP_C:
        return Heard(folder.name, value, "says 85 °C, as after a loss of its supply")
    return Heard(folder.name, value, "")


SOURCE = SourceKind(OneWireConfig, OneWire)
