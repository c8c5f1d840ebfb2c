"""`aid4 run` as a person uses it: a real command, real children, a real page."""

import contextlib
import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

CHILDREN = {"nats-server", "twin", "edge", "sim_devices"}


class Command:
    """One `aid4 run`, its lines as they come, and the processes below it."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "aid4", "run", "--data-dir", str(data_dir), "--port", "0", *arguments]
        self.data_dir = data_dir
        self.errors = (data_dir.parent / f"{data_dir.name}.stderr").open("w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.lines: list[str] = []

    def until(self, text: str) -> str:
        """Read on to the first line with `text`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        self.errors.seek(0)
        raise AssertionError(f"never said {text!r}: {self.lines}\n{self.errors.read()}\n{self.logs()}")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in self.data_dir.glob("log/*.log"))

    def result(self) -> dict[str, Any]:
        """The JSON document of a run with --json."""
        out, _ = self.process.communicate(timeout=200)
        self.errors.seek(0)
        assert out, f"{self.errors.read()}\n{self.logs()}"
        found: dict[str, Any] = json.loads(out)
        return found


@pytest.fixture
def park(tmp_path: Path) -> Iterator[Any]:
    started: list[Command] = []

    def start(*arguments: str, name: str = "data") -> Command:
        started.append(Command(tmp_path / name, *arguments))
        return started[-1]

    yield start
    for command in started:
        below = command.family() if command.process.poll() is None else []
        command.process.kill()
        command.process.wait()
        for one in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        if command.process.stdout is not None:
            command.process.stdout.close()
        command.errors.close()


def observations_of_shdr(path: Path) -> int:
    """One per key/value pair, one per condition line; assets and their bodies left out."""
    levels = {"NORMAL", "WARNING", "FAULT"}
    count, conditions = 0, set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not re.match(r"\d{4}-\d\d-\d\dT[^|]*\|", line):
            continue
        _, name, *rest = line.split("|")
        if name.startswith("@"):
            continue
        if len(rest) == 5 and (rest[0] in levels or name in conditions):
            conditions.add(name)
            count += 1
            continue
        assert len(rest) % 2 == 1, line
        count += (len(rest) + 1) // 2
    return count


