"""Updates of a real agent under `boot`, with a real broker and twin: by hand, from afar in stages, and back."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aid4.broker import Broker
from aid4.broker_users import node_user, twin_user
from inference.cli import model
from twin.client import RemoteTwin
from twin.fleet.cli import fleet
from twin.server import Served, TwinConfig, serve
from twin.siteconfig import site_from_dict
from wire.mqtt import LinkConfig

Shop = Any  # of conftest.py
WAIT_S = 600.0


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(WAIT_S):
        while not (found := condition()):
            await asyncio.sleep(0.1)
        return found


class Gateway:
    """A folder with edge.toml, and its agent under `boot`."""

    def __init__(self, folder: Path, port: int, password: str, root: bytes) -> None:
        self.folder, self.prefix = folder, folder / "aid4"
        folder.mkdir()
        (folder / "root.json").write_bytes(root)
        (folder / "password").write_text(password)
        rows = "\n".join(f"2026-01-01T00:{at // 600:02}:{at // 10 % 60:02}.{at % 10}00Z,{at}" for at in range(6_000))
        (folder / "count.csv").write_text(f"time,n\n{rows}\n")
        (folder / "edge.toml").write_text(
            f'site = "lab"\nnode = "gw"\n[broker]\nurl = "mqtt://127.0.0.1:{port}"\nuser = "gw"\n'
            'password_file = "password"\n[models]\nroot_file = "root.json"\n'
            '[[source]]\nkind = "replay"\nname = "count"\nfile = "count.csv"\nspeed = 1.0\n'
        )
        self.process: subprocess.Popen[bytes] | None = None

    async def update(self, *given: str | Path, code: int = 0) -> str:
        """`aid4 edge update` as a person types it, with the aid4 that runs there, or this one the first time."""
        here = (
            [str(self.prefix / "current/bin/aid4")]
            if (self.prefix / "current").exists()
            else [sys.executable, "-m", "aid4"]
        )
        command = [*here, "edge", "update", *map(str, given), "--prefix", str(self.prefix)]
        env = {name: text for name, text in os.environ.items() if not name.startswith("PIP_")}
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=WAIT_S
        )
        assert done.returncode == code, done.stdout + done.stderr
        return str(done.stdout + done.stderr)

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [self.prefix / "boot", "edge", "run", "edge.toml"], cwd=self.folder, stdout=log, stderr=log
        )

    @property
    def current(self) -> str:
        return (self.prefix / "current").readlink().name

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            await asyncio.to_thread(self.process.wait, 60)
            self.process = None


@pytest.fixture
async def lab(tmp_path: Path, shop: Shop) -> AsyncIterator[tuple[Served, Gateway]]:
    users = [twin_user("lab"), node_user("lab", "gw")]
    with Broker(tmp_path / "broker", users) as broker:
        link = LinkConfig("127.0.0.1", broker.port, "twin", users[0].password)
        site = site_from_dict({"name": "lab"}, file="test")
        async with serve(TwinConfig(tmp_path / "twin", site=site, broker=link, port=0)) as served:
            gateway = Gateway(tmp_path / "gw", broker.port, users[1].password, shop.root)
            try:
                yield served, gateway
            finally:
                await gateway.stop()


async def typed(group: Any, *given: object) -> Any:
    """A command's JSON; in a thread, since the twin answers from this loop."""
    done: Result = await asyncio.to_thread(CliRunner().invoke, group, [*map(str, given), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def agent(served: Served) -> str:
    """What the agent of now calls itself."""
    view = served.twin.ingest.nodes["gw"] if served.twin.ingest else None
    return view.status.agent if view is not None and view.status is not None else ""


def software(served: Served) -> Any:
    """What the gateway tells the twin of its software now."""
    view = served.twin.ingest.nodes.get("gw") if served.twin.ingest else None
    return view.health.software if view is not None and view.online and view.health is not None else None


async def test_versions_go_out_in_stages_and_a_broken_one_comes_back_and_no_reading_is_lost(
    lab: tuple[Served, Gateway], shop: Shop
) -> None:
    served, gateway = lab
    keys = shop.folder / "keys"
    url = ("--url", served.url)
    await typed(model, "keys", "--out", keys, "--root-keys", "1", *url)
    (gateway.folder / "root.json").write_bytes((keys / "root.json").read_bytes())
    bundles = {one: shop.bundle(one, patch) for one, patch in (("0.1.0", {}), ("0.2.0", {}), ("0.3.0", MUTE))}
    for bundle in bundles.values():
        told = await typed(fleet, "software", "publish", bundle, "--key", keys / "targets.pem", *url)
        assert bundle.with_name(bundle.name + ".tuf").exists(), told
    assert told["sent"] == 1, "the libraries are there since the first one"

    await gateway.update(bundles["0.1.0"])
    gateway.start()
    await until(lambda: counted(served))
    assert software(served).version == "0.1.0"
    made = await typed(fleet, "software", "roll-out", "0.2.0", "gw", "--hold", "0s", "--trial", "5m", "--wait", *url)
    assert made["state"] == "done", made
    assert (software(served).version, software(served).state, gateway.current) == ("0.2.0", "running", "0.2.0")
    assert agent(served) == "aid4 0.2.0"

    assert "older signatures" in await gateway.update(bundles["0.3.0"], code=2), "it has seen newer ones of the twin"
    await typed(fleet, "software", "publish", bundles["0.3.0"], *url)
    await gateway.update(bundles["0.3.0"], "--trial", "8")
    assert gateway.current == "0.3.0"
    await until(lambda: gateway.current == "0.2.0")
    assert "the twin was not heard" in (gateway.prefix / "failed" / "0.3.0").read_text()
    await until(lambda: software(served) and software(served).version == "0.2.0")
    assert "was taken back here" in await gateway.update(bundles["0.3.0"], code=2)
    await typed(fleet, "software", "roll-out", "0.3.0", "gw", "--hold", "0s", *url)
    stopped = await until(lambda: [one for one in served.twin.fleet.rollouts("software") if one.state == "stopped"])
    assert "was taken back here" in stopped[0].why
    assert gateway.current == "0.2.0"

    await until(lambda: counted(served))
    await gateway.stop()
    values = await asyncio.to_thread(stored, served)
    assert values == list(range(len(values))), "every reading is there, once and in its order"
    audit = await typed(fleet, "software", "status", *url)
    assert [one["version"] for one in audit["versions"]] == ["0.3.0", "0.2.0", "0.1.0"]


# the agent that never reaches its broker
MUTE = {
    "edge/uplink.py": (
        "        async with self._link:\n",
        "        await asyncio.Event().wait()\n        async with self._link:\n",
    )
}


def counted(served: Served) -> int:
    """What the agent of now has received of its source."""
    view = served.twin.ingest.nodes.get("gw") if served.twin.ingest else None
    return view.health.sources["count"].received if view is not None and view.online and view.health else 0


def stored(served: Served) -> list[int]:
    """All that the twin has of it; what the agent makes of it, a score each minute, is left out."""
    sql = "SELECT value FROM readings JOIN points ON id = point WHERE metric = 'n' ORDER BY ts"
    return [int(row[0]) for row in RemoteTwin(served.url).post("/query", {"sql": sql})["rows"]]
