"""Quantities whose behaviour stands in the table of devices, for kinds that need no physics of their own in code.

A metric's `model` says what its value is and what moves it:

```
{ name = "flow", unit = "m3/h", model = { drive = { valve = 0.024 }, lag_s = 4, noise = 0.02 } }
```
`mean` plus `drive` (gain a unit of a driver) is what it tends to, within `lag_s`; `noise` is the deviation of a wander
of `memory_s` around it. `rate` (gain an hour and unit) makes it pile up instead: a counter, a tank, a bed of soil.
`wave` swings over `period_s`, `switch` opens at `on` and closes at `off` of what it watches, `states` follow each other
with `dwell_s` each. Drivers: outside (K from 10 °C), sun (kW/m²), wind (m/s), rain (mm/h), work (0 … 1, people at
work), night (0 or 1), a metric of the same device (a state counts as its number), `device/metric`, or
`{name}/metric` of the device that `links` of the own one names so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from sim_devices.physics.wander import FloatArray
from sim_devices.physics.weather import LocalTime, Sky
from wire.errors import ConfigError

__all__ = ["DRIVERS", "Signal", "SignalPoint", "Signals"]

DRIVERS = ("outside", "sun", "wind", "rain", "work", "night")
OUTSIDE_C = 10.0  # against which `outside` is told
_Positive = Annotated[float, Meta(gt=0)]


class Wave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A swing of a process: `high` above the rest, over `period_s`."""

    high: float
    period_s: _Positive
    shape: Annotated[str, Meta(pattern="^(sine|square|saw)$")] = "sine"


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Goes to `value` when what it watches falls (or, with on above off, rises) to `on`, back to 0 at `off`."""

    watch: str
    on: float
    off: float
    value: float = 100.0


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What moves one metric; see the module."""

    mean: float = 0.0
    spread: float = 0.0  # of the mean from device to device
    drive: dict[str, float] = {}
    lag_s: float = 0.0
    noise: float = 0.0
    memory_s: _Positive = 60.0
    rate: dict[str, float] = {}
    wave: Wave | None = None
    switch: Switch | None = None
    states: tuple[str, ...] = ()
    dwell_s: tuple[float, ...] = ()
    load: bool = False  # a power in kW that the site's meters feel

    def linked(self, links: Mapping[str, str]) -> Signal:
        """The same with `{name}` of its drivers replaced by the devices that the name stands for."""

        def named(text: str) -> str:
            for name, device in links.items():
                text = text.replace(f"{{{name}}}", device)
            return text

        tables = [{named(key): gain for key, gain in table.items()} for table in (self.drive, self.rate)]
        switch = self.switch and msgspec.structs.replace(self.switch, watch=named(self.switch.watch))
        return msgspec.structs.replace(self, drive=tables[0], rate=tables[1], switch=switch)


@dataclass(frozen=True, slots=True)
class SignalPoint:
    """One metric of one device with its model and bounds."""

    device: str
    metric: str
    signal: Signal
    low: float
    high: float
    row: str = ""  # of devices, which draws its chance by itself: a longer one leaves all others as they were

    @property
    def key(self) -> str:
        """`device/metric`."""
        return f"{self.device}/{self.metric}"


@dataclass(frozen=True, slots=True)
class _Gains:
    """What drives what, by how much: one entry a pair; columns are the outer drivers, then the metrics."""

    count: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    gains: FloatArray

    def __call__(self, drivers: FloatArray, values: FloatArray) -> FloatArray:
        """The sum for each metric."""
        moved = self.gains * np.concatenate([drivers, values])[self.columns]
        found: FloatArray = np.bincount(self.rows, weights=moved, minlength=self.count).astype(np.float64)
        return found


