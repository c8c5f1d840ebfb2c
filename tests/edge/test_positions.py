"""A replay goes on where the spool had accepted it: no observation is lost or doubled, whatever stops the agent."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge.agent import Agent, serve
from edge.config import load
from edge.epochs import epoch_folders, recover
from edge.health import read_status
from edge.segments import Disk
from wire.clock import SystemClock
from wire.records import unpack
from wire.schemas import READINGS

REPLAY = '[[source]]\nkind = "replay"\nname = "{name}"\nfile = "{file}"\ndevice = "dev"\nspeed = "max"\n'
SMALL = "[flush.bulk]\nrows = 50\nage_s = 0.01"
ROOT = Path(__file__).parents[2]


def write_csv(path: Path, rows: int, columns: int = 1, first: int = 0) -> int:
    """A recording whose values are all different; returns how many they are."""
    values = first + np.arange(rows * columns).reshape(rows, columns)
    names = ",".join(f"c{at}" for at in range(columns))
    lines = (f"{1_700_000_000 + at}," + ",".join(map(str, row)) for at, row in enumerate(values.tolist()))
    path.write_text(f"time,{names}\n" + "\n".join(lines) + "\n")
    return rows * columns


def stored(spool: Path) -> Counter[float]:
    """How often each value stands in the epochs of a spool."""
    values: list[np.ndarray[Any, Any]] = [np.zeros(0)]
    for folder in epoch_folders(spool):
        found = recover(folder, Disk())
        for _, data in found.epoch.read(1, found.epoch.head):
            header, batch = unpack(data)
            if header.schema_id == READINGS:
                values.append(batch["value"].to_numpy())
        found.epoch.close()
    return Counter(np.concatenate(values).tolist())


@asynccontextmanager
async def running(file: Path, disk: Disk | None = None) -> AsyncIterator[Agent]:
    """An agent in this process, stopped at the end."""
    agent, stop = Agent(load(file), SystemClock(), disk), asyncio.Event()
    task = asyncio.create_task(serve(agent, stop))
    try:
        yield agent
    finally:
        stop.set()
        await task


def start(file: Path) -> "subprocess.Popen[bytes]":
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "aid4", "edge", "run", str(file)], cwd=ROOT, env=env)


def size(spool: Path) -> int:
    """Bytes of all segments now; a folder or a file that the agent removes meanwhile counts as nothing."""
    total = 0
    for folder in list(spool.iterdir()) if spool.is_dir() else []:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            total += sum(path.stat().st_size for path in folder.iterdir() if path.suffix == ".seg")
    return total


def test_a_replay_at_full_speed_survives_many_kills_with_every_observation_once(lab: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    more = "[flush.bulk]\nrows = 200"
    file = lab.write_config(folder, 9, REPLAY.format(name="big", file="big.csv"), more)
    count = write_csv(folder / "big.csv", 300_000, columns=10)
    kills, rng, spool = 0, random.Random(7), folder / "spool"
    while kills < 100:
        before, process = size(spool), start(file)
        while process.poll() is None and size(spool) == before and not is_ended(spool, process.pid):
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.06))
        if is_ended(spool, process.pid):
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert kills >= 5
    values = stored(spool)
    assert (len(values), set(values.values())) == (count, {1})
    assert min(values) == 0
    status = read_status(spool / "status.json")
    assert status is not None
    assert status.sources["big"].why == f"all {count} observations were accepted"


def is_ended(spool: Path, pid: int) -> bool:
    """Whether the process has said that its recording is at its end."""
    status = read_status(spool / "status.json")
    return status is not None and status.host["pid"] == pid and status.sources["big"].state == "ended"


def test_a_death_at_any_call_of_the_disk_costs_and_doubles_no_observation(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("dying_disk.py")), str(tmp_path), "2"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 20


async def test_a_full_spool_holds_a_recording_up_and_costs_nothing_of_it(lab: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    file = lab.write_config(folder, 9, REPLAY.format(name="x", file="x.csv"), SMALL)
    count = write_csv(folder / "x.csv", 20_000)
    disk = Narrow()
    async with running(file, disk) as agent:
        slot = agent.slots["x"]
        await lab.eventually(lambda: slot.health.state == "failed")
        assert "the spool is full" in slot.health.why
        disk.free = 1 << 40
        await lab.eventually(lambda: slot.health.state == "ended")
        assert slot.health.why.startswith(f"all {count} observations were accepted")
        assert agent.spool.readings_refused == 0
        assert agent.spool.readings_accepted == count
    assert stored(folder / "spool") == Counter(map(float, range(count)))


class Narrow(Disk):
    """A disk that has room for some ten kilobytes, until told otherwise."""

    free = 60_000

    def free_bytes(self, folder: Path) -> int:
        return self.free

    def write(self, fd: int, buffers: list[bytes]) -> int:
        self.free -= sum(map(len, buffers))
        return super().write(fd, buffers)


async def test_a_recording_is_started_over_by_another_session_only(lab: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    table = REPLAY.format(name="x", file="x.csv")
    file = lab.write_config(folder, 9, table + 'session = "monday"\n', SMALL)
    count = write_csv(folder / "x.csv", 1_000)
    for more, copies in (("", 1), ("gap_s_max = 5.0\n", 1), ('session = "tuesday"\n', 2)):
        session = "" if "session" in more else 'session = "monday"\n'
        lab.write_config(folder, 9, table + session + more, SMALL)
        async with running(file) as agent:
            await lab.eventually(lambda agent=agent: agent.slots["x"].health.state == "ended")
        assert stored(folder / "spool") == Counter({float(at): copies for at in range(count)})


async def test_a_reload_in_the_middle_goes_on_there(lab: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    table = REPLAY.format(name="x", file="x.csv").replace('"max"', "50000.0")
    file = lab.write_config(folder, 9, table, SMALL)
    count = write_csv(folder / "x.csv", 100_000)  # two seconds at that pace
    async with running(file) as agent:
        for gap_s in (7.0, 8.0, 9.0):
            have = agent.spool.readings_accepted
            await lab.eventually(lambda have=have: agent.spool.readings_accepted > have)
            lab.write_config(folder, 9, table + f"gap_s_max = {gap_s}\n", SMALL)
            await agent.reload()
        await lab.eventually(lambda: agent.slots["x"].health.state == "ended")
    assert stored(folder / "spool") == Counter(map(float, range(count)))


async def test_points_keep_their_names_where_a_recording_goes_on(lab: Any, tmp_path: Path) -> None:
    """Two columns of one name are told apart by their order, although the first rows are not read again."""
    folder = tmp_path / "a"
    file = lab.write_config(folder, 9, REPLAY.format(name="x", file="x.csv"), SMALL)
    (folder / "x.csv").write_text("time,t,t,u\n" + "".join(f"{1_700_000_000 + n},{n},-{n + 1},\n" for n in range(500)))
    async with running(file) as agent:
        await lab.eventually(lambda: agent.slots["x"].health.state == "ended")
        names = [point.key for point in agent.batcher.catalogue.points]
    async with running(file) as agent:
        await lab.eventually(lambda: agent.slots["x"].health.state == "ended")
        assert [point.key for point in agent.slots["x"].source.points()] == names  # type: ignore[union-attr]
        assert agent.spool.readings_accepted == 0
    assert names[:2] == ["dev/t", "dev/t_2"]
