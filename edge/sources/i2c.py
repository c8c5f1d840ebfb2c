"""Sensors on a gateway's own I²C bus, each by the table of its kind (`configs/profiles/i2c/`).

[[source]]                      # tested: the sample is the config of the first test
kind = "i2c"
name = "cabinet"
bus = "/dev/i2c-1"
period_s = 5.0
devices = [
    { name = "air", profile = "profiles/i2c/sht3x.toml", address = 0x44 },
    { name = "supply", profile = "profiles/i2c/ina219.toml", points = [{ metric = "current", times = 0.1, high = 3 }] },
]

Without `address` it is the first of the table. `times` is for what stands around a chip: another shunt, a divider. A
sensor that gives no answer has its points repeated once as stale, and is set up anew when it answers again. Where the
chip has checksums an answer that does not hold is bad; most have none, and then the bus's own acknowledge is all.
"""

import asyncio
import importlib
import threading
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from edge.sources import Batch, SourceConfig, SourceContext, SourceKind
from edge.sources.columns import PointSpec
from edge.sources.i2c_table import I2cProfile, Read, TableError, decoded
from edge.sources.modbus_poll import Poll
from edge.sources.profiles import load_profile
from edge.sources.running import Backoff, FieldSource, Pace
from wire.errors import ConfigError
from wire.quality import BAD

