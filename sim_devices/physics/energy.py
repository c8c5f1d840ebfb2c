"""The electrical tree: what a meter shows is the sum of what hangs below it, and what the cables lose on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_devices.physics.wander import FloatArray, Wander

__all__ = ["Grid", "GridNow", "Meters", "MetersNow"]

CABLE_LOSS_RATIO = 0.008


@dataclass(frozen=True, slots=True)
class GridNow:
    """The public grid at the site's connection."""

    voltage_v: FloatArray  # the three phases
    frequency_hz: float


class Grid:
    """Phase voltages that sag with load and wander with the neighbours'; a frequency held by a continent."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._slow = Wander(3, time_constant_s=1200.0, sigma=1.3, rng=rng)
        self._fast = Wander(3, time_constant_s=15.0, sigma=0.35, rng=rng)
        self._frequency = Wander(1, time_constant_s=120.0, sigma=0.014, rng=rng)

    def step(self, dt_s: float, site_kw: float) -> GridNow:
        """Go on by `dt_s` while the site draws `site_kw`."""
        voltage = 232.0 - 0.05 * site_kw + self._slow.step(dt_s) + self._fast.step(dt_s)
        return GridNow(voltage, 50.0 + float(self._frequency.step(dt_s)[0]))


@dataclass(frozen=True, slots=True)
class MetersNow:
    """One column a meter; voltage and current have a row a phase."""

    voltage_v: FloatArray
    current_a: FloatArray
    power_kw: FloatArray
    power_factor: FloatArray
    import_kwh: FloatArray
    frequency_hz: float


class Meters:
    """Meters over the same loads: `feeds[m, l]` is 1 where load `l` hangs below meter `m` (generation is negative)."""

    def __init__(self, feeds: FloatArray, rng: np.random.Generator) -> None:
        count = feeds.shape[0]
        self._feeds = feeds
        self._import_kwh: FloatArray = rng.uniform(40_000.0, 260_000.0, (count,))
        self._split = 1.0 / 3.0 + rng.uniform(-0.035, 0.035, (3, count))
        self._split /= self._split.sum(axis=0)
        self._lean = Wander(3 * count, time_constant_s=300.0, sigma=0.02, rng=rng)
        self._phase = Wander(count, time_constant_s=900.0, sigma=0.008, rng=rng)

    def step(self, dt_s: float, loads_kw: FloatArray, grid: GridNow) -> MetersNow:
        """Go on by `dt_s`; the energy counts only what comes in."""
        net_kw = self._feeds @ loads_kw
        through_kw = np.abs(self._feeds) @ np.abs(loads_kw)
        power_kw: FloatArray = net_kw + CABLE_LOSS_RATIO * through_kw
        self._import_kwh = self._import_kwh + np.maximum(power_kw, 0.0) * dt_s / 3600.0
        reactive_ratio = 0.26 + self._phase.step(dt_s)  # motors and rectifiers draw it whatever the sun does
        apparent_kva = np.hypot(power_kw, reactive_ratio * through_kw)
        split = self._split * (1.0 + self._lean.step(dt_s).reshape(3, -1))
        split = split / split.sum(axis=0)
        voltage = np.repeat(grid.voltage_v[:, None], power_kw.size, axis=1)
        current = 1000.0 * apparent_kva * split / voltage
        factor = power_kw / np.maximum(apparent_kva, 1e-3)
        return MetersNow(voltage, current, power_kw, factor, self._import_kwh, grid.frequency_hz)
