"""Alarms of a profile reach the points of its devices, with their meaning, behind the site's own rules."""

from pathlib import Path

import pytest

from tests.twin_alarms.conftest import view
from twin.alarms.equipment import class_name, equipment_of, with_equipment
from twin.alarms.rules import Rules, alarms_of, meanings, rules_from_toml
from wire.errors import ConfigError
from wire.profiles import load_profile

CAMPUS = Path(__file__).resolve().parents[2] / "configs/sites/campus"


def test_the_campus_tells_which_device_is_of_which_profile() -> None:
    devices = {one.profile: one.devices for one in equipment_of(CAMPUS)}
    assert "main-meter" in devices["meter"]
    assert "charger-12" in devices["charger"], "a row of devices counts one by one"
    assert devices["drone"] == ["drone-1"]
    assert {"chiller-1"} == set(devices["chiller"])


def test_a_point_rings_at_its_profiles_limit_with_what_that_means() -> None:
    rules = with_equipment(Rules(), CAMPUS)
    spindle = view(1, device="mill-1", metric="vibration", unit="mm/s", low=0.0, high=50.0)
    alarms = {one.kind: one for one in alarms_of([spindle], rules)}
    wanted = next(one for one in load_profile("machine-tool").alarms if one.name == "vibration")
    assert (alarms["high"].limit, alarms["high_high"].limit) == (wanted.high, wanted.high_high)
    assert alarms["high"].definition.consequence == wanted.consequence
    assert alarms["high"].definition.respond_min == wanted.respond_min
    assert alarms["low"].limit == 0.0, "what the profile is silent about rings at the limits of the catalogue"
    assert meanings(rules, "zh-TW")[wanted.consequence] == wanted.zh_tw.consequence
    assert meanings(rules, "sk")[wanted.action] == wanted.sk.action


def test_another_device_with_a_point_of_that_name_is_left_alone() -> None:
    rules = with_equipment(Rules(), CAMPUS)
    other = view(1, device="fan-9", metric="vibration", unit="mm/s", high=50.0)
    assert {one.kind: one.limit for one in alarms_of([other], rules)}["high"] == 50.0


def test_the_sites_own_rules_and_classes_go_before() -> None:
    name = class_name("machine-tool", "vibration")
    text = (
        f'[[class]]\nname = "{name}"\npriority = "critical"\nconsequence = "Ours."\naction = "Stop."\n'
        '[[alarm]]\npoints = "*/mill-1/vibration"\nhigh = 3.0\n'
    )
    rules = with_equipment(rules_from_toml(text, file="alarms.toml"), CAMPUS)
    one, two = (
        view(number, device=f"mill-{number}", metric="vibration", key=f"gw/mill-{number}/vibration", high=50.0)
        for number in (1, 2)
    )
    alarms = {(one.point, one.kind): one for one in alarms_of([one, two], rules)}
    assert alarms[1, "high"].limit == 3.0
    assert alarms[2, "high"].limit == 7.1
    assert alarms[2, "high"].definition.priority == "critical"
    assert alarms[2, "high"].definition.consequence == "Ours."


def test_a_site_without_a_table_of_devices_says_what_its_devices_are(tmp_path: Path) -> None:
    text = '[[equipment]]\nprofile = "heat-pump"\ndevices = ["hp-*"]\n'
    rules = with_equipment(rules_from_toml(text, file="alarms.toml"), tmp_path)
    pump = view(1, device="hp-7", metric="supply_water_temperature", high=80.0)
    assert {one.kind: one.limit for one in alarms_of([pump], rules)}["high"] == 65.0
    wrong = rules_from_toml(text.replace("heat-pump", "hot-pump"), file="alarms.toml")
    with pytest.raises(ConfigError, match="hot-pump"):
        with_equipment(wrong, tmp_path)
