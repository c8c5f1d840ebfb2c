"""Room controllers, the air-handling unit and the heat pump: controllers, actuators and coils that take their time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim_devices.physics.building import AIR_J_M3K, Rooms
from sim_devices.physics.wander import FloatArray, Wander, lag
from sim_devices.physics.weather import LocalTime

__all__ = ["AirHandler", "AirHandlerNow", "HeatPump", "HeatPumpNow", "RoomControl", "RoomService"]

WATER_J_KG_K = 4186.0
FLOW_M3_S_M2 = 0.0011  # design ventilation: 4 m³/h a square metre
RADIATOR_W_M2 = 65.0
SETBACK_K = 3.0
COOLER_COP = 3.4
CONTROL_S = 5.0


@dataclass(frozen=True, slots=True)
class RoomService:
    """What the technical systems bring into each room: air, heat (cooling is negative), and the power they draw."""

    flow_m3_s: FloatArray
    heat_w: FloatArray
    radiator_w: FloatArray
    power_w: FloatArray


class RoomControl:
    """One controller a room: radiator valve by temperature (PI), air damper by CO2 and heat (P), cooler (P)."""

    def __init__(self, area_m2: FloatArray, cooler_w: FloatArray) -> None:
        self._design_m3_s = area_m2 * FLOW_M3_S_M2
        self._radiator_w = area_m2 * RADIATOR_W_M2
        self._cooler_w = cooler_w
        self._integral: FloatArray = np.full(area_m2.size, 0.25)
        self._valve: FloatArray = np.full(area_m2.size, 0.25)
        self._damper: FloatArray = np.full(area_m2.size, 0.2)
        self._cooler: FloatArray = np.zeros(area_m2.size)
        self.stuck_valve: FloatArray = np.full(area_m2.size, np.nan)  # where a fault holds a radiator valve

    def step(self, local: LocalTime, dt_s: float, rooms: Rooms, water_c: float) -> RoomService:
        """Go on by `dt_s` with the rooms as they are and heating water of `water_c`."""
        room_c = rooms.temperature_c
        occupied = local.workday and 5.5 <= local.hour < 19.0
        off_k = rooms.setpoint_c - (0.0 if occupied else SETBACK_K) - room_c
        self._integral = np.clip(self._integral + off_k * dt_s / 5400.0, 0.0, 1.0)
        valve = np.clip(0.35 * off_k + self._integral, 0.0, 1.0)
        self._valve = self._valve + lag(dt_s, 120.0) * (valve - self._valve)
        self._valve = np.where(np.isnan(self.stuck_valve), self._valve, self.stuck_valve)
        stuffy = np.clip((rooms.co2_ppm - 650.0) / 450.0, 0.0, 1.0)
        over_k = room_c - rooms.setpoint_c
        damper = np.maximum(0.3 if occupied else 0.12, np.maximum(stuffy, np.clip((over_k - 0.8) / 1.5, 0.0, 1.0)))
        self._damper = self._damper + lag(dt_s, 90.0) * (damper - self._damper)
        self._cooler = self._cooler + lag(dt_s, 60.0) * (np.clip((over_k - 0.5) / 2.0, 0.0, 1.0) - self._cooler)
        strength = np.clip((water_c - room_c) / 18.0, 0.0, 1.5)  # radiators are sized for 38 °C water
        radiator_w = self._valve * self._radiator_w * strength
        cooled_w = self._cooler * self._cooler_w
        flow_m3_s = self._damper * self._design_m3_s
        return RoomService(flow_m3_s, radiator_w - cooled_w, radiator_w, cooled_w / COOLER_COP)

    def design_flow_m3_s(self) -> float:
        """Air flow with all dampers open."""
        return float(self._design_m3_s.sum())


@dataclass(frozen=True, slots=True)
class AirHandlerNow:
    """What the unit's own sensors and drives say."""

    supply_c: float
    return_c: float
    flow_m3_s: float
    supply_fan_pct: float
    return_fan_pct: float
    heating_pct: float
    cooling_pct: float
    filter_pa: float
    power_kw: float
    coil_heat_w: float
    running: bool
    setpoint_c: float
    outside_c: float


