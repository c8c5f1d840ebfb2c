"""A site as it is: a broker, a twin, and gateways that are processes of their own; nothing is replaced."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from click.testing import CliRunner, Result

from aid4.broker import Broker
from aid4.broker_users import node_user, twin_user
from aid4.cli import cli
from twin.server import Served, TwinConfig, serve
from twin.siteconfig import site_from_dict
from wire.mqtt import LinkConfig

WAIT_S = 120.0
NODES = ("gw-1", "gw-2", "gw-3")
SOURCE = '\n[[source]]\nkind = "host"\nname = "health"\ndevice = "gateway"\nperiod_s = 0.2\n'


async def until(condition: Callable[[], Any]) -> Any:
    """Wait for it, and what it gave."""
    async with asyncio.timeout(WAIT_S):
        while not (found := condition()):
            await asyncio.sleep(0.05)
        return found


class Gateway:
    """`aid4 edge run` on a configuration, as systemd keeps it: started again when it dies."""

    def __init__(self, folder: Path, port: int, node: str, password: str, source: str) -> None:
        self.node, self.folder, self.file = node, folder, folder / "edge.toml"
        folder.mkdir(exist_ok=True)
        (folder / "password").write_text(password)
        self.file.write_text(
            f'site = "lab"\nnode = "{node}"\n[broker]\nurl = "mqtt://127.0.0.1:{port}"\nuser = "{node}"\n'
            f'password_file = "password"\n{source}'
        )
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process of now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def layer(self) -> dict[str, Any]:
        """What lies on its disk."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "spool" / "config-layer.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def kill(self) -> None:
        """As a power cut does."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _keep(self) -> None:
        while True:
            with (self.folder / "out.txt").open("ab") as out:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "aid4", "edge", "run", str(self.file), stdout=out, stderr=out
                )
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(0.05)


class Site:
    """The running twin and how to bring gateways to it."""

    def __init__(self, folder: Path, served: Served, broker: Broker, passwords: dict[str, str]) -> None:
        self.twin, self.url, self._folder, self._broker, self._passwords = (
            served.twin, served.url, folder, broker, passwords,
        )  # fmt: skip

    def gateway(self, node: str, source: str = SOURCE) -> Gateway:
        """Of one of NODES."""
        return Gateway(self._folder / node, self._broker.port, node, self._passwords[node], source)

    def restarted(self, node: str, source: str = SOURCE) -> Gateway:
        """One that was there before, with its disk."""
        return self.gateway(node, source)

    def drained(self, node: str) -> bool:
        """Whether an agent without sources has handed over all that its disk holds."""
        assert self.twin.ingest is not None
        view = self.twin.ingest.nodes[node]
        health = view.health
        return view.online and health is not None and not health.sources and not health.spool.pending_records

    async def there(self, *nodes: str) -> None:
        """Wait until these nodes are heard and their source speaks."""
        for node in nodes:
            await until(partial(self._speaks, node))

    def figures(self, node: str) -> Any:
        """What a node tells of its configuration."""
        told = self.twin.fleet.told().get(node)
        return told.sections.get("config") if told is not None and told.online else None

    async def command(self, *given: object, code: int = 0) -> Any:
        """`aid4 fleet … --json`, in a thread: the twin answers from this loop."""
        words = ["fleet", *map(str, given), "--json", "--url", self.url]
        done: Result = await asyncio.to_thread(CliRunner().invoke, cli, words)
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def audit(self) -> list[str]:
        """What was done, oldest first."""
        with self.twin.store.cursor() as cursor:
            return [str(row[0]) for row in cursor.execute('SELECT what FROM audit ORDER BY "at"').fetchall()]

    def _speaks(self, node: str) -> bool:
        ingest = self.twin.ingest
        assert ingest is not None
        health = ingest.nodes[node].health if self.figures(node) is not None else None
        return health is not None and any(source.received for source in health.sources.values())


@asynccontextmanager
async def open_site(folder: Path) -> AsyncIterator[Site]:
    """A broker with its users, and a twin."""
    users = [twin_user("lab"), *(node_user("lab", node) for node in NODES)]
    with Broker(folder / "broker", users) as broker:
        link = LinkConfig("127.0.0.1", broker.port, "twin", users[0].password)
        site = site_from_dict({"name": "lab"}, file="test")
        async with serve(TwinConfig(folder / "twin", site=site, broker=link, port=0)) as served:
            yield Site(folder, served, broker, {user.name: user.password for user in users[1:]})
