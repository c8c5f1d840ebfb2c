"""Quantities whose behaviour stands in the table: they follow their drivers, pile up, switch and change their state."""

import numpy as np
import pytest

from sim_devices.campus import Campus
from sim_devices.physics.signals import Signal, SignalPoint, Signals, Switch, Wave
from sim_devices.physics.weather import LocalTime, Place, Sky, sun_at
from sim_devices.site import Site
from wire.errors import ConfigError

NOON = LocalTime(12.0, 2, 160)
SUNDAY = LocalTime(12.0, 6, 160)
SKY = Sky(sun_at(Place(48.96, 18.17, "UTC"), 1.7812e9), 25.0, 50.0, 990.0, 3.0, 240.0, 600.0, 200.0, 0.1, 2.0)


def _signals(**table: Signal) -> Signals:
    points = [SignalPoint("d", name, signal, -1e9, 1e9) for name, signal in table.items()]
    return Signals(points, np.random.default_rng(1))


def _after(signals: Signals, seconds: int, local: LocalTime = NOON) -> dict[str, float | str]:
    for _ in range(seconds):
        signals.step(SKY, local, 1.0)
    return {key.partition("/")[2]: value for key, value in signals.shown().items()}


def test_a_value_tends_to_its_mean_and_what_drives_it() -> None:
    lag = Signal(mean=2.0, drive={"outside": 0.5, "sun": 10.0, "work": 4.0}, lag_s=10.0)
    assert _after(_signals(a=lag), 200)["a"] == pytest.approx(2.0 + 0.5 * 15.0 + 10.0 * 0.8 + 4.0)
    assert _after(_signals(a=lag), 200, SUNDAY)["a"] == pytest.approx(2.0 + 0.5 * 15.0 + 10.0 * 0.8)
    one_lag = _after(_signals(a=lag), 10)["a"]
    assert one_lag == pytest.approx(2.0 + (1.0 - np.exp(-1.0)) * 19.5)


def test_a_counter_is_the_integral_of_what_it_counts() -> None:
    found = _after(_signals(flow=Signal(mean=3.6), volume=Signal(mean=100.0, rate={"flow": 1.0})), 1000)
    assert found["volume"] == pytest.approx(100.0 + 3.6 * 1000 / 3600)


def test_a_switch_holds_what_it_watches_between_its_two_points() -> None:
    tank = _signals(
        level=Signal(mean=50.0, rate={"pump": 36.0, "work": -1800.0}),
        pump=Signal(switch=Switch(watch="level", on=30.0, off=60.0)),
    )
    levels, pumps = [], []
    for _ in range(2000):
        found = _after(tank, 1)
        levels.append(found["level"])
        pumps.append(found["pump"])
    assert 28.0 < min(levels) < 31.0
    assert 59.0 < max(levels) < 62.0
    assert set(pumps) == {0.0, 100.0}


def test_states_follow_each_other_and_drive_numbers() -> None:
    machine = _signals(
        execution=Signal(states=("IDLE", "RUN"), dwell_s=(20.0, 40.0)), power=Signal(drive={"execution": 5})
    )
    seen = [_after(machine, 1) for _ in range(600)]
    assert {one["execution"] for one in seen} == {"IDLE", "RUN"}
    assert {one["power"] for one in seen} == {0.0, 5.0}
    running = sum(one["execution"] == "RUN" for one in seen) / len(seen)
    assert 0.5 < running < 0.8


def test_a_wave_swings_between_rest_and_its_height() -> None:
    wavy = _signals(a=Signal(mean=1.0, wave=Wave(high=2.0, period_s=100.0)))
    values = [float(_after(wavy, 1)["a"]) for _ in range(200)]
    assert (min(values), max(values)) == (pytest.approx(1.0, abs=0.01), pytest.approx(3.0, abs=0.01))


def test_noise_has_the_deviation_that_the_table_gives() -> None:
    noisy = _signals(a=Signal(mean=5.0, noise=0.5, memory_s=2.0))
    values = [float(_after(noisy, 1)["a"]) for _ in range(8000)]
    assert np.std(values) == pytest.approx(0.5, rel=0.08)


def test_a_driver_that_is_nobody_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="d/a is driven by 'nothing'"):
        _signals(a=Signal(drive={"nothing": 1.0}))


def test_irrigation_raises_the_moisture_of_its_own_soil_only(site: Site, start_us: int) -> None:
    wet, dry = Campus(site, 7, start_us), Campus(site, 7, start_us)
    wet.write("valve-1", "opening", 100.0)
    for _ in range(30):
        wet.leap(60.0)
        dry.leap(60.0)
    raised = {
        key: float(wet.values()[key]) - float(dry.values()[key]) for key in ("soil-1a/moisture", "soil-2a/moisture")
    }
    assert raised["soil-1a/moisture"] > 3.0
    assert raised["soil-2a/moisture"] == pytest.approx(0.0, abs=1e-9)
    assert float(wet.values()["valve-1/volume"]) > float(dry.values()["valve-1/volume"]) + 0.8


def test_a_building_s_meter_counts_the_loads_of_its_rooms(site: Site, start_us: int) -> None:
    campus = Campus(site, 7, start_us)
    campus.step(120.0)
    values = campus.values()
    hall = {d.name for d in site.devices if site.space(d.space).building == "C"}
    powers = [float(values[f"{name}/power"]) for name in hall if f"{name}/power" in values]
    shown = float(values["hall-meter/active_power"])
    assert len(powers) >= 12
    assert sum(powers) < shown < sum(powers) + 40.0  # and what is plugged in and lit
