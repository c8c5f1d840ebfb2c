"""Rooms: who is in them, how warm they are, what they breathe, and what they draw from the sockets.

Each room is two thermal nodes (air with furniture, and the mass of walls and slabs), one CO2 balance and one water
balance; all are integrated implicitly, so any step is stable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_devices.physics.wander import FloatArray, Wander, lag
from sim_devices.physics.weather import LocalTime, Sky

__all__ = ["PROFILES", "Profile", "Rooms", "RoomsNow"]

OUTDOOR_CO2_PPM = 420.0
AIR_J_M3K = 1206.0
CO2_M3_S_PERSON = 5.2e-6  # seated work
WATER_G_S_PERSON = 0.017
HEAT_W_PERSON = 95.0


@dataclass(frozen=True, slots=True)
class Profile:
    """How a room of one use is lived in. `hours` gives the expected share of its people at each full hour."""

    hours: tuple[float, ...]
    people_m2: float
    stay_s: float  # how long one person stays
    base_w_m2: float  # sockets and standby, day and night
    person_w: float  # lights and screens that come with a person
    window_ratio: float  # window area a floor area
    setpoint_c: float
    weekend_ratio: float
    cooler_w_m2: float  # a room unit that cools: chilled ceiling, or the server room's own


def _day(*spans: tuple[int, int, float]) -> tuple[float, ...]:
    """24 hourly shares, zero outside the spans (from hour, to hour, share)."""
    shares = [0.0] * 24
    for start, end, share in spans:
        shares[start:end] = [share] * (end - start)
    return tuple(shares)


PROFILES = {
    "lobby": Profile(_day((6, 7, 0.1), (7, 9, 0.6), (9, 12, 0.25), (12, 14, 0.5), (14, 16, 0.25), (16, 18, 0.5)),
                     0.08, 400.0, 3.0, 30.0, 0.30, 20.0, 0.1, 0.0),
    "canteen": Profile(_day((8, 10, 0.15), (11, 12, 0.6), (12, 13, 0.9), (13, 14, 0.5), (14, 16, 0.1)),
                       0.55, 1500.0, 6.0, 25.0, 0.25, 21.0, 0.0, 60.0),
    "workshop": Profile(_day((0, 6, 0.15), (6, 14, 0.9), (14, 22, 0.7), (22, 24, 0.15)),
                        0.025, 7200.0, 4.0, 150.0, 0.15, 19.0, 0.4, 0.0),
    "laboratory": Profile(_day((7, 8, 0.3), (8, 12, 0.85), (12, 13, 0.4), (13, 17, 0.85), (17, 20, 0.25)),
                          0.07, 5400.0, 14.0, 180.0, 0.20, 21.0, 0.1, 45.0),
    "server": Profile(_day((9, 11, 0.3), (14, 15, 0.3)), 0.03, 900.0, 160.0, 50.0, 0.0, 22.0, 0.0, 260.0),
    "meeting": Profile(_day((8, 9, 0.2), (9, 12, 0.8), (13, 16, 0.7), (16, 17, 0.3)),
                       0.17, 500.0, 2.0, 45.0, 0.25, 21.0, 0.0, 60.0),
    "office": Profile(_day((6, 7, 0.1), (7, 8, 0.4), (8, 12, 0.85), (12, 13, 0.5), (13, 16, 0.85), (16, 18, 0.3)),
                      0.09, 6000.0, 3.0, 140.0, 0.25, 21.5, 0.03, 40.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RoomsNow:
    """The rooms' state after a step, one entry a room."""

    temperature_c: FloatArray
    humidity_pct: FloatArray
    co2_ppm: FloatArray
    people: FloatArray
    plug_w: FloatArray
    setpoint_c: FloatArray


