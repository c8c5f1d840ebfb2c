"""Derived points of profiles reach the agents of a site, and a person's gateway by a command."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from edge.processing.config import ProcessingConfig
from edge.profile_cli import profile as command
from sim_devices.park import Broker, Park
from sim_devices.site import load_site
from wire.expressions import formula_of
from wire.profile_tables import derived_tables
from wire.profiles import load_profile

CAMPUS = Path(__file__).resolve().parents[2] / "configs/sites/campus"


async def test_every_device_with_a_profile_has_its_derived_points_on_the_gateway_that_reads_it() -> None:
    """Each once, on one gateway, from points which that gateway reads."""
    async with Park(
        CAMPUS, 7, speed=1e-6, broker=Broker(port=9), only=["ahu-1", "weather", "mill-2", "drone-1"]
    ) as park:
        parts = {one.name: park.edge_config(one.name)["derived"] for one in park.site.gateways}
    found = {node: {f"{row['device']}/{row['metric']}" for row in rows} for node, rows in parts.items()}
    assert found == {
        "gw-1": {"ahu-1/filter_resistance", "ahu-1/specific_fan_power"},
        "gw-2": {"mill-2/cutting_power"},
        "gw-3": {"weather/dew_point", "drone-1/battery_power", "drone-1/vibration"},
    }
    for rows in parts.values():
        assert not list(msgspec.convert({"derived": rows}, ProcessingConfig).problems())
        assert all(row["brick"] and row["space"] and row["unit"] for row in rows)


def test_the_campus_has_all_that_its_profiles_promise() -> None:
    site = load_site(CAMPUS)
    for device in site.devices:
        have = {metric.name for metric in site.metrics(device)}
        rows = {row["metric"] for row in site.derived(device, have)}
        name = site.kinds[device.kind].profile
        assert rows == ({row.metric for row in load_profile(name).derived} if name else set()), device.name


def test_what_a_device_lacks_leaves_out_what_is_derived_from_it() -> None:
    pump = load_profile("heat-pump")
    have = {point.name for point in pump.points}
    assert {row["metric"] for row in derived_tables(pump, "hp", have)} == {"water_spread", "heat_by_water"}
    assert derived_tables(pump, "hp", have - {"water_flow"}) == []
    measured = derived_tables(pump, "hp", have | {"water_spread"})
    assert [row["metric"] for row in measured] == ["heat_by_water"], "a device that measures it is believed"


@pytest.mark.parametrize("name", ["meter", "ahu", "heat-pump", "weather-station", "drone"])
def test_the_command_prints_what_an_agent_takes(name: str) -> None:
    """Tables that a gateway's configuration takes as they are; each rule rings beyond its limit and ends within."""
    printed = CliRunner().invoke(command, ["tables", name, "one", "two", "--rules"])
    assert printed.exit_code == 0, printed.output
    config = msgspec.convert(tomllib.loads(printed.output), ProcessingConfig)
    assert not list(config.problems())
    profile = load_profile(name)
    assert [row.metric for row in config.derived if row.device == "two"] == [row.metric for row in profile.derived]
    for rule in config.rule:
        when, until = rule.conditions()
        assert until is not None
        (key,) = when.names
        values = [float(word) for word in rule.when.replace("or", "").split() if word.lstrip("-")[:1].isdigit()]
        outside = {key: max(values) + 1e6 if ">" in rule.when else min(values) - 1e6}
        assert (float(when(outside)), float(until(outside))) == (1.0, 0.0)


def test_a_wrong_name_is_refused_with_a_fix() -> None:
    for arguments in (["tables", "meater", "one"], ["tables", "meter", "a/b"]):
        refused = CliRunner().invoke(command, arguments)
        assert getattr(refused.exception, "fix", ""), arguments
    told = json.loads(CliRunner().invoke(command, ["tables", "meter", "one", "--json"]).stdout)
    assert [row["metric"] for row in told["derived"]] == ["voltage_unbalance", "current_unbalance"]
    assert formula_of(load_profile("meter").derived[0])({f"voltage_l{n}": 230.0 + n for n in (1, 2, 3)}) > 0
