"""Every profile of ours is whole: units, Brick classes, ranges, alarms in three languages, formulas that run."""

import re
from pathlib import Path
from typing import Any

import brickschema
import msgspec
import numpy as np
import pytest
import rdflib
from rdflib import OWL, RDF, RDFS

from sim_devices.campus import Campus
from sim_devices.drone.telemetry import POINTS as DRONE_POINTS
from sim_devices.site import Site, load_site
from wire.errors import ConfigError
from wire.expressions import formula_of
from wire.profiles import PROFILES, Profile, load_profile, profile_names
from wire.units import UNITS

ROOT = Path(__file__).resolve().parents[2]
DOZEN = {
    "meter", "pv-inverter", "battery", "heat-pump", "ahu", "chiller", "charger", "machine-tool", "robot", "drone",
    "soil-station", "weather-station",
}  # fmt: skip
BRICK = rdflib.Namespace("https://brickschema.org/schema/Brick#")
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module", params=sorted(DOZEN))
def profile(request: pytest.FixtureRequest) -> Profile:
    return load_profile(request.param)


@pytest.fixture(scope="module")
def campus() -> Site:
    return load_site(ROOT / "configs/sites/campus")


def test_the_dozen_is_there() -> None:
    assert set(profile_names()) >= DOZEN


def test_a_profile_says_what_a_person_needs_to_know(profile: Profile) -> None:
    values = [point for point in profile.points if point.kind == "value"]
    assert len(profile.points) >= 5
    assert len(profile.alarms) >= 2
    assert HAN.search(profile.title_zh_tw)
    assert profile.title_sk != profile.title
    for point in values:
        assert point.unit in UNITS
        assert point.low is not None, f"{point.name} has no lower end of its range"
        assert point.high is not None or point.point_class in ("energy", "reactive_energy", "count", "duration", "rain")


def test_each_alarm_has_consequence_action_and_time_to_respond_in_three_languages(profile: Profile) -> None:
    for alarm in profile.alarms:
        assert len({alarm.consequence, alarm.sk.consequence, alarm.zh_tw.consequence}) == 3
        assert len({alarm.action, alarm.sk.action, alarm.zh_tw.action}) == 3
        assert HAN.search(alarm.zh_tw.consequence)
        assert HAN.search(alarm.zh_tw.action)
        urgent = {"critical": 15, "high": 240, "medium": 1_440, "low": 10_080}[alarm.priority]
        assert alarm.respond_min <= urgent, f"{alarm.name}: {alarm.priority} and {alarm.respond_min} min"
        if alarm.levels:
            assert alarm.deadband or alarm.on_delay_s, f"{alarm.name} would chatter"


def test_a_formula_gives_a_number_in_the_middle_of_every_range(profile: Profile) -> None:
    middle = {
        point.name: np.array([(point.low or 0.0) + 0.4 * ((point.high or 1000.0) - (point.low or 0.0))])
        for point in profile.points
        if point.kind == "value"
    }
    middle |= {"running": np.array([1.0])}
    for row in profile.derived:
        assert row.unit, row.metric
        value = formula_of(row)(middle)
        assert np.isfinite(value).all(), (profile.name, row.metric, value)


def test_the_dew_point_is_that_of_the_tables() -> None:
    """Against values of the psychrometric tables (WMO-No. 8): 20 °C and 50 % give 9.3 °C."""
    (row,) = load_profile("weather-station").derived
    dew = formula_of(row)({"air_temperature": np.array([20.0, 30.0, 0.0]), "humidity": np.array([50.0, 80.0, 100.0])})
    assert dew == pytest.approx([9.3, 26.2, 0.0], abs=0.1)


def test_every_class_is_a_class_of_brick_and_of_the_right_sort() -> None:
    graph = rdflib.Graph()
    graph.parse(Path(brickschema.__file__).parent / "ontologies" / "1.4" / "Brick.ttl")
    classes = set(graph.subjects(RDF.type, OWL.Class))

    def under(name: str, top: str) -> bool:
        return BRICK[top] in set(graph.transitive_objects(BRICK[name], RDFS.subClassOf))

    for name in sorted(DOZEN):
        profile = load_profile(name)
        assert BRICK[profile.brick] in classes, profile.brick
        assert under(profile.brick, "Equipment"), profile.brick
        for point in profile.points:
            assert BRICK[point.brick] in classes, (name, point.brick)
            assert (BRICK[point.brick], OWL.deprecated, None) not in graph, (name, point.brick)
            assert under(point.brick, "Point"), (name, point.brick)
        for row in profile.derived:
            assert under(row.brick, "Point"), (name, row.metric)


