"""A photovoltaic generator and its inverter: plane-of-array irradiance, hot cells, an efficiency with a knee."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim_devices.physics.wander import lag
from sim_devices.physics.weather import Sky

__all__ = ["PvInverter", "PvNow"]

CELL_HEATING_K_M2_W = 0.028  # above air, in still air (NOCT 45 °C is 0.031)
POWER_LOSS_PER_K = 0.0037
SYSTEM_RATIO = 0.93  # soiling, mismatch, cables
STANDBY_KW = 0.015
TILT_DEG, AZIMUTH_DEG = 15.0, 168.0

OFF, SLEEPING, STARTING, MPPT, THROTTLED = 1, 2, 3, 4, 5  # SunSpec model 103, point St


@dataclass(frozen=True, slots=True)
class PvNow:
    """What the inverter measures at both sides."""

    ac_kw: float
    dc_kw: float
    dc_v: float
    dc_a: float
    cabinet_c: float
    state: int
    ac_v: float
    frequency_hz: float
    energy_kwh: float


class PvInverter:
    """`peak_kw` of modules on the roof behind an inverter of `rated_kw` that has made `energy_kwh` so far."""

    def __init__(self, *, peak_kw: float, rated_kw: float, energy_kwh: float) -> None:
        self._peak_kw, self._rated_kw = peak_kw, rated_kw
        self._tilt, self._azimuth = math.radians(TILT_DEG), math.radians(AZIMUTH_DEG)
        self._cell_k = 0.0
        self._cabinet_c: float | None = None
        self._dc_kw = 0.0
        self._awake_s = 0.0
        self._energy_kwh = energy_kwh
        self.yield_ratio = 1.0  # of clean, complete strings
        self.tripped = False

    def step(self, sky: Sky, dt_s: float, ac_v: float, frequency_hz: float) -> PvNow:
        """Go on by `dt_s` under `sky` on a grid of `ac_v` and `frequency_hz`."""
        irradiance = plane_w_m2(sky, self._tilt, self._azimuth)
        self._cell_k += lag(dt_s, 240.0) * (CELL_HEATING_K_M2_W * irradiance / (1 + 0.12 * sky.wind_m_s) - self._cell_k)
        cell_c = sky.temperature_c + self._cell_k
        raw_kw = self._peak_kw * SYSTEM_RATIO * irradiance / 1000.0 * (1.0 - POWER_LOSS_PER_K * (cell_c - 25.0))
        raw_kw *= 0.0 if self.tripped else self.yield_ratio
        limit_kw = self._rated_kw / 0.975
        target_kw = min(max(raw_kw, 0.0), limit_kw) if self._awake(raw_kw, dt_s) else 0.0
        self._dc_kw += lag(dt_s, 2.5) * (target_kw - self._dc_kw)  # the tracker needs a moment
        dc_kw = self._dc_kw if self._dc_kw > 0.02 else 0.0
        ac_kw = max(0.0, dc_kw * efficiency(dc_kw / self._rated_kw) - STANDBY_KW)
        self._energy_kwh += ac_kw * dt_s / 3600.0
        ambient_c = sky.temperature_c + 3.0
        if self._cabinet_c is None:
            self._cabinet_c = ambient_c
        self._cabinet_c += lag(dt_s, 900.0) * (ambient_c + 26.0 * (dc_kw - ac_kw) / (0.03 * limit_kw) - self._cabinet_c)
        dc_v = (640.0 - 1.7 * (cell_c - 25.0)) * (1.0 if dc_kw else min(1.0, irradiance / 12.0))
        return PvNow(ac_kw, dc_kw, dc_v, 1000.0 * dc_kw / dc_v if dc_kw else 0.0, self._cabinet_c,
                     self._state(raw_kw, limit_kw, dc_kw), ac_v, frequency_hz, self._energy_kwh)  # fmt: skip

    def _awake(self, raw_kw: float, dt_s: float) -> bool:
        """Grid codes ask for a minute of waiting before an inverter feeds in."""
        self._awake_s = self._awake_s + dt_s if raw_kw > 0.06 else 0.0
        return self._awake_s >= 60.0

    def _state(self, raw_kw: float, limit_kw: float, dc_kw: float) -> int:
        if dc_kw:
            return THROTTLED if raw_kw > limit_kw else MPPT
        return STARTING if self._awake_s > 0.0 else SLEEPING


def plane_w_m2(sky: Sky, tilt_rad: float, azimuth_rad: float) -> float:
    """Irradiance on a tilted plane: beam by angle, diffuse isotropic, ground albedo 0.2."""
    height = math.sin(sky.sun.elevation_rad)
    if height <= 0.01:
        return sky.diffuse_w_m2
    incidence = height * math.cos(tilt_rad) + math.cos(sky.sun.elevation_rad) * math.sin(tilt_rad) * math.cos(
        sky.sun.azimuth_rad - azimuth_rad
    )
    beam = sky.beam_w_m2 * min(max(incidence, 0.0) / height, 4.0)
    seen = 0.5 * (1.0 + math.cos(tilt_rad))
    return beam + seen * sky.diffuse_w_m2 + 0.2 * (1.0 - seen) * sky.irradiance_w_m2


def efficiency(load_ratio: float) -> float:
    """Of the inverter alone: poor below a tenth of its rating, 97.7 % at the middle, a little less at the top."""
    return max(0.0, 0.984 - 0.0045 / (load_ratio + 0.012) - 0.009 * load_ratio)