__all__ = ["SOURCE", "I2c", "I2cConfig"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 10.0
DEVICES_MAX: Final = 64


class I2cPoint(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What is known of a quantity beside the table; `times` is multiplied with what the table makes of it."""

    times: float = 1.0


class I2cDevice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One chip."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,64}$")]
    profile: str
    address: Annotated[int, msgspec.Meta(ge=0x08, le=0x77)] | None = None
    points: tuple[I2cPoint, ...] = ()


class I2cConfig(SourceConfig, tag="i2c"):
    """Config of one bus."""

    bus: str
    devices: Annotated[tuple[I2cDevice, ...], msgspec.Meta(min_length=1, max_length=DEVICES_MAX)]
    period_s: Annotated[float, msgspec.Meta(ge=0.02, le=86_400)] = 5.0


class _Chip:
    """A chip as it is read: its table, its points, and whether it was set up since it answered last."""

    def __init__(self, device: I2cDevice, profile: I2cProfile) -> None:
        self.name, self.profile = device.name, profile
        self.address = profile.addresses[0] if device.address is None else device.address
        self.times = {point.metric: point.times for point in device.points}
        self.ids: dict[str, int] = {}
        self.is_ready = self.is_stale = False
        self.calibration = b""


class I2c(FieldSource):
    """One bus as a source; its chips are read in turn, beside the event loop."""

    def __init__(self, config: I2cConfig, context: SourceContext) -> None:
        super().__init__(config, f"{config.bus} was not opened yet")
        self._config, self._clock = config, context.clock
        try:
            self._library: Any = importlib.import_module("smbus2")
        except ImportError as error:
            raise ConfigError("smbus2 is not installed", field="kind", fix="pip install 'aid4[pins]'") from error
        self._bus: Any = None
        self._busy = threading.Lock()  # a thread may still talk when the source is left
        self._chips: list[_Chip] = []
        for number, device in enumerate(config.devices):
            profile = load_profile(device.profile, context.folder, I2cProfile).checked(device.profile)
            chip = _Chip(device, profile)
            if any(chip.address == other.address or chip.name == other.name for other in self._chips):
                fix = "give each its own name and address"
                raise ConfigError(f"{chip.name} stands twice", field=f"devices[{number}].address", fix=fix)
            self._declare(chip, device)
            self._chips.append(chip)

    def _declare(self, chip: _Chip, device: I2cDevice) -> None:
        told = {point.metric: point.about() for point in device.points}
        for read in chip.profile.read:
            for field in read.fields:
                own = {name: value for name, value in told.pop(field.metric, {}).items() if value not in ("", None)}
                about = {**field.about(), "label": field.label or chip.profile.title, **own}
                chip.ids[field.metric] = self._points.add(
                    chip.name, field.metric, period_s=self._config.period_s, **about
                )
        if told:
            fix = f"use one of: {', '.join(chip.ids)}"
            raise ConfigError(f"{chip.name} does not tell {next(iter(told))!r}", field="devices.points", fix=fix)

    async def _open(self) -> None:
        self._held.callback(self._close)

    def _close(self) -> None:
        with self._busy:
            bus, self._bus = self._bus, None
            if bus is not None:
                bus.close()

    async def batches(self) -> AsyncIterator[Batch]:
        """All chips once a period."""
        pace = Pace(self._clock, self._config.period_s, self.health)
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                if self._bus is None:
                    self._bus = await asyncio.to_thread(self._library.SMBus, self._config.bus)
                    pace.restart()
            except OSError as error:
                self.health.state, self.health.why = "waiting", f"{self._config.bus}: {error.strerror or error}"
                for batch in [batch for chip in self._chips for batch in self._gone(chip)]:
                    yield batch
                await backoff.wait()
                continue
            backoff.reset()
            for chip in self._chips:
                for batch in await self._read(chip):
                    yield batch
            if all(chip.is_stale for chip in self._chips):
                self._close()  # perhaps the adapter itself is gone
            await pace.rest()

    async def _read(self, chip: _Chip) -> list[Batch]:
        try:
            answers = await asyncio.to_thread(self._ask, chip)
        except (OSError, TableError) as error:
            chip.is_ready = False
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            self.health.error("read", f"{chip.name} at {chip.address:#04x}: {why}")
            return self._gone(chip)
        poll, at_us = Poll(self._points), self._clock.wall_us()
        for read, answer in zip(chip.profile.read, answers, strict=True):
            self._take(poll, chip, read, answer, at_us)
        chip.is_stale = False
        self.health.state, self.health.last_us = "running", at_us
        return poll.batches(self._last, self.health)

    def _take(self, poll: Poll, chip: _Chip, read: Read, answer: bytes, at_us: int) -> None:
        try:
            told = decoded(read, answer, chip.calibration)
        except TableError as error:
            self.health.error("decode", f"{chip.name}: {error}")
            told = dict.fromkeys((field.metric for field in read.fields), None)
        for metric, value in told.items():
            if value is None:
                poll.repeat(self._last, [chip.ids[metric]], BAD, at_us)
            else:
                poll.take([chip.ids[metric]], np.array([value * chip.times.get(metric, 1.0)]), at_us)

    def _gone(self, chip: _Chip) -> list[Batch]:
        if chip.is_stale:
            return []
        chip.is_stale = True
        if all(one.is_stale for one in self._chips):
            self.health.state = "waiting"
        return self._last.stale(list(chip.ids.values()), self._clock.wall_us(), self.health)

    # -- beside the event loop

    def _ask(self, chip: _Chip) -> list[bytes]:
        """The answers of one chip; it is checked, set up and asked for its calibration first where need be."""
        profile = chip.profile
        if not chip.is_ready:
            if profile.check is not None:
                wanted = bytes.fromhex(profile.check.value)
                found = self._exchange(chip, profile.check.write, len(wanted))
                if found != wanted:
                    raise TableError(f"says {found.hex()} and is no {profile.title}")
            for one in profile.setup:
                self._exchange(chip, one.write, 0)
                time.sleep(one.wait_ms / 1e3)
            chip.calibration = b"".join(self._exchange(chip, one.write, one.bytes) for one in profile.calibration)
            chip.is_ready = True
        return [self._measure(chip, read) for read in profile.read]

    def _measure(self, chip: _Chip, read: Read) -> bytes:
        if read.start:
            self._exchange(chip, read.start, 0)
        time.sleep(read.wait_ms / 1e3)
        return self._exchange(chip, read.write, read.bytes)

    def _exchange(self, chip: _Chip, write: str, count: int) -> bytes:
        """One transaction: bytes out, then, with a repeated start, bytes in."""
        message = self._library.i2c_msg
        out = [message.write(chip.address, bytes.fromhex(write))] if write else []
        back = [message.read(chip.address, count)] if count else []
        with self._busy:
            if self._bus is None:
                raise OSError(f"{self._config.bus} was closed")
            self._bus.i2c_rdwr(*out, *back)
        return bytes(back[0]) if back else b""


SOURCE = SourceKind(I2cConfig, I2c)
