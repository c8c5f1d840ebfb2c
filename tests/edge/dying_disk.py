"""Run by a test: replays two recordings of the same points, dying at every call of the disk in turn, then again to the
end, and counts what the spool holds. Prints how many deaths there were."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from edge.agent import Agent, serve
from edge.config import load
from edge.epochs import epoch_folders, recover
from edge.segments import Disk
from edge.sources import replay_csv
from wire.clock import SystemClock
from wire.records import unpack
from wire.schemas import READINGS, STATES

ROWS = 300
replay_csv.BLOCK_BYTES = 1_500  # many batches of a small file
CONFIG = """
site = "s"
node = "n"
[broker]
url = "mqtt://127.0.0.1:9"
[spool]
reserve_bytes = 0
segment_bytes = 4096
[flush.bulk]
rows = 40
age_s = 0.01
"""
SOURCE = '[[source]]\nkind = "replay"\nname = "{name}"\nfile = "{name}.csv"\ndevice = "dev"\nspeed = "max"\n'


class DyingDisk(Disk):
    """Kills the process at its call number `at`: before a write, in the middle of one, or before a sync."""

    def __init__(self, at: int) -> None:
        self.left = at

    def write(self, fd: int, buffers: list[bytes]) -> int:
        if self._is_last():
            data = b"".join(buffers)
            os.write(fd, data[: len(data) * (self.left % 3) // 2])
            die()
        return super().write(fd, buffers)

    def sync(self, fd: int) -> None:
        if self._is_last():
            die()
        super().sync(fd)

    def _is_last(self) -> bool:
        self.left -= 1
        return self.left == 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_recordings(folder: Path) -> None:
    """Numbers, and a column that is at times a word."""
    folder.mkdir()
    (folder / "edge.toml").write_text(CONFIG + SOURCE.format(name="one") + SOURCE.format(name="two"))
    for base, name in ((0, "one"), (1_000_000, "two")):
        second = ["off" if n % 7 else f"{base + n + 0.5}" for n in range(ROWS)]
        rows = [f"2024-01-01T00:{n // 60:02}:{n % 60:02}Z,{base + n},{second[n]}\n" for n in range(ROWS)]
        (folder / f"{name}.csv").write_text("time,a,b\n" + "".join(rows))


async def replay(folder: Path, disk: Disk) -> None:
    """An agent until both recordings have ended."""
    agent, stop = Agent(load(folder / "edge.toml"), SystemClock(), disk), asyncio.Event()
    task = asyncio.create_task(serve(agent, stop))
    while any(slot.health.state != "ended" for slot in agent.slots.values()) and not task.done():
        await asyncio.sleep(0.005)
    words = {slot.health.why for slot in agent.slots.values()}
    assert words == {f"all {2 * ROWS} observations were accepted"}, words
    stop.set()
    await task


def child(folder: Path, disk: Disk) -> bool:
    """Whether a replay in a process of its own came to its end."""
    pid = os.fork()
    if not pid:
        asyncio.run(replay(folder, disk))
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status in {0, signal.SIGKILL}, status
    return status == 0


def stored(spool: Path) -> tuple[Counter[float], int]:
    """Values and states in all epochs."""
    values: Counter[float] = Counter()
    states = 0
    for folder in epoch_folders(spool):
        found = recover(folder, Disk())
        for _, data in found.epoch.read(1, found.epoch.head):
            header, batch = unpack(data)
            if header.schema_id == READINGS:
                values.update(batch["value"].to_pylist())
            states += header.count * (header.schema_id == STATES)
        found.epoch.close()
    return values, states


def main(top: Path, step: int) -> None:
    words = 2 * sum(1 for n in range(ROWS) if n % 7)
    deaths = 0
    while True:
        folder = top / str(deaths)
        write_recordings(folder)
        if child(folder, DyingDisk(1 + deaths * step)):
            break
        deaths += 1
        child(folder, Disk())
        values, states = stored(folder / "spool")
        assert set(values.values()) == {1}, f"death {deaths}: {values.most_common(3)}"
        assert (len(values), states) == (4 * ROWS - words, words), f"death {deaths}: {len(values)}, {states}"
    print(deaths)


main(Path(sys.argv[1]), int(sys.argv[2]))
