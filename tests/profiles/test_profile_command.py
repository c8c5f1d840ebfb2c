"""`aid4 edge profile`: what a person asks of profiles."""

import json
from pathlib import Path

from click.testing import CliRunner

from edge.profile_cli import profile
from wire.profiles import PROFILES, load_profile


def test_the_list_names_every_profile_with_its_figures() -> None:
    rows = json.loads(CliRunner().invoke(profile, ["list", "--json"]).stdout)["profiles"]
    assert {row["name"] for row in rows} == {path.stem for path in PROFILES.glob("*.toml")}
    meter = next(row for row in rows if row["name"] == "meter")
    assert (meter["points"], meter["alarms"]) == (len(load_profile("meter").points), len(load_profile("meter").alarms))
    assert "meter" in CliRunner().invoke(profile, ["list"]).output


def test_one_profile_is_shown_whole() -> None:
    told = CliRunner().invoke(profile, ["show", "heat-pump"]).output
    one = load_profile("heat-pump")
    assert all(point.name in told for point in one.points)
    assert all(alarm.consequence in told and alarm.action in told for alarm in one.alarms)
    document = json.loads(CliRunner().invoke(profile, ["show", "heat-pump", "--json"]).stdout)
    assert [row["name"] for row in document["alarm"]] == [alarm.name for alarm in one.alarms]


def test_a_check_tells_the_field_and_the_fix_and_fails(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    text = (PROFILES / "battery.toml").read_text()
    good.write_text(text)
    bad.write_text(text.replace('unit = "kW"', 'unit = "bar"', 1))
    assert CliRunner().invoke(profile, ["check", str(good)]).exit_code == 0
    done = CliRunner().invoke(profile, ["check", str(good), str(bad), "--json"])
    assert done.exit_code == 2
    first, second = json.loads(done.stdout)["profiles"]
    assert first["ok"]
    assert (second["ok"], second["field"]) == (False, "points[0]")
    assert "kW" in second["fix"]