def test_kinds_of_the_campus_are_their_profiles(campus: Site) -> None:
    used = {kind.profile for kind in campus.kinds.values()}
    assert used >= DOZEN - {"drone"}
    for name, kind in campus.kinds.items():
        if kind.profile:
            known = {point.name: point for point in load_profile(kind.profile).points}
            for metric in kind.metrics:
                if metric.name in known:
                    assert (metric.unit, metric.low, metric.high) == (
                        known[metric.name].unit, known[metric.name].low, known[metric.name].high
                    ), name  # fmt: skip
            lacking = {one.name for one in known.values() if not one.optional} - {one.name for one in kind.metrics}
            assert lacking == set(), name


def test_a_drone_says_what_its_profile_promises() -> None:
    assert {point.name for point in load_profile("drone").points} <= set(DRONE_POINTS)


def test_a_healthy_day_of_the_campus_rings_none_of_the_profiles_alarms(campus: Site) -> None:
    """Limits that ring without a fault would teach people to look away; delays are not even needed."""
    start_us = 1_781_056_800_000_000  # 2026-06-10 02:00 UTC
    park = Campus(campus, 11, start_us)
    rules = {
        f"{device.name}/{name}": (name, alarm)
        for device in campus.devices
        if (profile := campus.kinds[device.kind].profile)
        for alarm in load_profile(profile).alarms
        if alarm.levels and alarm.on_delay_s < 300.0
        for name in alarm.points
    }
    rung: dict[str, float] = {}
    for _ in range(24 * 60):
        park.leap(60.0)
        values = park.values()
        for key, (_, alarm) in rules.items():
            value = values.get(key)
            if isinstance(value, float | int):
                low = alarm.low if alarm.low is not None else alarm.low_low
                high = alarm.high if alarm.high is not None else alarm.high_high
                if (low is not None and value < low) or (high is not None and value > high):
                    rung[key] = float(value)
    assert rung == {}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('unit = "V"', 'unit = "bar"', "points[0]"),
        ('name = "voltage_l2"', 'name = "voltage_l1"', "points[1]"),
        ("low = 207.0", "low = 207.0\nstates = ['X']", "alarm[0]"),
        ("low = 207.0", "low = -5.0", "alarm[0]"),
        ('points = ["frequency"]', 'points = ["frequenzy"]', "alarm[2].points"),
        ("respond_min = 15", "respond_min = -1", "alarm[0].respond_min"),
        ("100 * (max(", "100 * (maximum(", "derived[0].expression"),
        ('title_sk = "Trojfázový elektromer"', "", ""),
        ("high = 300", "high = -1", "points[0]"),
    ],
)
def test_a_profile_that_is_wrong_names_the_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    text = (PROFILES / "meter.toml").read_text()
    assert old in text
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "wrong.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_profile("wrong", tmp_path)
    assert field in caught.value.field
    assert caught.value.fix


def test_bytes_that_are_no_profile_are_refused_and_never_more(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    text = (PROFILES / "robot.toml").read_bytes()
    folder = tmp_path / "profiles"
    folder.mkdir()
    outcomes: dict[str, int] = {}
    for number in range(150):
        damaged = bytearray(text)
        for at in rng.integers(0, len(text), 4):
            damaged[at] = rng.integers(0, 256)
        (folder / f"p{number}.toml").write_bytes(bytes(damaged))
        try:
            load_profile(f"p{number}", tmp_path)
            outcomes["read"] = outcomes.get("read", 0) + 1
        except ConfigError:
            outcomes["refused"] = outcomes.get("refused", 0) + 1
    assert outcomes["refused"] > 50
    assert sum(outcomes.values()) == 150


def test_a_sites_own_profile_goes_before_ours(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "meter.toml").write_text((PROFILES / "meter.toml").read_text().replace("Three-phase", "Own three-phase"))
    assert load_profile("meter", tmp_path).title.startswith("Own")
    assert load_profile("meter").title.startswith("Three")
    with pytest.raises(ConfigError, match="no device profile"):
        load_profile("../meter", tmp_path)


def test_what_a_kind_is_made_of_is_what_the_profile_says() -> None:
    profile = load_profile("meter")
    plain: dict[str, Any] = profile.kind()
    more = profile.kind(also=("reactive_power",))
    assert [one["name"] for one in more["metrics"]] == [one["name"] for one in plain["metrics"]] + ["reactive_power"]
    assert plain["metrics"][0] == {
        "name": "voltage_l1", "brick": "Voltage_Sensor", "unit": "V", "kind": "value", "class": "voltage", "low": 0.0,
        "high": 300.0, "declared": "f32", "writable": False,
    }  # fmt: skip
    assert msgspec.structs.asdict(profile)["name"] == "meter"
