"""Scenario files: ours fit the campus and meet nowhere; wrong ones name file, field and fix."""

import contextlib
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from aid4.scenario import sim
from sim_devices.faults import read_scenario
from sim_devices.scenario_files import together
from sim_devices.site import Site, load_site
from wire.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
OURS = sorted((CONFIGS / "scenarios").glob("*.toml"))
OPEN = sorted((CONFIGS / "scenarios" / "open").glob("*.toml"))
KINDS_MIN = 25
ONE = 'title = "t"\n[[fault]]\nwhat = "gap"\ndevice = "room-lab"\nmetric = "co2"\nfrom_s = 60\nto_s = 120\n'


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(CONFIGS / "sites" / "campus")


def test_ours_and_the_open_ones_have_the_kinds_that_are_promised(site: Site) -> None:
    files = [*OURS, *OPEN]
    kinds = {fault.what for path in files for fault in read_scenario(path).faults}
    assert len(kinds) >= KINDS_MIN, sorted(kinds)
    for path in files:
        assert together([path], site).faults


def test_ours_are_one_run_with_an_expectation_for_each_fault(site: Site) -> None:
    plan = together(OURS, site)
    assert all(fault.expect is not None for _, fault in plan.faults)
    assert min(fault.from_s for _, fault in plan.faults) >= 3_600  # an hour in which nothing may ring
    assert plan.end_s <= 6 * 3_600


def test_check_tells_what_is_planted() -> None:
    found = CliRunner().invoke(sim, ["scenario", "check", "--json", *map(str, OURS)])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["files"] == len(OURS)
    assert len(told["faults"]) >= len(OURS)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (ONE.replace('title = "t"', 'title = "t"\nspeed = 3'), ""),
        (ONE.replace('title = "t"', 'title = "t"\nstart = "noon"'), "start"),
        (ONE.replace('title = "t"', 'title = "t"\nsite = "../campus"'), "site"),
        (ONE.replace('title = "t"', 'title = "t"\npast_days = 99'), "past_days"),
        (ONE + "expect = { alarm_within_s = 0 }\n", "fault[0].expect.alarm_within_s"),
        (ONE + "expect = { cause = [] }\n", "fault[0].expect"),
        (ONE + 'expect = { alarm_within_s = 60, cause = [""] }\n', "fault[0].expect.cause[0]"),
        (ONE + "expect = { alarm_within_s = 60, alarms_max = 0 }\n", "fault[0].expect.alarms_max"),
        (ONE + ONE.partition("\n")[2], "fault[1].device"),
    ],
)
def test_a_wrong_file_names_its_field(tmp_path: Path, site: Site, text: str, field: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        together([path], site)
    assert caught.value.file == str(path)
    assert caught.value.field == field
    assert caught.value.fix


def test_files_of_another_moment_are_not_one_run(tmp_path: Path, site: Site) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(ONE)
    other.write_text(ONE.replace('title = "t"', 'title = "t"\nstart = 2026-06-10T04:00:00Z').replace("lab", "server"))
    with pytest.raises(ConfigError) as caught:
        together([one, other], site)
    assert (caught.value.file, caught.value.field) == (str(other), "start")


def test_broken_files_are_refused_whatever_is_broken(tmp_path: Path, site: Site) -> None:
    chance, whole = random.Random(7), OURS[0].read_bytes()
    path = tmp_path / "broken.toml"
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(bytes(data[: chance.randrange(len(data))]))
        with contextlib.suppress(ConfigError):  # anything else would be a defect
            together([path], site)


@pytest.mark.parametrize("arguments", [["run"], ["run", "nothing.toml"], ["check", "nothing.toml"]])
def test_what_cannot_be_played_is_refused_before_anything_starts(arguments: list[str]) -> None:
    assert CliRunner().invoke(sim, ["scenario", *arguments]).exit_code != 0
