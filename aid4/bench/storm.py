"""The storm: agents, broker and twin as processes of their own, killed (-9), frozen and restored at random.

The journal of accepted readings lives in the bench, outside of everything that dies. Afterwards every accepted
reading is compared, bit for bit, with what the twin's database holds.
"""

import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import click

from aid4.bench.children import Children, python
from aid4.bench.journal import ROWS
from aid4.bench.journal_keeper import JournalKeeper
from aid4.bench.verdict import judge
from aid4.broker import Broker, free_port
from aid4.broker_users import node_user, twin_user
from aid4.twin_client import TwinClient, TwinSilentError
from edge.health import read_status

__all__ = ["NODES", "Storm", "storm"]

SITE = "storm"
THINNING = "node-small"  # has a small spool, and gives up its oldest readings when the twin is away too long
READINGS_S = {"node-1": 6_000.0, "node-2": 6_000.0, "node-3": 6_000.0, THINNING: 1_200.0}
NODES = tuple(READINGS_S)
SETTLE_S = 6.0  # until all processes stand
IN_FLIGHT_S = 0.02  # the twin's commit window: what was accepted later cannot have been acknowledged yet
QUIET_S = 3.0  # nothing new was stored for so long: drained, unless an agent says otherwise
DRAIN_S_MAX = 120.0
RESTORE_EVERY = 10  # kills
WEIGHTS = {"broker": 24, "twin": 18, "agent": 30, "broker and twin": 18, "freeze": 12, "outage": 3}
OUTAGE_S = 6.0  # the twin stays away so long that the small spool must thin


def storm(*, seed: int, seconds: float, broker: Literal["nats", "mosquitto"], quiet: bool) -> dict[str, Any]:
    """Blow for `seconds`, drain, judge; returns what `--json` prints. Nothing is left behind."""
    users = [twin_user(SITE), *(node_user(SITE, node) for node in NODES)]
    with (
        tempfile.TemporaryDirectory(prefix="aid4-storm-") as name,
        Broker(Path(name) / "broker", users, kind=broker) as running,
        JournalKeeper(READINGS_S) as journal,
        Children(Path(name)) as children,
    ):
        park = Storm(Path(name), running, journal, children, seed)
        park.start()
        time.sleep(SETTLE_S)
        park.blow(seconds, quiet=quiet)
        drain_s = park.drain()
        verdict = judge(Path(name) / "twin", SITE, seed, journal.nodes, {THINNING})
    return {
        **verdict._asdict(),
        "kills": {**park.kills, "restores": park.restores, "with_records_in_flight": park.in_flight},
        "drain_s": round(drain_s, 2),
    }


