"""Sun and sky are those of the place and the season."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from sim_devices.physics.wander import Wander, generator, lag
from sim_devices.physics.weather import Place, Weather, clear_sky_w_m2, sun_at

DUBNICA = Place(48.963, 18.168, "Europe/Bratislava")


def _t(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("when", "elevation_deg"),
    [((2026, 6, 21, 10, 49), 64.5), ((2026, 12, 21, 10, 45), 17.6), ((2026, 3, 20, 10, 55), 41.0)],
)
def test_the_sun_stands_at_noon_where_latitude_and_declination_put_it(
    when: tuple[int, ...], elevation_deg: float
) -> None:
    sun = sun_at(DUBNICA, _t(*when))
    assert math.degrees(sun.elevation_rad) == pytest.approx(elevation_deg, abs=0.3)
    assert math.degrees(sun.azimuth_rad) == pytest.approx(180.0, abs=2.5)


def test_the_sun_rises_in_the_east_and_sets_in_the_west() -> None:
    assert 45 < math.degrees(sun_at(DUBNICA, _t(2026, 6, 21, 3, 30)).azimuth_rad) < 90
    assert 270 < math.degrees(sun_at(DUBNICA, _t(2026, 6, 21, 18, 0)).azimuth_rad) < 320


def test_there_is_no_irradiance_at_night_and_about_900_watts_on_a_clear_summer_noon() -> None:
    assert clear_sky_w_m2(sun_at(DUBNICA, _t(2026, 6, 21, 22, 0))) == 0.0
    assert 850 < clear_sky_w_m2(sun_at(DUBNICA, _t(2026, 6, 21, 10, 49))) < 1000


def _day(month: int, seed: int) -> np.ndarray:
    weather = Weather(DUBNICA, generator(seed, "weather"))
    start = _t(2026, month, 10, 0, 0)
    skies = [weather.step(start + 60.0 * minute, 60.0) for minute in range(1440)]
    return np.array([(sky.temperature_c, sky.irradiance_w_m2, sky.humidity_pct, sky.wind_m_s) for sky in skies])


def test_a_day_has_a_curve_a_season_and_plausible_air() -> None:
    summer = np.mean([_day(7, seed) for seed in range(6)], axis=0)
    winter = np.mean([_day(1, seed) for seed in range(6)], axis=0)
    assert summer[:, 0].mean() - winter[:, 0].mean() > 15.0
    assert summer[780:900, 0].mean() - summer[120:240, 0].mean() > 4.0  # afternoon against before dawn
    assert summer[:, 1].sum() > 3.0 * winter[:, 1].sum()
    assert (summer[:, 1] >= 0).all()
    assert (summer[:, 2] <= 100).all()
    assert (summer[:, 2] > 10).all()
    assert 1.0 < summer[:, 3].mean() < 6.0


def test_clouds_pass_in_minutes_and_are_not_white_noise() -> None:
    irradiance = _day(7, 3)[480:960, 1]
    change = np.diff(irradiance)
    assert change.std() > 5.0  # clouds do pass
    assert np.corrcoef(irradiance[:-1], irradiance[1:])[0, 1] > 0.6


def test_a_wander_keeps_its_spread_whatever_the_step() -> None:
    for dt_s in (1.0, 60.0):
        walk = Wander(2000, time_constant_s=30.0, sigma=2.0, rng=generator(1, "x"))
        for _ in range(20):
            walk.step(dt_s)
        assert walk.now.std() == pytest.approx(2.0, rel=0.08)


def test_a_lag_covers_63_percent_in_its_time_constant() -> None:
    assert lag(10.0, 10.0) == pytest.approx(1 - math.exp(-1))
