"""Charge points: cars come, charge along their battery's curve, stand a while, and leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim_devices.physics.wander import FloatArray, lag
from sim_devices.physics.weather import LocalTime

__all__ = ["CONNECTOR_STATES", "Chargers", "ChargersNow"]

FREE, PREPARING, CHARGING, FINISHING = range(4)
CONNECTOR_STATES = ("Available", "Preparing", "Charging", "Finishing")  # the words of OCPP
CHARGER_LOSS_RATIO = 0.03
STANDBY_KW = 0.012


@dataclass(frozen=True, slots=True)
class ChargersNow:
    """One entry a charge point; power is what the charger draws from the site."""

    power_kw: FloatArray
    current_a: FloatArray
    session_kwh: FloatArray
    soc_pct: FloatArray
    state: NDArray[np.int64]
    limit_a: FloatArray
    voltage_v: float


class Chargers:
    """Three-phase AC chargers with a writable current limit a phase."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self.limit_a: FloatArray = np.full(count, 32.0)
        self.open_contactor = np.zeros(count, dtype=bool)  # a fault: it says Charging and nothing flows
        self._state = np.zeros(count, dtype=np.int64)
        self._timer_s = rng.uniform(60.0, 600.0, count)
        self._soc, self._car_kw = np.zeros(count), np.zeros(count)
        self._car_kwh, self._goal = np.full(count, 60.0), np.ones(count)
        self._power_kw, self._session_kwh = np.zeros(count), np.zeros(count)

    def step(self, local: LocalTime, dt_s: float, voltage_v: float) -> ChargersNow:
        """Go on by `dt_s` at a phase voltage of `voltage_v`."""
        self._timer_s = self._timer_s - dt_s
        self._arrive_and_leave(local)
        limit_kw = 3.0 * voltage_v * self.limit_a / 1000.0
        taper = np.clip((1.0 - self._soc) / 0.18, 0.06, 1.0)
        wanted = np.where(
            (self._state == CHARGING) & ~self.open_contactor, np.minimum(limit_kw, self._car_kw) * taper, 0.0
        )
        self._power_kw = self._power_kw + lag(dt_s, 6.0) * (wanted - self._power_kw)
        delivered = self._power_kw * dt_s / 3600.0
        self._session_kwh = self._session_kwh + delivered
        self._soc = np.minimum(1.0, self._soc + delivered * (1.0 - CHARGER_LOSS_RATIO) / self._car_kwh)
        connected = self._state != FREE
        return ChargersNow(
            power_kw=self._power_kw + STANDBY_KW,
            current_a=self._power_kw * 1000.0 / (3.0 * voltage_v),
            session_kwh=self._session_kwh,
            soc_pct=np.where(connected, 100.0 * self._soc, 0.0),
            state=self._state,
            limit_a=self.limit_a,
            voltage_v=voltage_v,
        )

    def begin(self, number: int) -> bool:
        """Start charging the car that stands there now; False when none waits to."""
        waits = bool(self._state[number] == PREPARING)
        if waits:
            self._timer_s[number] = 0.0
        return waits

    def end(self, number: int) -> bool:
        """Stop charging; False when nothing charges."""
        charges = bool(self._state[number] == CHARGING)
        if charges:
            self._goal[number] = 0.0
        return charges

    def _arrive_and_leave(self, local: LocalTime) -> None:
        """Transitions, all chargers at once; the draws are the same in number at every step."""
        due = self._timer_s <= 0.0
        drawn = self._rng.random((5, due.size))
        was = self._state
        busy_hours = 1.0 if local.workday and 6.0 <= local.hour < 19.0 else 3.0
        arrive = due & (was == FREE)
        begin = due & (was == PREPARING)
        full = (was == CHARGING) & (self._soc >= self._goal)
        leave = due & (was == FINISHING)
        self._state = np.select([arrive, begin, full, leave], [PREPARING, CHARGING, FINISHING, FREE], was)
        self._timer_s = np.select(
            [arrive, full, leave],
            [20.0 + 70.0 * drawn[0], 300.0 + 2400.0 * drawn[0], busy_hours * (400.0 + 2600.0 * drawn[0])],
            self._timer_s,
        )
        self._soc = np.where(arrive, 0.12 + 0.5 * drawn[1], self._soc)
        self._goal = np.where(arrive, 0.8 + 0.2 * drawn[2], self._goal)
        self._car_kw = np.where(arrive, np.where(drawn[3] < 0.65, 11.0, 22.0), self._car_kw)
        self._car_kwh = np.where(arrive, 45.0 + 40.0 * drawn[4], self._car_kwh)
        self._session_kwh = np.where(arrive, 0.0, self._session_kwh)