@dataclass(slots=True)
class AirHandlerFaults:
    """What is wrong with the unit: shares of what a sound one does, and where a valve sticks."""

    filter_ratio: float = 1.0  # resistance against the filter's own
    belt_ratio: float = 1.0  # air that a turn of the fan moves
    coil_ratio: float = 1.0  # heat that the open valve brings
    stuck_heating: float | None = None  # 0 … 1


class AirHandler:
    """Fans by air demand, heat recovery, a heating and a cooling coil in sequence behind one PI controller."""

    def __init__(self, design_flow_m3_s: float, rng: np.random.Generator) -> None:
        self.setpoint_c = 19.0
        self._design_m3_s = design_flow_m3_s
        self._heating_w = design_flow_m3_s * AIR_J_M3K * 16.0
        self._cooling_w = design_flow_m3_s * AIR_J_M3K * 12.0
        self._dust = 1.15 + 0.3 * float(rng.random())  # filter resistance against a new one
        self._turbulence = Wander(2, time_constant_s=8.0, sigma=0.006, rng=rng)
        self._integral = self._heating = 0.1
        self._cooling = 0.0
        self._fan = 0.4
        self._supply_c = self.setpoint_c
        self._return_c = 21.5
        self.faults = AirHandlerFaults()

    @property
    def supply_c(self) -> float:
        """Supply air temperature now."""
        return self._supply_c

    def step(self, dt_s: float, outside_c: float, rooms_c: float, wanted_m3_s: float, water_c: float) -> AirHandlerNow:
        """Go on by `dt_s`: the dampers want `wanted_m3_s`, the rooms' air comes back at `rooms_c`."""
        target = float(np.clip(0.22 + 0.78 * wanted_m3_s / self._design_m3_s, 0.22, 1.0))
        self._fan += lag(dt_s, 25.0) * (target - self._fan)
        choked = 1.0 / (1.0 + 0.12 * (self.faults.filter_ratio - 1.0))
        flow = wanted_m3_s * float(1.0 + self._turbulence.step(dt_s)[0]) * self.faults.belt_ratio * choked
        recovery = 0.72 if outside_c < self.setpoint_c - 2.0 or outside_c > rooms_c + 1.0 else 0.0
        self._return_c += lag(dt_s, 90.0) * (rooms_c + 0.4 - self._return_c)
        intake_c = outside_c + recovery * (self._return_c - outside_c)
        heat_w = cool_w = 0.0
        parts = math.ceil(dt_s / CONTROL_S)  # the controller stays stable when the park leaps
        for _ in range(parts):
            heat_w, cool_w = self._coils(dt_s / parts, flow, intake_c, water_c)
        return AirHandlerNow(
            supply_c=self._supply_c,
            return_c=self._return_c,
            flow_m3_s=flow,
            supply_fan_pct=100.0 * self._fan,
            return_fan_pct=95.0 * self._fan,
            heating_pct=100.0 * self._heating,
            cooling_pct=100.0 * self._cooling,
            filter_pa=170.0
            * self._dust
            * self.faults.filter_ratio
            * (self._fan * self.faults.belt_ratio) ** 2
            * float(1.0 + self._turbulence.now[1]),
            power_kw=self._design_m3_s * (0.25 + 2.6 * self._fan**3) + cool_w / 3200.0,
            coil_heat_w=heat_w,
            running=flow > 0.05 * self._design_m3_s,
            setpoint_c=self.setpoint_c,
            outside_c=outside_c,
        )

    def _coils(self, dt_s: float, flow: float, intake_c: float, water_c: float) -> tuple[float, float]:
        """One step of controller, valves and coils; heat and cold in W.

        PI on the supply temperature, weaker at low flow where a coil does more; the drives need a minute end to end.
        """
        off_k, share = self.setpoint_c - self._supply_c, max(0.1, flow / self._design_m3_s)
        self._integral = min(1.0, max(-1.0, self._integral + share * off_k * dt_s / 900.0))
        command = share * 0.05 * off_k + self._integral  # −1 full cooling … +1 full heating
        travel = dt_s / 60.0
        self._heating += min(travel, max(-travel, min(1.0, max(0.0, command)) - self._heating))
        self._cooling += min(travel, max(-travel, min(1.0, max(0.0, -command)) - self._cooling))
        opened = self._heating if self.faults.stuck_heating is None else self.faults.stuck_heating
        warm = min(1.3, max(0.0, (water_c - intake_c) / 25.0)) * self.faults.coil_ratio
        heat_w = opened * self._heating_w * warm
        cool_w = self._cooling * self._cooling_w
        mixed_c = intake_c + (heat_w - cool_w) / (max(flow, 0.02) * AIR_J_M3K) + 0.6 * self._fan
        self._supply_c += lag(dt_s, 45.0) * (mixed_c - self._supply_c)
        return heat_w, cool_w