class Rooms:
    """Rooms by use and floor area; ventilation and heating come from outside at each step."""

    def __init__(self, uses: list[str], area_m2: FloatArray, height_m: FloatArray, rng: np.random.Generator) -> None:
        profiles = [PROFILES[use] for use in uses]

        def column(name: str) -> FloatArray:
            return np.array([getattr(profile, name) for profile in profiles], dtype=float)

        self._rng = rng
        self._hours = np.array([profile.hours for profile in profiles])
        self._meeting = np.array([use == "meeting" for use in uses])
        self.area_m2, self.volume_m3 = area_m2, area_m2 * height_m
        self.setpoint_c = column("setpoint_c")
        self.cooler_w = column("cooler_w_m2") * area_m2
        self.seats = np.maximum(1, np.round(column("people_m2") * area_m2)).astype(np.int64)
        self._stay_s, self._base_w_m2 = column("stay_s"), column("base_w_m2")
        self._person_w, self._weekend = column("person_w"), column("weekend_ratio")
        self._window_m2 = column("window_ratio") * area_m2
        self._air_j_k = self.volume_m3 * AIR_J_M3K * 4.0  # the air with the furniture in it
        self._mass_j_k = area_m2 * 260_000.0
        self._air_mass_w_k = area_m2 * 9.0
        self._outside_w_k = area_m2 * 0.45 + self._window_m2 * 1.1
        self._tight_m3_s = self.volume_m3 * 0.12 / 3600.0
        self.window_changes_h: FloatArray = np.zeros(len(uses))  # air changes an hour through a window left open
        self._plug_wander = Wander(len(uses), time_constant_s=600.0, sigma=0.06, rng=rng)
        self._turnout, self._turnout_hour = np.ones(len(uses)), -1
        self._people: FloatArray = np.zeros(len(uses))
        self._air_c = self.setpoint_c - 0.5
        self._mass_c = self.setpoint_c - 0.3
        self._co2_ppm = np.full(len(uses), 480.0)
        self._sensor = Wander(len(uses), time_constant_s=4 * 3600.0, sigma=12.0, rng=rng)  # ppm
        self._eddies = Wander(len(uses), time_constant_s=45.0, sigma=3.5, rng=rng)
        self._water_g_kg = np.full(len(uses), 5.5)

    @property
    def people(self) -> FloatArray:
        """How many are in each room now."""
        return self._people

    @property
    def temperature_c(self) -> FloatArray:
        """Air temperature of each room now."""
        return self._air_c

    @property
    def co2_ppm(self) -> FloatArray:
        """CO2 of each room now."""
        return self._co2_ppm

    def step(
        self, sky: Sky, local: LocalTime, dt_s: float, supply_c: float, flow_m3_s: FloatArray, heat_w: FloatArray
    ) -> RoomsNow:
        """Go on by `dt_s` with `flow_m3_s` of supply air at `supply_c` and `heat_w` from the radiators."""
        self._move_people(local, dt_s)
        awake = np.minimum(1.0, self._people)
        plug_w = self._base_w_m2 * self.area_m2 * (1.0 + self._plug_wander.step(dt_s))
        plug_w = plug_w + self._person_w * self._people + 3.0 * self.area_m2 * awake
        gain_w = heat_w + plug_w + HEAT_W_PERSON * self._people + 0.45 * self._window_m2 * sky.irradiance_w_m2
        self._leak_m3_s = self._tight_m3_s + self.volume_m3 * self.window_changes_h / 3600.0
        self._warm(sky.temperature_c, dt_s, supply_c, flow_m3_s, gain_w)
        self._breathe(sky, dt_s, flow_m3_s)
        shown_ppm = self._co2_ppm + self._sensor.step(dt_s) + self._eddies.step(dt_s)
        return RoomsNow(self._air_c, self._humidity_pct(), shown_ppm, self._people, plug_w, self.setpoint_c)

    def _move_people(self, local: LocalTime, dt_s: float) -> None:
        """People come and go one by one; a meeting's turnout is drawn anew each hour."""
        hour = int(local.hour)
        if hour != self._turnout_hour:
            self._turnout_hour = hour
            drawn = self._rng.random(self._turnout.size)
            self._turnout = np.where(self._meeting, np.where(drawn < 0.3, 0.0, drawn * 1.1), 0.8 + 0.35 * drawn)
        share = self._hours[:, hour] * self._turnout * (1.0 if local.workday else self._weekend)
        share = np.clip(share, 0.0, 0.97)
        present = self._people.astype(np.int64)
        churn = 1.0 - np.exp(-dt_s / self._stay_s)
        going = 1.0 - np.exp(-dt_s * (1.0 + 4.0 * (1.0 - share)) / self._stay_s)  # at the end of the day all go soon
        leaving = self._rng.binomial(present, going * (1.0 - share))
        coming = self._rng.binomial(np.maximum(self.seats - present, 0), churn * share)
        self._people = (present - leaving + coming).astype(float)

    def _warm(self, outside_c: float, dt_s: float, supply_c: float, flow_m3_s: FloatArray, gain_w: FloatArray) -> None:
        """Implicit Euler of the two nodes, solved in closed form."""
        vent_w_k = flow_m3_s * AIR_J_M3K
        leak_w_k = self._outside_w_k + self._leak_m3_s * AIR_J_M3K
        couple = self._air_mass_w_k
        mass_own = self._mass_j_k / dt_s
        air_own = self._air_j_k / dt_s
        pulled = mass_own / (mass_own + couple)
        right = air_own * self._air_c + vent_w_k * supply_c + leak_w_k * outside_c + 0.7 * gain_w
        from_mass = couple * (pulled * self._mass_c + 0.3 * gain_w / (mass_own + couple))
        air_c = (right + from_mass) / (air_own + vent_w_k + leak_w_k + couple * pulled)
        self._mass_c = (mass_own * self._mass_c + couple * air_c + 0.3 * gain_w) / (mass_own + couple)
        self._air_c = air_c

    def _breathe(self, sky: Sky, dt_s: float, flow_m3_s: FloatArray) -> None:
        """CO2 and water of well-mixed rooms whose supply air is outdoor air."""
        fresh = flow_m3_s + self._leak_m3_s
        mixed = 1.0 - np.exp(-fresh * dt_s / self.volume_m3)
        co2 = OUTDOOR_CO2_PPM + 1e6 * CO2_M3_S_PERSON * self._people / fresh
        self._co2_ppm = self._co2_ppm + mixed * (co2 - self._co2_ppm)
        outside_g_kg = _saturated_g_kg(np.array(sky.temperature_c)) * sky.humidity_pct / 100.0
        water = outside_g_kg + WATER_G_S_PERSON * self._people / (1.2 * fresh)
        slow = mixed * lag(dt_s, 1800.0) / (lag(dt_s, 1800.0) + mixed)  # walls and furniture hold water back
        self._water_g_kg = self._water_g_kg + slow * (water - self._water_g_kg)

    def _humidity_pct(self) -> FloatArray:
        return np.clip(100.0 * self._water_g_kg / _saturated_g_kg(self._air_c), 5.0, 99.0)


def _saturated_g_kg(temperature_c: FloatArray) -> FloatArray:
    """Water that air can hold at 1 bar, after Magnus."""
    vapour_hpa = 6.112 * np.exp(17.62 * temperature_c / (243.12 + temperature_c))
    return np.asarray(622.0 * vapour_hpa / (1000.0 - vapour_hpa))
