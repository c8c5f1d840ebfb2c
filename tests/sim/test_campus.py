"""The campus as a whole: one seed is one park, what goes in comes out, and a day looks like a day."""

from pathlib import Path

import numpy as np
import pytest

from sim_devices.campus import Campus
from sim_devices.physics.energy import CABLE_LOSS_RATIO
from sim_devices.physics.machine import EXECUTIONS
from sim_devices.site import Site, load_site
from wire.errors import ConfigError, InputError

HOUR_US = 3_600_000_000


def test_the_same_seed_gives_the_same_values_at_any_pace(site: Site, start_us: int) -> None:
    slow, fast = Campus(site, 7, start_us), Campus(site, 7, start_us)
    for _ in range(600):
        slow.step(0.1)
    fast.step(60.0)
    assert slow.values() == fast.values()
    assert slow.now_us == fast.now_us == start_us + 60_000_000


def test_another_seed_gives_another_park(site: Site, start_us: int) -> None:
    assert Campus(site, 7, start_us).values() != Campus(site, 8, start_us).values()


def test_every_point_of_the_table_has_a_value_of_its_kind_within_its_range(site: Site, start_us: int) -> None:
    campus = Campus(site, 7, start_us)
    for _ in range(1000):
        campus.leap(30.0)
        values = campus.values()
        assert len(values) == sum(1 for _ in site.points())
        for device, metric in site.points():
            value = values[f"{device.name}/{metric.name}"]
            assert isinstance(value, str) == (metric.kind == "state")
            if not isinstance(value, str):
                assert np.isfinite(value)
                assert metric.low is None or value >= metric.low, (device.name, metric.name, value)
                assert metric.high is None or value <= metric.high, (device.name, metric.name, value)


def test_the_main_meter_shows_consumers_less_generation_plus_the_stated_loss(site: Site, start_us: int) -> None:
    campus = Campus(site, 7, start_us + 5 * HOUR_US)
    before_kwh = float(campus.values()["main-meter/energy_import"])
    energy_kwh = 0.0
    for _ in range(300):
        campus.step(1.0)
        net_kw, through_kw = campus.loads_kw.sum(), np.abs(campus.loads_kw).sum()
        shown_kw = float(campus.values()["main-meter/active_power"])
        assert shown_kw == pytest.approx(net_kw + CABLE_LOSS_RATIO * through_kw, rel=1e-9)
        energy_kwh += max(shown_kw, 0.0) / 3600.0
    after_kwh = float(campus.values()["main-meter/energy_import"])
    assert after_kwh - before_kwh == pytest.approx(energy_kwh, rel=1e-9)


def test_phase_power_adds_up_to_the_meter(site: Site, start_us: int) -> None:
    campus = Campus(site, 7, start_us)
    campus.step(30.0)
    now = {key.partition("/")[2]: value for key, value in campus.values().items() if key.startswith("lab-meter/")}
    apparent_kva = sum(float(now[f"voltage_l{n}"]) * float(now[f"current_l{n}"]) for n in (1, 2, 3)) / 1000.0
    assert apparent_kva * float(now["power_factor"]) == pytest.approx(float(now["active_power"]), rel=1e-6)


def _record(site: Site, start_us: int, hours: float, keys: list[str]) -> dict[str, np.ndarray]:
    campus, rows = Campus(site, 7, start_us), []
    for _ in range(int(hours * 120)):
        for _ in range(3):
            campus.leap(10.0)
        rows.append([campus.values()[key] for key in keys])
    return {key: np.array(column) for key, column in zip(keys, zip(*rows, strict=True), strict=True)}


def test_a_working_day_has_the_curves_that_an_operator_knows(site: Site, start_us: int) -> None:
    day = _record(
        site, start_us, 8.0,
        ["pv-inverter/ac_power", "room-open-office/occupancy", "room-open-office/co2", "mill-1/parts_made",
         "mill-1/execution", "mill-1/spindle_speed", "ahu-1/heating_valve", "charger-1/connector_state"],
    )  # fmt: skip
    hour = 120
    assert day["pv-inverter/ac_power"][-2 * hour :].mean() > 2.0 * day["pv-inverter/ac_power"][:hour].mean()
    people, co2 = day["room-open-office/occupancy"], day["room-open-office/co2"]
    assert people[3 * hour : 5 * hour].mean() > people[:hour].mean() + 5
    assert co2[4 * hour : 5 * hour].mean() > co2[:hour].mean() + 60  # people breathe, with a delay
    assert 30 < day["mill-1/parts_made"][-1] - day["mill-1/parts_made"][0] < 120
    assert set(day["mill-1/execution"]) <= set(EXECUTIONS)
    assert day["mill-1/spindle_speed"].max() > 8000 > day["mill-1/spindle_speed"].min()
    assert len(set(day["charger-1/connector_state"])) >= 3


def test_the_heat_pump_cycles_in_winter(site: Site, start_us: int) -> None:
    winter_us = start_us + 24 * HOUR_US * 220
    day = _record(site, winter_us, 6.0, ["heat-pump/running", "heat-pump/supply_water_temperature", "heat-pump/cop"])
    starts = int((np.diff(day["heat-pump/running"].astype(int)) == 1).sum())
    assert 2 <= starts <= 30
    assert 30 < day["heat-pump/supply_water_temperature"].mean() < 48
    working = day["heat-pump/cop"][day["heat-pump/cop"] > 0]
    assert 2.0 < working.mean() < 5.5


def test_a_written_setpoint_moves_the_room(site: Site, start_us: int) -> None:
    warm, plain = Campus(site, 7, start_us), Campus(site, 7, start_us)
    warm.write("room-meeting", "temperature_setpoint", 26.0)
    for _ in range(180):
        warm.leap(20.0)
        plain.leap(20.0)
    assert warm.values()["room-meeting/temperature_setpoint"] == 26.0
    raised = float(warm.values()["room-meeting/temperature"]) - float(plain.values()["room-meeting/temperature"])
    assert raised > 0.4


@pytest.mark.parametrize(
    ("device", "metric", "value"),
    [
        ("room-lab", "temperature", 20.0),
        ("room-lab", "temperature_setpoint", 99.0),
        ("room-lab", "temperature_setpoint", float("nan")),
        ("nobody", "temperature_setpoint", 20.0),
    ],
)
def test_what_may_not_be_written_is_refused(site: Site, start_us: int, device: str, metric: str, value: float) -> None:
    with pytest.raises(InputError):
        Campus(site, 7, start_us).write(device, metric, value)


def test_a_wrong_table_names_file_and_field(tmp_path: Path, site_dir: Path) -> None:
    text = (site_dir / "devices.toml").read_text()
    for name in ("site.toml", "layout.toml"):
        (tmp_path / name).write_text((site_dir / name).read_text())
    (tmp_path / "devices.toml").write_text(text.replace('space = "Workshop"', 'space = "Atlantis"', 1))
    with pytest.raises(ConfigError) as caught:
        load_site(tmp_path)
    assert "Atlantis" in caught.value.problem
    assert caught.value.field.startswith("device[")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_site(tmp_path / "nowhere")