@dataclass(frozen=True, slots=True)
class HeatPumpNow:
    """What the heat pump's controller shows."""

    supply_c: float
    return_c: float
    flow_m3_h: float
    heat_kw: float
    power_kw: float
    cop: float
    running: bool
    setpoint_c: float


class HeatPump:
    """An air-to-water heat pump on a buffer tank: two-point control with a least off time, COP by lift."""

    NOMINAL_KW = 40.0
    HYSTERESIS_K = 2.5
    REST_S = 300.0
    TANK_J_K = 900.0 * WATER_J_KG_K
    FLOW_KG_S = 1.7

    def __init__(self, rng: np.random.Generator, nominal_kw: float = NOMINAL_KW) -> None:
        self.charge_ratio = 1.0  # refrigerant that is left
        self.band_ratio = 1.0  # of the two-point control's own band; small is short cycling
        self._nominal_kw, size = nominal_kw, nominal_kw / self.NOMINAL_KW
        self._tank_j_k, self._flow_kg_s = self.TANK_J_K * size, self.FLOW_KG_S * size
        self.setpoint_c = 38.0
        self._tank_c = self.setpoint_c + float(rng.uniform(-2.0, 2.0))
        self._supply_c = self._return_c = self._tank_c
        self._flow = 0.0
        self._heat_w = 0.0
        self._on = False
        self._off_s = self.REST_S
        self._hot_water = Wander(1, time_constant_s=1800.0, sigma=500.0, rng=rng)

    @property
    def water_c(self) -> float:
        """Temperature of the water that goes to radiators and coils."""
        return self._tank_c

    def step(self, dt_s: float, outside_c: float, load_w: float) -> HeatPumpNow:
        """Go on by `dt_s` while the building takes `load_w` from the tank."""
        self._switch(dt_s)
        full_w = self._nominal_kw * 1000.0 * float(np.clip(1.0 + 0.018 * (outside_c - 2.0), 0.6, 1.15))
        self._heat_w += lag(dt_s, 70.0) * ((full_w * self.charge_ratio if self._on else 0.0) - self._heat_w)
        self._flow += lag(dt_s, 10.0) * ((1.0 if self._on else 0.0) - self._flow)
        taken_w = load_w + 1500.0 + float(self._hot_water.step(dt_s)[0])
        self._tank_c += (self._heat_w - max(taken_w, 0.0)) * dt_s / self._tank_j_k
        lift_k = max(15.0, self._tank_c + 6.0 - outside_c)
        cop = float(np.clip(0.46 * (self._tank_c + 279.0) / lift_k, 1.8, 6.5)) * (0.4 + 0.6 * self.charge_ratio)
        spread_k = self._heat_w / (self._flow_kg_s * WATER_J_KG_K)
        self._return_c += lag(dt_s, 40.0) * (self._tank_c - 0.4 - self._return_c)
        self._supply_c += lag(dt_s, 30.0) * (self._tank_c - 0.4 + spread_k - self._supply_c)
        working = self._heat_w > 500.0
        return HeatPumpNow(
            supply_c=self._supply_c,
            return_c=self._return_c,
            flow_m3_h=self._flow_kg_s * 3.6 * self._flow,
            heat_kw=self._heat_w / 1000.0,
            power_kw=self._heat_w / cop / 1000.0 + 0.12 + 0.35 * self._flow,
            cop=cop if working else 0.0,
            running=self._on,
            setpoint_c=self.setpoint_c,
        )

    def _switch(self, dt_s: float) -> None:
        self._off_s = 0.0 if self._on else self._off_s + dt_s
        band_k, rest_s = self.HYSTERESIS_K * self.band_ratio, self.REST_S * self.band_ratio
        if self._on and self._tank_c > self.setpoint_c + band_k:
            self._on = False
        elif not self._on and self._tank_c < self.setpoint_c - band_k and self._off_s >= rest_s:
            self._on = True
