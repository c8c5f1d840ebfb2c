"""A stationary battery that stores what the sun gives too much of and shaves the site's peaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim_devices.physics.wander import lag

__all__ = ["Battery", "BatteryNow"]

OFF, CHARGING, DISCHARGING, HOLDING = 1, 4, 3, 6  # SunSpec model 802, point ChaSt


@dataclass(frozen=True, slots=True)
class BatteryNow:
    """`power_kw` is positive while it charges, at the terminals where the site's grid sees it."""

    power_kw: float
    soc_pct: float
    voltage_v: float
    temperature_c: float
    state: int


class Battery:
    """`capacity_kwh` behind an inverter of `rated_kw`; follows the site's net load beyond `peak_kw` and below zero."""

    LOSS_RATIO = 0.045  # each way

    def __init__(self, *, capacity_kwh: float, rated_kw: float, peak_kw: float, soc_ratio: float) -> None:
        self._capacity_kwh, self._rated_kw, self._peak_kw = capacity_kwh, rated_kw, peak_kw
        self._soc = soc_ratio
        self._power_kw = 0.0
        self._temperature_c = 22.0
        self.heat_k = 0.0  # that a weak cell or a dead fan adds
        self.capacity_ratio = 1.0

    def step(self, net_load_kw: float, dt_s: float) -> BatteryNow:
        """Go on by `dt_s` while the rest of the site draws `net_load_kw` (negative: it has sun to spare)."""
        self._power_kw += lag(dt_s, 4.0) * (self._wanted_kw(net_load_kw) - self._power_kw)
        into_kw = self._power_kw * (1.0 - self.LOSS_RATIO if self._power_kw > 0 else 1.0 + self.LOSS_RATIO)
        capacity_kwh = self._capacity_kwh * self.capacity_ratio
        self._soc = min(1.0, max(0.0, self._soc + into_kw * dt_s / 3600.0 / capacity_kwh))
        heat_k = 14.0 * abs(self._power_kw) / self._rated_kw + self.heat_k
        self._temperature_c += lag(dt_s, 3600.0) * (21.0 + heat_k - self._temperature_c)
        cell_v = 3.22 + 0.12 * self._soc + 0.02 * math.tanh(8.0 * (self._soc - 0.9))  # lithium iron phosphate is flat
        voltage_v = 128 * cell_v + 6.0 * self._power_kw / self._rated_kw
        return BatteryNow(self._power_kw, 100.0 * self._soc, voltage_v, self._temperature_c, self._state())

    def _wanted_kw(self, net_load_kw: float) -> float:
        """Charge from surplus or, slowly, at a quiet moment; discharge above the peak; ease off near both ends."""
        quiet_kw = 2.0 if net_load_kw < 0.6 * self._peak_kw and self._soc < 0.5 else 0.0
        if net_load_kw > self._peak_kw:
            room = min(1.0, max(0.0, (self._soc - 0.10) / 0.05))
            return -min(net_load_kw - self._peak_kw, self._rated_kw) * room
        room = min(1.0, max(0.0, (0.95 - self._soc) / 0.05))
        return min(max(-net_load_kw, quiet_kw), self._rated_kw) * room

    def _state(self) -> int:
        if abs(self._power_kw) < 0.05:
            return HOLDING
        return CHARGING if self._power_kw > 0 else DISCHARGING