class _Chance:
    """Draws for all metrics at once: single devices share one generator, each row of devices has its own."""

    def __init__(
        self, rows: Sequence[str], rng: np.random.Generator, own: Callable[[str], np.random.Generator]
    ) -> None:
        names = list(dict.fromkeys(rows))
        places = [np.array([at for at, row in enumerate(rows) if row == name], dtype=np.intp) for name in names]
        self._count = len(rows)
        self._of = [(own(name) if name else rng, place) for name, place in zip(names, places, strict=True)]
        self._by_number = {int(at): draw for draw, place in self._of for at in place}

    def uniform(self, low: float, high: float) -> FloatArray:
        """One number for each metric."""
        return self._fill(lambda draw, count: draw.uniform(low, high, count))

    def normal(self) -> FloatArray:
        """One number for each metric."""
        return self._fill(lambda draw, count: draw.standard_normal(count))

    def of(self, number: int) -> np.random.Generator:
        """The generator of one metric."""
        return self._by_number[number]

    def _fill(self, drawn: Callable[[np.random.Generator, int], FloatArray]) -> FloatArray:
        found = np.empty(self._count)
        for draw, place in self._of:
            found[place] = drawn(draw, place.size)
        return found


class Signals:
    """All such metrics of a site, stepped together as vectors. `own` gives the chance of each row of devices."""

    def __init__(
        self,
        points: Sequence[SignalPoint],
        rng: np.random.Generator,
        own: Callable[[str], np.random.Generator] | None = None,
    ) -> None:
        self.points = list(points)
        self._chance = _Chance([point.row for point in self.points], rng, own or (lambda _: rng))
        self._index = {point.key: number for number, point in enumerate(self.points)}
        signals = [point.signal for point in self.points]
        count = len(signals)
        self._low, self._high = _column(point.low for point in points), _column(point.high for point in points)
        spread = _column(one.spread for one in signals)
        self.mean = _column(one.mean for one in signals) + spread * self._chance.uniform(-1.0, 1.0)
        self._lag_s = _column(one.lag_s for one in signals)
        self._noise = _column(one.noise for one in signals)
        self._memory_s = _column(one.memory_s for one in signals)
        self._drive = self._gains([one.drive for one in signals])
        self._rate = self._gains([one.rate for one in signals])
        self._piles = np.array([bool(one.rate) for one in signals], dtype=bool)
        self._phase = self._chance.uniform(0.0, 1.0)
        self._left_s = np.zeros(count)
        self._held: dict[int, float] = {}
        self._gain, self._offset = np.ones(count), np.zeros(count)  # of faults
        self._jammed: dict[int, float] = {}
        self._wavy = [number for number, one in enumerate(signals) if one.wave]
        self._switched = [number for number, one in enumerate(signals) if one.switch]
        self._stated = [number for number, one in enumerate(signals) if one.states]
        self._quiet = self.mean.copy()
        self._swing: FloatArray = np.zeros(count)
        self.values: FloatArray = np.clip(self.mean, self._low, self._high)
        self.loads = [number for number, one in enumerate(signals) if one.load]

    def step(self, sky: Sky, local: LocalTime, dt_s: float) -> FloatArray:
        """Go on by `dt_s`; drivers that are metrics count as they were before the step."""
        drivers = _drivers(sky, local)
        before = self.values
        target = (self.mean + self._drive(drivers, before)) * self._gain + self._offset
        share = np.where(self._lag_s > 0.0, 1.0 - np.exp(-dt_s / np.maximum(self._lag_s, 1e-9)), 1.0)
        self._quiet = self._quiet + share * (target - self._quiet)
        keep = np.exp(-dt_s / self._memory_s)
        drawn = self._chance.normal()
        self._swing = keep * self._swing + self._noise * np.sqrt(1.0 - keep * keep) * drawn
        values = self._quiet + self._swing
        piled = before + (self._rate(drivers, before) + self._offset) * dt_s / 3600.0
        values = np.where(self._piles, piled, values)
        self._add_waves(values, dt_s)
        self._follow_switches(values, before)
        self._change_states(values, dt_s)
        for number, held in (*self._held.items(), *self._jammed.items()):
            values[number] = held
        self.values = np.clip(values, self._low, self._high)
        return self.values

    def write(self, key: str, value: float) -> None:
        """Hold a metric at what somebody set."""
        number = self._index[key]
        self._held[number] = value
        self.values[number] = value

    def disturb(self, key: str, gain: float = 1.0, offset: float = 0.0) -> None:
        """Let a fault move what a metric tends to: times `gain`, plus `offset` (an hour, where it piles up)."""
        number = self._index[key]
        self._gain[number], self._offset[number] = gain, offset

    def hold(self, key: str, *, on: bool) -> None:
        """Let a fault freeze a metric where it is, or free it; what somebody set stays set."""
        number = self._index[key]
        if on:
            self._jammed.setdefault(number, float(self.values[number]))
        else:
            self._jammed.pop(number, None)

    def shown(self) -> dict[str, float | str]:
        """What every metric shows, states as words."""
        found: dict[str, float | str] = {}
        for point, value in zip(self.points, self.values.tolist(), strict=True):
            words = point.signal.states
            found[point.key] = words[int(value) % len(words)] if words else value
        return found

    def _gains(self, tables: Sequence[Mapping[str, float]]) -> _Gains:
        rows, columns, gains = [], [], []
        for row, table in enumerate(tables):
            for name, gain in table.items():
                outer = name in DRIVERS
                rows.append(row)
                columns.append(DRIVERS.index(name) if outer else len(DRIVERS) + self._number(name, self.points[row]))
                gains.append(gain)
        return _Gains(len(tables), np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp), _column(gains))

    def _number(self, name: str, point: SignalPoint) -> int:
        key = name if "/" in name else f"{point.device}/{name}"
        if key not in self._index:
            fix = f"name one of {', '.join(DRIVERS)}, or a metric with a model"
            raise ConfigError(f"{point.key} is driven by {name!r}", file="devices.toml", field="model", fix=fix)
        return self._index[key]

    def _add_waves(self, values: FloatArray, dt_s: float) -> None:
        for number in self._wavy:
            wave = self.points[number].signal.wave
            assert wave is not None
            self._phase[number] = phase = (self._phase[number] + dt_s / wave.period_s) % 1.0
            shape = 0.5 - 0.5 * np.cos(2 * np.pi * phase) if wave.shape == "sine" else phase
            values[number] += wave.high * (float(phase < 0.5) if wave.shape == "square" else float(shape))

    def _follow_switches(self, values: FloatArray, before: FloatArray) -> None:
        for number in self._switched:
            switch = self.points[number].signal.switch
            assert switch is not None
            watched, was = before[self._number(switch.watch, self.points[number])], before[number] > 0.0
            falls = switch.on < switch.off
            turned_on = watched <= switch.on if falls else watched >= switch.on
            turned_off = watched >= switch.off if falls else watched <= switch.off
            values[number] = switch.value if turned_on or (was and not turned_off) else 0.0

    def _change_states(self, values: FloatArray, dt_s: float) -> None:
        for number in self._stated:
            signal = self.points[number].signal
            self._left_s[number] -= dt_s
            state = int(self.values[number])
            if self._left_s[number] <= 0.0:
                state = (state + 1) % len(signal.states)
                dwell_s = signal.dwell_s[state % len(signal.dwell_s)] if signal.dwell_s else 600.0
                self._left_s[number] = dwell_s * self._chance.of(number).uniform(0.8, 1.25)
            values[number] = float(state)


def _drivers(sky: Sky, local: LocalTime) -> FloatArray:
    at_work = 0.0
    if local.workday:
        at_work = max(0.0, min(1.0, (local.hour - 6.0) / 2.0, (19.0 - local.hour) / 2.5))
    night = 1.0 if sky.sun.elevation_rad < 0.0 else 0.0
    return np.array(
        [sky.temperature_c - OUTSIDE_C, sky.irradiance_w_m2 / 1000.0, sky.wind_m_s, sky.rain_mm_h, at_work, night]
    )


def _column(numbers: Iterable[float]) -> FloatArray:
    return np.array(list(numbers), dtype=float)
