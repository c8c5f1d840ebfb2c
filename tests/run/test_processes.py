"""Child processes: started again when they die, ended when asked, never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aid4.processes import Child, ChildError

SLEEP = "import time, sys; print('here', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def child(tmp_path: Path, code: str, ends: list[str]) -> Child:
    return Child("it", [sys.executable, "-c", code], tmp_path / "it.log", on_end=ends.append)


async def up(one: Child, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while not (one.log.exists() and one.log.read_text().count("here") >= count and one.pid):
            await asyncio.sleep(0.01)


async def test_a_killed_child_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    ends: list[str] = []
    one = child(tmp_path, SLEEP, ends)
    keeper = asyncio.create_task(one.keep())
    await up(one)
    first = one.pid
    os.kill(first, signal.SIGKILL)
    await up(one, 2)
    assert one.pid != first
    assert one.restarts == 1
    assert "SIGKILL" in ends[0]
    await one.stop()
    await keeper
    assert not psutil.pid_exists(first)


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    one = child(tmp_path, STUBBORN, [])
    keeper = asyncio.create_task(one.keep())
    await up(one)
    pid = one.pid
    await one.stop(0.2)
    await keeper
    assert not psutil.pid_exists(pid)


async def test_a_child_that_a_person_must_help_is_not_started_again(tmp_path: Path) -> None:
    one = child(tmp_path, "import sys; print('edge.toml: node: is missing'); sys.exit(2)", [])
    with pytest.raises(ChildError, match="node: is missing"):
        await one.keep()
    assert one.restarts == 0


async def test_children_are_in_sessions_of_their_own(tmp_path: Path) -> None:
    one = child(tmp_path, SLEEP, [])
    keeper = asyncio.create_task(one.keep())
    await up(one)
    assert os.getsid(one.pid) == one.pid != os.getsid(0)  # a Ctrl-C at the terminal does not reach it
    await one.stop()
    await keeper


async def test_cancelling_the_keeper_leaves_nothing_behind(tmp_path: Path) -> None:
    one = child(tmp_path, SLEEP, [])
    keeper = asyncio.create_task(one.keep())
    await up(one)
    pid = one.pid
    keeper.cancel()
    await asyncio.wait([keeper])
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_parent_killed_outright_takes_its_children_with_it(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie":
        assert time.monotonic() < deadline
        time.sleep(0.02)


_PARENT = f"""
import asyncio, sys
from pathlib import Path
from aid4.processes import Child
async def main():
    one = Child("it", [sys.executable, "-c", {SLEEP!r}], Path(sys.argv[1]) / "log", on_end=print)
    task = asyncio.create_task(one.keep())
    while not one.pid:
        await asyncio.sleep(0.01)
    print(one.pid, flush=True)
    await task
asyncio.run(main())
"""


async def test_a_folder_of_the_same_name_where_a_person_stands_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "__init__.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    one = Child("it", [sys.executable, "-m", "aid4", "twin", "--help"], tmp_path / "it.log")
    assert await one.run() == 0, one.last_lines()