class Storm:
    """The processes, and what happens to them."""

    def __init__(self, folder: Path, broker: Broker, journal: JournalKeeper, children: Children, seed: int) -> None:
        self._folder, self._broker, self._journal, self._children = folder, broker, journal, children
        self._rng, self._seed = random.Random(seed), seed  # noqa: S311 - one seed, one storm
        self._users = {user.name: user for user in broker.users}
        self._twin = TwinClient(free_port())
        self._turn = 0
        self.kills: Counter[str] = Counter()
        self.in_flight = self.restores = 0

    def start(self) -> None:
        """Write the configurations and start everything."""
        (self._folder / "site").mkdir()
        (self._folder / "site" / "site.toml").write_text(f'name = "{SITE}"\ntitle = "Storm"\ntime_zone = "UTC"\n')
        for node in NODES:
            (self._folder / node).mkdir()
            (self._folder / f"{node}.toml").write_text(self._agent_toml(node))
        self._start_twin()
        for node in NODES:
            self._start_agent(node)

    def blow(self, seconds: float, *, quiet: bool) -> None:
        """Something happens every half second or so."""
        end_s, kinds = time.monotonic() + seconds, list(WEIGHTS)
        while (left_s := end_s - time.monotonic()) > 0:
            if not quiet:
                click.echo(f"\r{left_s:5.1f} s left, {self._journal.accepted_readings:,} accepted ", nl=False, err=True)
            time.sleep(self._rng.uniform(0.2, 0.8))
            self._revive()
            self._happen(self._rng.choices(kinds, list(WEIGHTS.values()))[0])
        self._journal.stop_handing_out()

    def drain(self) -> float:
        """Wait until the twin has stored all that the agents hold, then stop them; seconds until the last row."""
        began_s = changed_s = time.monotonic()
        rows = -1
        while time.monotonic() - changed_s < QUIET_S:
            self._revive()
            now = self._rows()
            if now != rows:
                rows, changed_s = now, time.monotonic()
            if time.monotonic() - began_s > DRAIN_S_MAX:
                raise TimeoutError(f"not drained in {DRAIN_S_MAX:g} s:\n{self._children.output('twin')}")
            time.sleep(0.05)
        for node in NODES:
            self._children.stop(node)
        pending = {node: self._pending(node) for node in NODES}
        if any(pending.values()):
            raise TimeoutError(f"agents still hold records: {pending}")
        self._children.stop("twin", 60)
        return changed_s - began_s

    # -- what happens

    def _happen(self, what: str) -> None:
        if what == "freeze":
            self._freeze()
            return
        self.in_flight += self._journal.in_flight(IN_FLIGHT_S)
        if what in ("broker", "broker and twin"):
            self._broker.kill()
            self.kills["broker"] += 1
        if what in ("twin", "broker and twin", "outage"):
            self._kill_twin(OUTAGE_S if what == "outage" else self._rng.uniform(0.0, 0.3))
        if what == "broker and twin":
            self.kills["broker and twin"] += 1
        if what == "agent":
            node = self._rng.choice(NODES)
            self._children.kill(node)
            self.kills["edge"] += 1
            self._start_agent(node)
        if not self._broker.alive:
            self._broker.start()

    def _freeze(self) -> None:
        name = self._rng.choice(("twin", *NODES))
        self._children.freeze(name)
        self.kills["frozen"] += 1
        time.sleep(self._rng.uniform(0.2, 1.0))
        self._children.thaw(name)

    def _kill_twin(self, away_s: float) -> None:
        """Kill the twin; now and then keep a copy of its data, and now and then bring the last copy back."""
        self._children.kill("twin")
        self.kills["twin"] += 1
        data, backup = self._folder / "twin", self._folder / "backup"
        total = self.kills.total() - self.kills["frozen"] - self.kills["broker and twin"]
        if total // RESTORE_EVERY > self._turn and backup.exists():
            self._turn = total // RESTORE_EVERY
            shutil.rmtree(data)
            shutil.copytree(backup, data)
            self.restores += 1
        elif self.kills["twin"] % 2 and data.exists():
            shutil.rmtree(backup, ignore_errors=True)
            shutil.copytree(data, backup)
        time.sleep(away_s)
        self._start_twin()

    def _revive(self) -> None:
        """A process that ended by itself is a finding, and is started again."""
        for name in self._children.ended():
            self.kills[f"{name} ended by itself"] += 1
            self._children.kill(name)
            self._start_twin() if name == "twin" else self._start_agent(name)

    # -- processes

    def _start_twin(self) -> None:
        user = self._users["twin"]
        secret = self._secret("twin")
        command = python("-m", "aid4", "twin", "serve", "--data-dir", str(self._folder / "twin"))
        command += ["--site", str(self._folder / "site"), "--port", str(self._twin.port)]
        command += ["--broker", f"mqtt://{user.name}@127.0.0.1:{self._broker.port}"]
        self._children.start("twin", command, env={"AID4_BROKER_PASSWORD": secret.read_text()})

    def _start_agent(self, node: str) -> None:
        self._children.start(node, python("-m", "aid4", "edge", "run", str(self._folder / f"{node}.toml")))

    def _agent_toml(self, node: str) -> str:
        small = 'budget_bytes = 100_000\nreserve_bytes = 0\nwhen_full = "thin"\n' if node == THINNING else ""
        return (
            f'site = "{SITE}"\nnode = "{node}"\n[broker]\nurl = "mqtt://127.0.0.1:{self._broker.port}"\n'
            f'user = "{node}"\npassword_file = "{self._secret(node)}"\n[spool]\ndir = "{node}/spool"\n{small}'
            f"[flush.bulk]\nrows = {ROWS}\n"
            f'[[source]]\nkind = "journal"\nname = "journal"\nport = {self._journal.port}\nnode = "{node}"\n'
            f"seed = {self._seed}\n"
        )

    def _secret(self, name: str) -> Path:
        path = self._folder / f"{name}.password"
        path.touch(mode=0o600)
        path.write_text(self._users[name].password)
        return path

    def _rows(self) -> int:
        try:
            return int(asyncio.run(self._twin.get("site"))["counts"]["readings"])
        except (TwinSilentError, KeyError):
            return -1

    def _pending(self, node: str) -> int:
        health = read_status(self._folder / node / "spool" / "status.json")
        return -1 if health is None else health.spool.pending_records
