"""A gateway's own pins, by the kernel's GPIO character device: contacts, pulse outputs of meters (S0), relays.

[[source]]                      # tested: the sample is the config of the first test
kind = "gpio"
name = "panel"
chip = "/dev/gpiochip0"
keep = "panel-pulses.json"      # pulses so far are kept here, beside the config file, over restarts
lines = [
    { line = 17, metric = "guard_closed", bias = "pull_up", active_low = true, debounce_ms = 10 },
    { line = "GPIO27", metric = "energy", mode = "pulses", per_unit = 1000, start = 5120.5, unit = "kW.h" },
    { line = 22, metric = "pump", mode = "output", safe = false, only_while = "guard_closed", hold_s = 600 },
]

A contact tells each change with the kernel's own time, whatever the gateway does meanwhile; changes that the kernel had
no room for are counted as lost. Pulses are counted by the kernel's numbers, so none of those is lost; the count begins
at `start`, the reading of the meter, and is told each `period_s`. An output takes "true" and "false". It goes to `safe`
when the agent starts or stops, when `only_while` opens, and when `hold_s` passed since the last command. A process
that is killed cannot do so: what a pin does then is up to its driver; a relay that must fall needs its own watchdog.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import Happening, check_value, events
from edge.sources.gpio_pins import Change, Pins, PinSpec, library
from edge.sources.link_time import LinkTime
from edge.sources.row_list import RowList
from edge.sources.running import Backoff, RunningSource
from wire.catalogue import Point
from wire.errors import ConfigError

__all__ = ["SOURCE", "Gpio", "GpioConfig"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0
LINES_MAX: Final = 64  # what the kernel gives in one request
ROWS_MAX: Final = 20_000  # changes that wait for the disk; what comes beyond is dropped and counted
TICK_S: Final = 0.05  # how often it is looked whether an output's time is over
KEEP_S: Final = 60.0  # pulses of so long are lost when the power goes
NUMBERS: Final = 1 << 32  # the kernel's count of changes has 32 bits
_TRUTHS: Final = {
    "true": True,
    "1": True,
    "1.0": True,
    "on": True,
    "false": False,
    "0": False,
    "0.0": False,
    "off": False,
}


class GpioConfig(SourceConfig, tag="gpio"):
    """Config of one chip."""

    chip: str
    lines: Annotated[tuple[PinSpec, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    period_s: Annotated[float, msgspec.Meta(ge=0.02, le=86_400)] = 10.0  # of pulse counts
    keep: str = ""


@dataclass(slots=True)
class _Pin:
    spec: PinSpec
    point: int
    metric: str
    offset: int = -1
    level: bool = False
    number: int = 0  # of its newest change
    count: int = 0
    is_due: bool = True  # a count that was not told yet
    until_s: float = 0.0  # when an output falls to its safe level; 0: never


class Gpio(RunningSource):
    """One chip as a source."""

    def __init__(self, config: GpioConfig, context: SourceContext) -> None:
        super().__init__(config, f"{config.chip} was not opened yet")
        library()
        self._config, self._time = config, LinkTime(context.clock)
        self._device = config.device or config.name
        self._keep = context.folder / config.keep if config.keep else None
        self._rows = RowList(self._points)
        self._told: list[Batch] = []
        self._pins = [self._pin(spec) for spec in config.lines]
        _check(self._pins)
        self._chip: Pins | None = None
        self._period_ends_s = self._kept_s = 0.0
        self._is_lost = False
        self._load()

    def _pin(self, spec: PinSpec) -> _Pin:
        metric = spec.metric or f"line_{spec.line}"
        about = spec.about()
        if spec.mode == "pulses":
            point = self._points.add(self._device, metric, period_s=self._config.period_s, **about)
        else:
            about |= {"unit": "", "low": None, "high": None, "declared": "bool", "writable": spec.mode == "output"}
            point = self._points.add(self._device, metric, kind="state", **about)
        return _Pin(spec, point, metric)

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Drive an output, unless its interlock is open."""
        check_value(point, value)
        pin, wanted = self._pins[point.id], _TRUTHS.get(str(value).lower())
        if wanted is None:
            raise SourceError("write", f"{point.key} takes true and false, not {value!r}")
        if wanted != pin.spec.safe and not self._may(pin):
            raise SourceError("write", f"{point.key}: only while {pin.spec.only_while}")
        try:
            if self._chip is None:
                raise OSError(f"{self._config.chip} is not open")
            self._drive(self._chip, pin, wanted)
        except OSError as error:
            self.health.error("write", f"{point.key}: {error}")
            raise SourceError("write", f"{point.key}: {error}") from error

    def _may(self, pin: _Pin) -> bool:
        return all(one.level for one in self._pins if one.metric == pin.spec.only_while)

    def _drive(self, chip: Pins, pin: _Pin, level: bool) -> None:
        chip.set(pin.offset, level)
        pin.level = level
        may_end = pin.spec.hold_s and level != pin.spec.safe
        pin.until_s = self._time.monotonic_s() + pin.spec.hold_s if may_end else 0.0
        self._tell(pin, self._time.now_us())

    # -- the chip

    async def _run(self) -> None:
        """Keep the chip open until cancelled."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                chip = Pins(self._config.chip, self._config.lines)
                try:
                    self._begin(chip)
                    backoff.reset()
                    await self._watch(chip)
                finally:
                    await self._end(chip)
            except OSError as error:
                if self.health.state == "running":
                    self.health.error("connect", str(error))
                    self._is_lost = True
                self.health.state, self.health.why = "waiting", f"{self._config.chip}: {error}"
            await backoff.wait()

    def _begin(self, chip: Pins) -> None:
        """How everything stands at first; outputs were requested at their safe level."""
        now_us = self._time.now_us()
        for pin, offset, level in zip(self._pins, chip.lines, chip.levels(), strict=True):
            pin.offset, pin.level, pin.number, pin.until_s, pin.is_due = offset, level, 0, 0.0, True
            if pin.spec.mode != "pulses":
                self._tell(pin, now_us)
        self._chip = chip
        self.health.state, self.health.why = "running", ""

    async def _watch(self, chip: Pins) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(chip.fd, ready.set)
        try:
            while True:
                try:
                    async with asyncio.timeout(TICK_S):
                        await ready.wait()
                except TimeoutError:
                    pass
                ready.clear()
                self._take(chip.changes())
                self._fall(chip)
                if self._time.monotonic_s() - self._kept_s > KEEP_S:
                    await asyncio.to_thread(self._save)
        finally:
            loop.remove_reader(chip.fd)

    async def _end(self, chip: Pins) -> None:
        """Outputs to their safe levels, as far as the chip is there; then let go of it."""
        self._chip = None
        try:
            for pin in self._pins:
                if pin.spec.mode == "output":
                    chip.set(pin.offset, pin.spec.safe)
        except OSError as error:
            self.health.error("safe", f"{self._config.chip}: {error}")
        finally:
            chip.close()
            self._save()

    def _fall(self, chip: Pins) -> None:
        """Outputs whose interlock opened, or whose time is over, go to their safe levels."""
        for pin in self._pins:
            if pin.spec.mode != "output" or pin.level == pin.spec.safe:
                continue
            over = pin.until_s and self._time.monotonic_s() >= pin.until_s
            if over or not self._may(pin):
                why = f"no command for {pin.spec.hold_s:g} s" if over else f"{pin.spec.only_while} is open"
                self._drive(chip, pin, pin.spec.safe)
                text = f"{pin.metric} went to its safe level: {why}"
                happened = Happening(self._time.now_us(), self._device, "output_released", 2, text, {"why": why})
                self._told.append(events([happened]))

    # -- from changes to rows

    def _take(self, changes: list[Change]) -> None:
        by_offset = {pin.offset: pin for pin in self._pins}
        lag_us = self._time.now_us() - time.monotonic_ns() // 1_000
        for change in changes:
            pin = by_offset[change.line]
            steps, pin.number = (change.number - pin.number) % NUMBERS, change.number
            if pin.spec.mode == "pulses":
                pin.count, pin.is_due = pin.count + steps, True
                continue
            if steps > 1:
                self.health.received += steps - 1
                self.health.discarded += steps - 1
                self.health.error("overrun", f"{pin.metric} changed faster than it could be read")
            pin.level = change.level
            self._tell(pin, change.at_us + lag_us)

    def _tell(self, pin: _Pin, at_us: int) -> None:
        if len(self._rows) >= ROWS_MAX:
            self.health.received += 1
            self.health.discarded += 1
            self.health.error("overflow", f"over {ROWS_MAX} changes wait for the disk")
            return
        self.health.last_us = self._time.now_us()
        self._rows.add(pin.point, at_us, "true" if pin.level else "false")

    def _poll(self) -> list[Batch]:
        self._time.step_us()
        now_s = self._time.monotonic_s()
        if self._chip is not None and now_s >= self._period_ends_s:
            self._period_ends_s = now_s + self._config.period_s
            for pin in self._pins:
                if pin.spec.mode == "pulses" and pin.is_due:
                    pin.is_due = False
                    self.health.last_us = self._time.now_us()
                    self._rows.add(pin.point, self.health.last_us, pin.spec.start + pin.count / pin.spec.per_unit)
        found, self._told = [*self._rows.batches(self._last, self.health), *self._told], []
        if self._is_lost:
            self._is_lost = False
            found += self._last.stale(range(len(self._points.points)), self._time.now_us(), self.health)
        return found

    # -- pulses that outlive the process

    def _load(self) -> None:
        if self._keep is None or not self._keep.exists():
            return
        try:
            kept = msgspec.json.decode(self._keep.read_bytes(), type=dict[str, Annotated[int, msgspec.Meta(ge=0)]])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            fix = "mend it, or remove it and give the meters' readings as start"
            raise ConfigError(f"cannot be read: {error}", file=str(self._keep), field="keep", fix=fix) from error
        for pin in self._pins:
            pin.count = kept.get(pin.metric, 0)

    def _save(self) -> None:
        self._kept_s = self._time.monotonic_s()
        counts = {pin.metric: pin.count for pin in self._pins if pin.spec.mode == "pulses"}
        if self._keep is None:
            return
        fresh = self._keep.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(counts))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._keep)
        except OSError as error:
            self.health.error("keep", f"{self._keep}: {error}")


def _check(pins: list[_Pin]) -> None:
    contacts = {pin.metric for pin in pins if pin.spec.mode == "input"}
    lines, metrics = set[int | str](), set[str]()
    for number, pin in enumerate(pins):
        at = f"lines[{number}]"
        if pin.spec.line in lines or pin.metric in metrics:
            raise ConfigError(
                f"{pin.metric} stands twice", field=f"{at}.line", fix="give each line once, with its own metric"
            )
        lines.add(pin.spec.line)
        metrics.add(pin.metric)
        if pin.spec.only_while and (pin.spec.mode != "output" or pin.spec.only_while not in contacts):
            fix = "name the metric of an input of the same chip, at an output"
            raise ConfigError(f"{pin.spec.only_while!r} is no contact", field=f"{at}.only_while", fix=fix)


SOURCE = SourceKind(GpioConfig, Gpio)
