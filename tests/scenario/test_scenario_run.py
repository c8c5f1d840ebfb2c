"""`aid4 sim scenario run` as CI calls it: a real park on a fast clock, a pulled cable, its alarm, nothing left."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

SCENARIO = """
title = "Somebody pulls a cable, and puts it back"
past_days = 0
settle_s = 900
[[fault]]
what = "link-cut"
device = "centre-meter"
from_s = 300
to_s = 1800
expect = { alarm_within_s = 1400, cause = ["silent"], alarms_max = 1 }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("scenario")
    (folder / "cut.toml").write_text(SCENARIO)
    (folder / "tmp").mkdir()
    command = [sys.executable, "-m", "aid4", "sim", "scenario", "run", str(folder / "cut.toml"), "--json", "--lean"]
    done = subprocess.run(
        [*command, "--junit", str(folder / "junit.xml")],
        capture_output=True, text=True, timeout=900, env={**os.environ, "TMPDIR": str(folder / "tmp")},
    )  # fmt: skip
    return done, folder


@pytest.fixture(scope="module")
def found(run: tuple[subprocess.CompletedProcess[str], Path]) -> dict[str, Any]:
    assert run[0].stdout, run[0].stderr
    document: dict[str, Any] = json.loads(run[0].stdout)
    return document


def test_a_pulled_cable_is_one_alarm_that_says_so_and_returns(
    run: tuple[subprocess.CompletedProcess[str], Path], found: dict[str, Any]
) -> None:
    [fault] = found["faults"]
    assert fault["wrong"] == []
    assert (fault["alarms"], fault["cause"], fault["returned"]) == (1, "silent", True)
    assert 0 < fault["delay_s"] <= 1_400
    assert found["ok"]
    assert run[0].returncode == 0


def test_nothing_is_lost_on_a_fast_clock(found: dict[str, Any]) -> None:
    delivery = found["delivery"]
    assert delivery["accepted"] > 100
    assert (delivery["lost"], delivery["duplicated"]) == (0, 0)
    assert delivery["stored"] == delivery["accepted"]


def test_each_fault_is_a_case_of_the_junit_file(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    root = ET.parse(run[1] / "junit.xml").getroot()
    assert "link-cut centre-meter" in [case.get("name") for case in root.iter("testcase")]
    assert not list(root.iter("failure"))


def test_it_leaves_no_file_and_no_process(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert list((run[1] / "tmp").glob("aid4-scenario-*")) == []
    lines = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(one.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    assert not [line for line in lines if str(run[1]) in line]
