"""The systemd units, and what systemd is told: against a socket that stands for it."""

import asyncio
import getpass
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from configparser import RawConfigParser
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import twin.cli
from edge.agent import run_agent
from edge.cli import edge
from edge.config import load
from edge.service_cli import TEMPLATE, unit_text
from wire.errors import UserError
from wire.notify import keep_watchdog, notify, watchdog_s


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The receiving end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "50000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield heard


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edge.toml"
    path.write_text(
        'site = "s"\nnode = "n"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'
        '[[source]]\nkind = "host"\nname = "self"\nperiod_s = 0.1\n'
    )
    return path


async def next_of(heard: socket.socket) -> str:
    async with asyncio.timeout(60):
        return (await asyncio.get_running_loop().sock_recv(heard, 4_096)).decode()


async def test_an_agent_says_when_it_is_ready_that_it_lives_and_when_it_stops(
    systemd: socket.socket, file: Path
) -> None:
    stop = asyncio.Event()
    agent = asyncio.create_task(run_agent(load(file), stop))
    said = [await next_of(systemd)]
    while len(said) < 5 or not any(one.startswith("READY=1") for one in said):
        said.append(await next_of(systemd))
    stop.set()
    while said[-1] != "STOPPING=1":
        said.append(await next_of(systemd))
    await agent
    assert [one for one in said if one.startswith("READY=1")] == ["READY=1\nSTATUS=1 sources"]
    assert said.count("WATCHDOG=1") >= 3


async def test_a_twin_says_when_its_page_answers_and_when_it_stops(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    site = SimpleNamespace(site=SimpleNamespace(name="s"), trust=SimpleNamespace(door=""), bindings=[], model=[])
    site.store = SimpleNamespace(counts=dict)

    @asynccontextmanager
    async def served(config: object) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(twin=site, url="http://127.0.0.1:8480", welcome="", model=done, plan=done)

    monkeypatch.setattr("twin.server.serve", served)
    await twin.cli._serve(None, for_s=0.1, as_json=True)  # a socket holds ten datagrams
    said = []
    with suppress(BlockingIOError):
        while True:
            said.append(systemd.recv(4_096).decode())
    assert said[0] == "READY=1\nSTATUS=http://127.0.0.1:8480"
    assert said[-1] == "STOPPING=1"
    assert "WATCHDOG=1" in said[1:-1]


async def test_a_loop_that_is_stuck_falls_silent(systemd: socket.socket) -> None:
    watchdog = asyncio.create_task(keep_watchdog())
    assert await next_of(systemd) == "WATCHDOG=1"
    drain(systemd)
    time.sleep(0.3)
    assert drain(systemd) == 0
    watchdog.cancel()


def drain(heard: socket.socket) -> int:
    """How many datagrams there are; none is left."""
    count = 0
    with suppress(BlockingIOError):
        while heard.recv(100):
            count += 1
    return count


def test_another_process_than_the_one_that_is_watched_keeps_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_s() == 30.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_s() is None
    monkeypatch.delenv("WATCHDOG_PID")
    for told in ("", "0", "soon", "-5"):
        monkeypatch.setenv("WATCHDOG_USEC", told)
        assert watchdog_s() is None


def test_without_systemd_or_with_one_that_does_not_listen_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    for address in ("relative", str(tmp_path / "nobody")):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        assert not notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        name = f"aid4-test-{os.getpid()}"
        heard.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert notify("READY=1")
        assert heard.recv(100) == b"READY=1"


def parsed(text: str) -> RawConfigParser:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of systemd keep their case
    unit.read_string(text)
    return unit


def test_the_unit_names_this_machine_and_keeps_what_shuts_it_in(file: Path) -> None:
    unit = parsed(unit_text(load(file), getpass.getuser()))
    own = unit["Service"]
    assert own["User"] == getpass.getuser()
    assert own["ExecStart"].endswith(f"aid4 edge run {file}")
    assert own["ReadWritePaths"].split() == [str(file.parent), str(file.parent / "spool")]
    assert own["WorkingDirectory"] == str(file.parent)
    for name, value in parsed(TEMPLATE.read_text())["Service"].items():
        if name not in {"User", "ExecStart", "ReadWritePaths", "WorkingDirectory"}:
            assert own[name] == value
    assert (own["Type"], own["NoNewPrivileges"], own["ProtectSystem"]) == ("notify", "yes", "strict")
    assert "SupplementaryGroups" not in own


@pytest.mark.parametrize("name", ["aid4-edge.service", "aid4-twin.service"])
def test_a_gateway_that_is_off_line_is_started_again_for_ever(name: str) -> None:
    unit = parsed((TEMPLATE.parent / name).read_text())
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert "network-online" not in unit["Unit"]["After"]
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Service"]["WatchdogSec"]) >= 30


def test_it_is_only_shown_unless_it_shall_be_installed(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "units"
    target.mkdir()
    arguments = ["service", str(file), "--to", str(target)]
    shown = CliRunner().invoke(edge, arguments)
    assert shown.exit_code == 0, shown.output
    assert "nothing was changed" in shown.stderr
    assert list(target.iterdir()) == []
    done = CliRunner().invoke(edge, [*arguments, "--install", "--json"])
    document = json.loads(done.stdout)
    assert (target / "aid4-edge.service").read_text() == document["text"] == shown.stdout
    assert (document["installed"], document["steps"]) == (True, [])


def test_what_a_unit_cannot_name_is_refused(file: Path) -> None:
    with pytest.raises(UserError, match="no user"):
        unit_text(load(file), "nobody-of-that-name")
    odd = file.with_name("a;b")
    odd.mkdir()
    (odd / "edge.toml").write_text(file.read_text())
    with pytest.raises(UserError, match="systemd reads otherwise"):
        unit_text(load(odd / "edge.toml"), getpass.getuser())
