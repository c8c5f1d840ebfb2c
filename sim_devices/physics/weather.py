"""Sun, clouds and air over the site.

Sun position after the Astronomical Almanac's low-precision formulae (0.01° until 2050), clear-sky irradiance after
Haurwitz (1945), humidity after Magnus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from sim_devices.physics.wander import Wander

__all__ = ["ANNUAL_MEAN_C", "ANNUAL_SWING_C", "LocalTime", "Place", "Sky", "Sun", "Weather", "clear_sky_w_m2", "sun_at"]

J2000_DAYS = 10957.5  # days from 1970-01-01 to the almanac's epoch
BEAM_RATIO_CLEAR = 0.84
ANNUAL_MEAN_C, ANNUAL_SWING_C = 9.6, 10.8  # Dubnica nad Váhom: about −1 °C in January, 20 °C in July


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Hour of the day (0–24, with fraction), weekday (Monday 0) and day of the year, as people on site read them."""

    hour: float
    weekday: int
    day_of_year: int

    @property
    def workday(self) -> bool:
        """Monday to Friday."""
        return self.weekday < 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where the site lies and which clock its people follow."""

    latitude_deg: float
    longitude_deg: float
    time_zone: str
    annual_mean_c: float = ANNUAL_MEAN_C
    annual_swing_c: float = ANNUAL_SWING_C

    def local(self, t_s: float) -> LocalTime:
        """Local time of the UTC second `t_s`."""
        now = datetime.fromtimestamp(t_s, ZoneInfo(self.time_zone))
        hour = now.hour + now.minute / 60 + (now.second + now.microsecond * 1e-6) / 3600
        return LocalTime(hour, now.weekday(), now.timetuple().tm_yday)


@dataclass(frozen=True, slots=True)
class Sun:
    """Elevation over the horizon and azimuth from north over east, in radians."""

    elevation_rad: float
    azimuth_rad: float


def sun_at(place: Place, t_s: float) -> Sun:
    """Position of the sun at the UTC second `t_s`."""
    days = t_s / 86400.0 - J2000_DAYS
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    sidereal_h = 18.697374558 + 24.06570982441908 * days
    hour_angle = math.radians(sidereal_h * 15.0 + place.longitude_deg) - ascension
    latitude = math.radians(place.latitude_deg)
    sin_elevation = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        hour_angle
    )
    azimuth = math.atan2(
        -math.cos(declination) * math.sin(hour_angle),
        math.sin(declination) * math.cos(latitude) - math.cos(declination) * math.cos(hour_angle) * math.sin(latitude),
    )
    return Sun(math.asin(max(-1.0, min(1.0, sin_elevation))), azimuth % (2 * math.pi))


def clear_sky_w_m2(sun: Sun) -> float:
    """Global horizontal irradiance without a cloud (Haurwitz)."""
    height = math.sin(sun.elevation_rad)
    return 1098.0 * height * math.exp(-0.057 / height) if height > 0.01 else 0.0


@dataclass(frozen=True, slots=True)
class Sky:
    """The weather of one moment."""

    sun: Sun
    temperature_c: float
    humidity_pct: float
    pressure_hpa: float
    wind_m_s: float
    wind_direction_deg: float
    beam_w_m2: float  # on a horizontal plane
    diffuse_w_m2: float
    cloud_ratio: float
    rain_mm_h: float

    @property
    def irradiance_w_m2(self) -> float:
        """Global horizontal irradiance, which a pyranometer shows."""
        return self.beam_w_m2 + self.diffuse_w_m2


class Weather:
    """Fronts over hours, clouds before the sun over minutes, gusts over seconds."""

    def __init__(self, place: Place, rng: np.random.Generator) -> None:
        self.place = place

        def one(time_constant_s: float, sigma: float) -> Wander:
            return Wander(1, time_constant_s=time_constant_s, sigma=sigma, rng=rng)

        self._front = one(9 * 3600.0, 1.0)
        self._passing = one(150.0, 1.0)
        self._warmth = one(12 * 3600.0, 2.2)
        self._breeze = one(2 * 3600.0, 0.45)
        self._gust = one(12.0, 0.18)
        self._bearing = one(3600.0, 25.0)
        self._pressure = one(24 * 3600.0, 7.0)
        self._dryness = one(6 * 3600.0, 1.2)

    def step(self, t_s: float, dt_s: float) -> Sky:
        """Weather at `t_s`, which lies `dt_s` after the moment before."""
        sun, local = sun_at(self.place, t_s), self.place.local(t_s)
        cover = _squash(float(self._front.step(dt_s)[0]) * 1.3 - 0.2)
        shade = _squash((float(self._passing.step(dt_s)[0]) + 1.6 * _logit(cover) / 2.0) / 0.22)
        clear = clear_sky_w_m2(sun)
        beam = BEAM_RATIO_CLEAR * clear * (1.0 - shade) * (1.0 - 0.35 * cover)
        diffuse = clear * ((1.0 - BEAM_RATIO_CLEAR) + 0.22 * shade * (1.0 - 0.5 * cover))
        warmth = float(self._warmth.step(dt_s)[0])
        temperature = _air_temperature_c(self.place, local, cover) + warmth
        spread = max(0.4, 2.5 + 5.0 * (1.0 - cover) * _day_wave(local) + float(self._dryness.step(dt_s)[0]))
        wet = max(0.0, cover - 0.82) / 0.18
        wind = 2.6 * math.exp(float(self._breeze.step(dt_s)[0]) + float(self._gust.step(dt_s)[0]))
        return Sky(
            sun=sun,
            temperature_c=temperature,
            humidity_pct=_relative_humidity_pct(temperature, temperature - spread * (1.0 - 0.7 * wet)),
            pressure_hpa=988.0 + float(self._pressure.step(dt_s)[0]),
            wind_m_s=wind,
            wind_direction_deg=(240.0 + 40.0 * warmth / 2.2 + float(self._bearing.step(dt_s)[0])) % 360.0,
            beam_w_m2=beam,
            diffuse_w_m2=diffuse,
            cloud_ratio=cover,
            rain_mm_h=3.5 * wet * wet * (0.4 + shade),
        )


def _air_temperature_c(place: Place, local: LocalTime, cover: float) -> float:
    """Season and time of day; a clear day swings more than a cloudy one."""
    season = -place.annual_swing_c * math.cos(2 * math.pi * (local.day_of_year - 16) / 365.25)
    swing = 2.0 + 3.8 * (1.0 - cover)
    return place.annual_mean_c + season + swing * (2.0 * _day_wave(local) - 1.0) * 0.9


def _day_wave(local: LocalTime) -> float:
    """0 at the coldest hour (03:30), 1 at the warmest (15:30)."""
    return 0.5 - 0.5 * math.cos(2 * math.pi * (local.hour - 3.5) / 24.0)


def _relative_humidity_pct(temperature_c: float, dew_point_c: float) -> float:
    exponent = 17.62 * dew_point_c / (243.12 + dew_point_c) - 17.62 * temperature_c / (243.12 + temperature_c)
    return min(100.0, 100.0 * math.exp(exponent))


def _squash(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, x))))


def _logit(ratio: float) -> float:
    held = max(1e-6, min(1.0 - 1e-6, ratio))
    return math.log(held / (1.0 - held))
