"""`aid4 run` on an empty store: the twin gets a past behind its first live values, once, and never in a real site."""

import json
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aid4.cli import cli

WAIT_S = 180.0
POINT = "gw-1/room-lab/temperature"


def get(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}api/v1/{path}", timeout=30) as answer:
        return json.load(answer)


class Running:
    """One `aid4 run`, stopped at the end."""

    def __init__(self, data_dir: Path) -> None:
        command = [sys.executable, "-m", "aid4", "run", "--data-dir", str(data_dir), "--port", "0", "--past", "0.5"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lines: list[str] = []

    def until(self, text: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"never said {text!r}: {self.lines}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def made(data_dir: Path) -> list[list[int]]:
    """Readings that were made, points of which, and how many hours they span, of what is measured and of what gateways
    compute; the twin is stopped."""
    what = "count(*), count(DISTINCT point), date_diff('hour', min(ts), max(ts))"
    sql = (
        f"SELECT {what} FROM readings JOIN points ON id = point WHERE quality & 96 = 96"
        " GROUP BY point_class = 'derived' ORDER BY point_class = 'derived'"
    )
    command = [sys.executable, "-m", "aid4", "twin", "query", sql, "--data-dir", str(data_dir / "twin"), "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    rows: list[list[int]] = found["rows"]
    return rows


def test_a_new_twin_gets_the_days_before_once(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    park = Running(data_dir)
    try:
        url = park.until("page").split()[-1]
        park.until("first value")
        park.until("0.5 simulated days")
        until_s, rows = time.monotonic() + WAIT_S, 0
        while rows < 700 and time.monotonic() < until_s:
            time.sleep(1.0)
            series = get(url, f"history?point={POINT}&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&agg=raw")
            rows = len(series["series"][0]["t"])
        assert rows >= 720  # twelve hours of minutes
        started = json.loads((data_dir / "devices.json").read_text())["start_us"] / 1e6
        for alarm in get(url, "alarms?limit=500")["items"]:
            assert datetime.fromisoformat(alarm["raised"]).timestamp() > started, alarm
    finally:
        park.stop()
    before = made(data_dir)
    assert before[0][0] == before[0][1] * 720
    assert before[0][2] in (11, 12)
    assert before[1][1] > 20, "computed points, most of which have a value at most times"
    assert before[1][1] * 200 < before[1][0] <= before[1][1] * 720
    park = Running(data_dir)
    try:
        park.until("first value")
    finally:
        park.stop()
    assert made(data_dir) == before
    assert not any("simulated days" in line for line in park.lines)


@pytest.mark.parametrize("days", ["0.2", "99"])
def test_a_past_that_cannot_be_made_is_refused_before_anything_starts(days: str) -> None:
    found = CliRunner().invoke(cli, ["run", "--past", days])
    assert found.exit_code != 0
