"""Wall clocks that are set wrong while everything runs, at the gateway and at the twin: by a day, by 400 days, by ten
years. The journal of the storm judges that nothing is lost; a counter shows the order."""

import asyncio
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest

from aid4.bench.journal_keeper import JournalKeeper
from aid4.bench.verdict import judge
from aid4.broker import Broker, free_port
from aid4.broker_users import BrokerUser, node_user, twin_user
from edge.epochs import epoch_folders, recover
from edge.segments import Disk
from twin.client import RemoteTwin
from twin.store import Store
from wire.errors import Aid4Error
from wire.mqtt import Link, LinkConfig, Message
from wire.quality import TIME_SUSPECT
from wire.records import unpack
from wire.schemas import READINGS

SITE, NODE, SEED = "lab", "gw", 11
DAY_S = 86_400
STEP_S = 1.5
# what the clocks of gateway and twin say, in seconds off the truth, one step after the other
STEPS = [
    (0, 0), (DAY_S, 0), (0, 0), (-DAY_S, 0), (0, 0), (-400 * DAY_S, 0), (0, 0), (2 * DAY_S, 0), (-10 * 365 * DAY_S, 0),
    (0, 0), (0, DAY_S), (0, -DAY_S), (0, -400 * DAY_S), (-400 * DAY_S, DAY_S), (0, 0),
]  # fmt: skip


class Clocked:
    """An `aid4` process whose wall clock can be set."""

    def __init__(self, folder: Path, name: str, command: list[str], env: dict[str, str]) -> None:
        self.log = folder / f"{name}.log"
        self._offset = folder / f"{name}.offset"
        self.set(0)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aid4", *command], stdout=log, stderr=log, cwd=folder,
                env={**os.environ, **env, "WALL_CLOCK_OFFSET": str(self._offset)},
            )  # fmt: skip

    def set(self, offset_s: int) -> None:
        """Set the clock, this far off the truth."""
        self._offset.touch()
        with self._offset.open("r+b") as file:
            file.write(struct.pack("=q", offset_s))

    def stop(self) -> int:
        """End it; its exit status."""
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture
def clock_env(tmp_path: Path) -> dict[str, str]:
    """What makes a process believe another wall clock."""
    here, root = Path(__file__).parent, str(Path(__file__).parents[2])
    compiler = shutil.which("cc")
    if compiler:
        library = tmp_path / "wall_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, here / "wall_clock.c", "-ldl"], check=True)
        return {"LD_PRELOAD": str(library), "PYTHONPATH": root}
    site = tmp_path / "python"
    site.mkdir()
    shutil.copy(here / "wall_clock.py", site / "sitecustomize.py")
    return {"PYTHONPATH": os.pathsep.join((str(site), root))}


class Seen(NamedTuple):
    """What the park did under the wrong clocks."""

    published: list[int]  # the counter at the end of each step
    statuses: int  # how often the agent announced itself, or the broker its death
    connects: float  # of the twin
    live: Any  # the counter's last value, as the API shows it
    exits: tuple[int, int]
    keeper: JournalKeeper


class Park:
    """Broker, agent, twin, and a counter that is published a hundred times a second."""

    def __init__(self, folder: Path, broker: Broker, keeper: JournalKeeper, env: dict[str, str]) -> None:
        self.folder, self.broker, self.keeper = folder, broker, keeper
        self.port, self.count, self.statuses = free_port(), 0, 0
        (folder / "site").mkdir()
        (folder / "site" / "site.toml").write_text(f'name = "{SITE}"\ntitle = "Lab"\ntime_zone = "UTC"\n')
        twin = ["twin", "serve", "--data-dir", "twin", "--site", "site", "--port", str(self.port)]
        twin += ["--broker", f"mqtt://twin@127.0.0.1:{broker.port}"]
        self.twin = Clocked(folder, "twin", twin, {**env, "AID4_BROKER_PASSWORD": self.user("twin").password})
        self.edge = Clocked(folder, "edge", ["edge", "run", str(self._config())], env)

    def user(self, name: str) -> BrokerUser:
        return next(user for user in self.broker.users if user.name == name)

    def _config(self) -> Path:
        for name in (NODE, "field"):
            secret = self.folder / f"{name}.password"
            secret.touch(mode=0o600)
            secret.write_text(self.user(name).password)
        url, file = f"mqtt://127.0.0.1:{self.broker.port}", self.folder / "edge.toml"
        file.write_text(
            f'site = "{SITE}"\nnode = "{NODE}"\n[broker]\nurl = "{url}"\nuser = "{NODE}"\n'
            f'password_file = "{NODE}.password"\nkeepalive_s = 2\n'
            f'[[source]]\nkind = "journal"\nname = "journal"\nport = {self.keeper.port}\nnode = "{NODE}"\n'
            f"seed = {SEED}\n"
            f'[[source]]\nkind = "mqtt"\nname = "shop"\nurl = "{url}"\nuser = "field"\n'
            'password_file = "field.password"\nkeepalive_s = 2\n'
            'topic = [{ pattern = "shop/{device}/state", payload = "generic" }]\n'
        )
        return file

    async def run(self) -> Seen:
        """Set the clocks step by step, then wait until all is stored."""
        user = self.user("field")
        async with Link(LinkConfig("127.0.0.1", self.broker.port, user.name, user.password)) as link:
            link.on_messages = self._heard
            await link.subscribe([(f"aid4/1/{SITE}/{NODE}/up/status", 0)])
            twin = await self._ready()
            published = []
            for edge_s, twin_s in STEPS:
                self.edge.set(edge_s)
                self.twin.set(twin_s)
                await self._publish(link, STEP_S)
                published.append(self.count)
            self.keeper.stop_handing_out()
            live = await asyncio.to_thread(self._settled, twin)
            metrics = await asyncio.to_thread(_metrics, self.port)
        edge_exit = self.edge.stop()
        return Seen(
            published, self.statuses, metrics['aid4_ingest_total{what="connects"}'], live,
            (edge_exit, self.twin.stop()), self.keeper,
        )  # fmt: skip

    def _heard(self, messages: list[Message]) -> None:
        self.statuses += len(messages)

    async def _publish(self, link: Link, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            assert link.publish("shop/till/state", json.dumps({"n": self.count}).encode(), qos=1)
            self.count += 1
            await asyncio.sleep(0.01)

    async def _ready(self) -> RemoteTwin:
        """The twin, once it answers and the agent's sources run."""
        twin = RemoteTwin(f"http://127.0.0.1:{self.port}")
        async with asyncio.timeout(40):
            while True:
                try:
                    nodes = (await asyncio.to_thread(twin.get, "/nodes"))["items"]
                except Aid4Error:
                    nodes = []
                sources = nodes[0]["sources"] if nodes else {}
                if sources and all(source["state"] == "running" for source in sources.values()):
                    return twin
                await asyncio.sleep(0.2)

    def _settled(self, twin: RemoteTwin) -> Any:
        """Wait until the twin holds all that was accepted; the counter's live value then."""
        end_s = time.monotonic() + 20
        while True:
            wanted = self.count + self.keeper.accepted_readings
            stored = twin.get("/site")["counts"]["readings"]
            [point] = [item for item in twin.get("/points", q="till")["items"] if item["metric"] == "n"]
            value = twin.get(f"/points/{point['id']}")["last"]["value"]
            if (stored >= wanted and value == self.count - 1) or time.monotonic() > end_s:
                return value
            time.sleep(0.2)


def _metrics(port: int) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clock"
    made.mkdir()
    return made


@pytest.fixture
def park(folder: Path, clock_env: dict[str, str]) -> Iterator[Park]:
    topics = ("shop/#", f"aid4/1/{SITE}/{NODE}/up/status")
    users = [node_user(SITE, NODE), twin_user(SITE), BrokerUser("field", publish=("shop/#",), subscribe=topics)]
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(folder / "broker", users))
        keeper = stack.enter_context(JournalKeeper({NODE: 2_000.0}))
        made = Park(folder, broker, keeper, clock_env)
        yield made
        for process in (made.edge.process, made.twin.process):
            process.kill()
            process.wait()


