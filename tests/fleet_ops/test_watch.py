"""`aid4 edge status --watch`: what a person at the gateway sees, and that the terminal comes back."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click import unstyle
from click.testing import CliRunner

from edge.cli import edge
from edge.health import write_status
from edge.watch import Rates, frame
from wire.messages import Health, SourceFigures, SpoolFigures, UplinkFigures

NOW_US = 1_800_000_000_000_000


def health(ts_us: int = NOW_US - 2_000_000, received: int = 100, **sources: SourceFigures) -> Health:
    meter = SourceFigures(kind="modbus", state="running", received=received, last_us=NOW_US - 1_000_000)
    told = {"meter": meter, **sources}
    spool, uplink = SpoolFigures(pending_records=3, free_bytes=5_000_000_000), UplinkFigures(connected=True)
    return Health(ts_us=ts_us, sources=told, spool=spool, uplink=uplink, host={"points": 7})


def shown(one: Health | None, width: int = 100, height: int = 30, **rates: float) -> list[str]:
    return [unstyle(line) for line in frame("s/n", one, NOW_US, rates, width=width, height=height)]


def test_what_is_in_trouble_stands_first_and_says_why() -> None:
    broken = SourceFigures(kind="opcua", state="failed", why="connect: refused", errors={"connect": 4})
    lines = shown(health(zebra=broken), meter=12.5)
    at = {
        word: next(number for number, line in enumerate(lines) if line.startswith(word)) for word in ("zebra", "meter")
    }
    assert at["zebra"] < at["meter"]
    assert lines[at["zebra"] + 1].strip() == "connect: refused"
    assert lines[at["meter"]].split() == ["meter", "modbus", "running", "12.5", "100", "0", "1", "s", "ago"]
    assert "as of 2 s ago" in lines[0]
    assert lines[1].startswith("broker   connected")


def test_an_agent_that_renews_nothing_is_told_as_stopped() -> None:
    assert "STOPPED" in shown(health(ts_us=NOW_US - 300_000_000))[0]
    assert "5 min ago" in shown(health(ts_us=NOW_US - 300_000_000))[0]
    assert "no agent has left a status" in shown(None)[1]


def test_a_picture_never_leaves_the_window_and_never_carries_what_a_device_escapes() -> None:
    evil = SourceFigures(kind="mqtt", state="waiting", why="\x1b]0;owned\x07\x1b[2J" + "x" * 500)
    many = {f"s{number}": evil for number in range(100)}
    for width, height in ((80, 24), (20, 5), (1, 1)):
        styled = frame("s/n", health(**many), NOW_US, {}, width=width, height=height)
        lines = [unstyle(line) for line in styled]
        assert len(lines) <= height
        assert all(len(line) <= width for line in lines)
        assert not any("\x1b" in line or "\x07" in line for line in lines)
    assert "more lines" in shown(health(**many), height=24)[-2]


def test_rates_are_those_between_two_statuses() -> None:
    rates = Rates()
    assert rates.take(health(ts_us=NOW_US, received=100)) == {}
    assert rates.take(health(ts_us=NOW_US + 10_000_000, received=350)) == {"meter": 25.0}
    assert rates.take(health(ts_us=NOW_US + 10_000_000, received=350)) == {"meter": 25.0}
    assert rates.take(health(ts_us=NOW_US + 20_000_000, received=0)) == {"meter": 0.0}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edge.toml"
    path.write_text('site = "hall"\nnode = "gw-1"\n')
    (tmp_path / "spool").mkdir()
    write_status(tmp_path / "spool" / "status.json", health(ts_us=time.time_ns() // 1_000))
    return path


@pytest.mark.parametrize("way_out", [b"q", b"\x03"])
def test_it_is_renewed_until_q_or_ctrl_c_and_gives_the_terminal_back(file: Path, way_out: bytes) -> None:
    parent, child = pty.openpty()
    before = termios.tcgetattr(child)
    code = "import sys; from edge.cli import edge; edge(sys.argv[1:])"
    command = [sys.executable, "-c", code, "status", str(file), "--watch"]
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, start_new_session=True, preexec_fn=_own
    )
    try:
        said = _until(parent, b"q quits")
        assert b"hall/gw-1" in said
        assert b"\x1b[?1049h" in said
        _until(parent, b"q quits")  # a second picture
        os.write(parent, way_out)
        assert b"\x1b[?1049l" in _until(parent, b"\x1b[?1049l")
        assert process.wait(60) == 0
        assert termios.tcgetattr(child) == before
    finally:
        process.kill()
        process.wait()
        os.close(parent)
        os.close(child)


def _own() -> None:
    """The pseudo terminal as the one whose Ctrl-C counts."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _until(parent: int, words: bytes) -> bytes:
    said, until_s = b"", time.monotonic() + 60
    while words not in said and time.monotonic() < until_s:
        if select.select([parent], [], [], 1)[0]:
            said += os.read(parent, 65_536)
    assert words in said, said
    return said


def test_without_a_terminal_it_says_what_to_use_instead(file: Path) -> None:
    result = CliRunner().invoke(edge, ["status", str(file), "--watch"])
    assert "needs a terminal" in str(result.exception)
    assert CliRunner().invoke(edge, ["status", str(file), "--watch", "--json"]).exit_code == 2
