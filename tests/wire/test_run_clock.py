"""The clock of a simulated run: one time for all its processes, as fast as it is told, and never backwards."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from wire.clock import RUN_CLOCK, RunClock, SystemClock
from wire.errors import InputError

START_US = 1_773_810_000_000_000


def test_it_stands_until_it_is_told_to_go(tmp_path: Path) -> None:
    clock = RunClock.create(tmp_path / "clock", START_US, 60.0)
    time.sleep(0.01)
    assert (clock.wall_us(), clock.speed) == (START_US, 60.0)


def test_every_process_reads_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clock"
    mine = RunClock.create(path, START_US, 600.0)
    monkeypatch.setenv(RUN_CLOCK, str(path))
    code = "from wire.clock import SystemClock; clock = SystemClock(); print(clock.wall_us(), clock.speed)"
    mine.go(600.0)
    before_us = mine.wall_us()
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    theirs_us, speed = text.split()
    assert before_us <= int(theirs_us) <= mine.wall_us()
    assert float(speed) == 600.0
    assert SystemClock().is_of_a_run


def test_it_changes_its_speed_without_a_jump(tmp_path: Path) -> None:
    clock = RunClock.create(tmp_path / "clock", START_US, 60.0)
    seen = [clock.wall_us()]
    for speed in (1.0, 600.0, 0.0, 60.0):
        clock.go(speed)
        seen += [clock.wall_us(), clock.wall_us()]
    assert seen == sorted(seen)
    clock.go(0.0)
    assert clock.wall_us() == clock.wall_us()


def test_a_machine_without_a_run_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN_CLOCK, raising=False)
    clock = SystemClock()
    assert not clock.is_of_a_run
    assert clock.speed == 1.0
    assert abs(clock.wall_us() - time.time_ns() // 1_000) < 60_000_000


def test_a_file_that_is_no_clock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(b"")
    with pytest.raises(InputError, match="no clock"):
        RunClock(tmp_path / "clock")