async def test_clocks_set_wrong_lose_nothing_disconnect_nobody_and_keep_the_order(park: Park, folder: Path) -> None:
    seen = await park.run()
    assert seen.exits == (0, 0), park.edge.log.read_text() + park.twin.log.read_text()
    ts_us, value, quality, recv_us = taken_out(folder / "twin")
    verdict = judge(folder / "twin", SITE, SEED, seen.keeper.nodes, set())
    assert verdict.accepted > 20_000
    assert (verdict.lost, verdict.duplicated, verdict.altered, verdict.gaps) == (0, 0, 0, 0)
    assert (seen.statuses, seen.connects) == (1, 1)
    in_spool, order_us = spooled(folder / "spool")
    assert in_spool == list(range(park.count))
    assert value.tolist() == list(range(park.count))
    assert seen.live == park.count - 1
    bounds = [0, *seen.published]
    suspect = []
    for (edge_s, twin_s), lo, hi in zip(STEPS, bounds, bounds[1:], strict=False):
        middle = slice(lo + (hi - lo) // 3, hi - (hi - lo) // 4)  # surely after one setting and before the next
        apart_s = (ts_us[middle] - recv_us[middle]) / 1e6
        assert np.abs(apart_s - (edge_s - twin_s)).max() < 1.0, (edge_s, twin_s)
        flagged = (quality[middle] & TIME_SUSPECT) > 0
        assert flagged.all() or not flagged.any()
        suspect.append(bool(flagged.all()))
    ahead = [edge_s - twin_s > DAY_S or edge_s < -3_000 * DAY_S for edge_s, twin_s in STEPS]
    assert suspect == ahead
    assert np.array_equal(order_us, ts_us)


def spooled(folder: Path) -> tuple[list[float], Any]:
    """The counter's values and times in the order of the records' seqs."""
    values: list[float] = []
    times: list[int] = []
    for each in epoch_folders(folder):
        found = recover(each, Disk())
        names: dict[int, str] = {}
        for _, data in found.epoch.read(1, found.epoch.head):
            header, batch = unpack(data)
            if "metric" in batch.schema.names:
                names |= dict(zip(batch["point"].to_pylist(), batch["metric"].to_pylist(), strict=True))
            elif header.schema_id == READINGS:
                rows = zip(
                    batch["point"].to_pylist(), batch["value"].to_pylist(), batch["ts"].cast("int64").to_pylist(),
                    strict=True,
                )  # fmt: skip
                mine = [(value, ts) for point, value, ts in rows if names[point] == "n"]
                values += [value for value, _ in mine]
                times += [ts for _, ts in mine]
        found.epoch.close()
    return values, np.array(times)


def taken_out(folder: Path) -> tuple[Any, Any, Any, Any]:
    """Times, values, quality and receive times of the counter, by its value; only the journal's points stay."""
    with Store.open(folder, site=SITE) as store, store.cursor() as cursor:
        found = cursor.execute(
            "SELECT epoch_us(ts) AS ts, value, quality, epoch_us(recv) AS recv FROM readings JOIN points ON id = point"
            " WHERE metric = 'n' ORDER BY value"
        ).fetchnumpy()
        store.writer.run(lambda connection: connection.execute("DELETE FROM points WHERE metric = 'n'").fetchall())
    return found["ts"], found["value"], found["quality"], found["recv"]