def observations_of_csv(path: Path) -> int:
    """Each cell but the time and the last, the label."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return sum(len(row) - 2 for row in rows)


def queried(data_dir: Path, sql: str) -> list[list[Any]]:
    """Ask the stopped twin as a person would."""
    command = [sys.executable, "-m", "aid4", "twin", "query", sql, "--data-dir", str(data_dir / "twin"), "--json"]
    rows: list[list[Any]] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)[
        "rows"
    ]
    return rows


@pytest.mark.parametrize(("name", "year"), [("SZCAV.csv", 2017), ("MZVAV-2-1.csv", 2007)])
def test_the_main_job_stores_every_observation_of_the_recordings(
    park: Any, shared_data: Path, name: str, year: int
) -> None:
    shdr = shared_data / "field/mtconnect/okuma.shdr.txt"
    air_handler = shared_data / "ad/hvac_lbnl" / name
    model = shared_data / "bim/ifc/Office_A_20110811.ifc"
    command = park(
        "--no-sim", "--ifc", str(model), "--replay", str(shdr), "--replay", str(air_handler),
        "--speed", "max", "--for", "20", "--json",
    )  # fmt: skip
    found = command.result()
    expected = observations_of_shdr(shdr) + observations_of_csv(air_handler)
    assert (found["accepted"], found["stored"]) == (expected, expected)
    assert (found["lost"], found["duplicated"]) == (0, 0)
    assert found["points"] == found["bound_points"] > 100
    assert found["elements"] > 1_000
    assert found["first_value_s"] < 10
    assert found["warnings"] == []
    assert command.process.returncode == 0
    both = "SELECT ts, quality FROM readings UNION ALL SELECT ts, quality FROM states"
    live, suspect = "count(*) FILTER (quality & 64 = 0)", "count(*) FILTER (quality & 4 != 0)"
    sql = f"SELECT count(*), year(min(ts)), {live}, {suspect} FROM ({both})"
    assert queried(command.data_dir, sql) == [[expected, year, 0, 0]]  # all of it history, no time an error


def test_a_live_park_shows_its_first_value_and_stops_on_ctrl_c(park: Any) -> None:
    command = park("--site", "campus")
    url = command.until("page").split()[-1]
    shown = re.search(r"first value after ([0-9.]+) s", command.until("first value"))
    assert shown is not None
    assert float(shown[1]) < 10
    with urllib.request.urlopen(f"{url}api/v1/state?limit=50000") as answer:
        items = json.load(answer)["items"]
    assert sum(item["value"] is not None for item in items) > 50
    family = command.family()
    assert len(family) >= len(CHILDREN)
    started_s = time.monotonic()
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(10) == 0
    assert time.monotonic() - started_s < 3
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("name", ["fab", "farm"])
def test_a_site_is_only_a_folder(park: Any, name: str) -> None:
    found = park("--site", name, "--for", "12", "--json").result()
    assert found["accepted"] == found["stored"] > 100
    assert (found["lost"], found["duplicated"], found["warnings"]) == (0, 0, [])
    assert found["points"] == found["bound_points"] > 100
    assert found["elements"] > 1000


def test_a_park_killed_outright_leaves_no_process_behind_and_nothing_lost(park: Any) -> None:
    command = park("--site", "campus")
    command.until("first value")
    family = command.family()
    names = {one.pid: one.cmdline() for one in family}
    command.process.kill()
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert [names[one.pid] for one in alive] == [], command.logs()
    assert len(gone) >= len(CHILDREN)
    found = park("--site", "campus", "--for", "10", "--json").result()
    assert found["accepted"] == found["stored"] > 100
    assert (found["lost"], found["duplicated"]) == (0, 0)


def test_killed_children_come_back_and_nothing_is_lost(park: Any) -> None:
    command = park("--site", "campus", "--for", "25", "--json", "--speed", "10")
    deadline_s = time.monotonic() + 20
    killed: set[str] = set()
    while killed < {"nats-server", "twin", "edge"} and time.monotonic() < deadline_s:
        time.sleep(2)
        for one in command.family():
            words = one.cmdline()
            name = next(
                (word for word in ("nats-server", "twin", "edge") if any(w.endswith(word) for w in words[:4])), ""
            )
            if name and name not in killed and (command.data_dir / "twin" / "twin.duckdb").exists():
                os.kill(one.pid, signal.SIGKILL)
                killed.add(name)
                break
    found = command.result()
    assert killed == {"nats-server", "twin", "edge"}
    assert found["accepted"] > 1_000
    assert found["stored"] == found["accepted"]
    assert (found["lost"], found["duplicated"]) == (0, 0)
    assert sum("SIGKILL" in text for text in found["warnings"]) >= 2
    assert list(found["agents"]) == ["gw-1", "gw-2", "gw-3"]
    assert sum(one["accepted"] for one in found["agents"].values()) == found["accepted"]
    assert all(one["accepted"] > 100 for one in found["agents"].values())
    ended = [text.split()[0] for text in found["warnings"] if text.startswith("agent-")]
    assert len(ended) == 1, "the end of one gateway's agent is none of the others' business"


def test_what_is_still_in_the_spool_when_the_time_is_up_arrives_all_the_same(park: Any, tmp_path: Path) -> None:
    recording = tmp_path / "r.csv"
    recording.write_text("time,a\n" + "".join(f"2020-01-01T00:00:{n:02}Z,{n}\n" for n in range(60)))
    command = park("--site", "campus", "--no-sim", "--replay", str(recording), "--speed", "10", "--for", "9", "--json")
    deadline_s = time.monotonic() + 20
    while not (found := [one for one in command.family() if "nats-server" in one.name()]):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    broker = found[0]
    while not list(command.data_dir.glob("edge/spool/*/*.seg")):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    broker.suspend()
    time.sleep(9)
    broker.resume()
    found = command.result()
    assert (found["accepted"], found["stored"], found["lost"], found["duplicated"]) == (60, 60, 0, 0)


def test_a_second_run_on_the_same_data_is_refused_and_a_later_one_goes_on(park: Any, tmp_path: Path) -> None:
    recording = tmp_path / "r.csv"
    recording.write_text("time,a,b\n" + "".join(f"2020-01-01T00:00:{n:02}Z,{n},{2 * n}\n" for n in range(60)))
    first = park("--site", "campus", "--no-sim", "--replay", str(recording), "--speed", "max")
    first.until("first value")
    second = park("--site", "campus")
    assert second.process.wait(20) == 2
    second.errors.seek(0)
    assert "another park" in (said := second.errors.read())
    assert "--data-dir" in said
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(10) == 0
    again = park("--site", "campus", "--no-sim", "--replay", str(recording), "--speed", "max", "--for", "6", "--json")
    found = again.result()
    assert (found["accepted"], found["stored"], found["lost"], found["duplicated"]) == (120, 120, 0, 0)


def test_a_directory_of_another_site_is_refused(park: Any) -> None:
    first = park("--site", "office_a", "--no-sim")
    first.until("page")
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(10) == 0
    second = park("--site", "campus")
    assert second.process.wait(20) == 2
    second.errors.seek(0)
    assert "office_a" in second.errors.read()


def test_a_broken_model_and_a_bad_line_are_warned_of_and_the_rest_arrives(park: Any, tmp_path: Path) -> None:
    model, recording = tmp_path / "cut.ifc", tmp_path / "r.csv"
    model.write_text("ISO-10303-21;\nHEADER;\nFILE_DESC")
    recording.write_text("time,a\n2020-01-01T00:00:00Z,1\nnot a time,2\n2020-01-01T00:00:02Z,3\n")
    command = park(
        "--site", "campus", "--no-sim", "--ifc", str(model), "--replay", str(recording), "--for", "12", "--json"
    )
    found = command.result()
    assert (found["accepted"], found["stored"], found["elements"]) == (2, 2, 0)
    assert any("model" in text for text in found["warnings"])
    assert any("discarded" in text and "r.csv" in text for text in found["warnings"])


def test_a_taken_port_is_named_with_the_way_out(park: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = park("--site", "campus", "--port", str(port))
        assert command.process.wait(20) == 2
    command.errors.seek(0)
    said = command.errors.read()
    assert str(port) in said
    assert "--port" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--json",), "--for"),
        (("--site", "nowhere"), "campus"),
        (("--ifc", "gone.ifc"), "gone.ifc"),
        (("--ifc", __file__), "is no IFC file"),
        (("--replay", "gone.csv"), "gone.csv"),
        (("--speed", "fast"), "max"),
    ],
)
def test_a_wrong_argument_is_named_with_the_way_out(park: Any, arguments: tuple[str, ...], word: str) -> None:
    command = park(*arguments)
    assert command.process.wait(20) == 2
    command.errors.seek(0)
    assert word in command.errors.read()
