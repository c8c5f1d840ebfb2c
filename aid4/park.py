"""The all-in-one park: broker, simulated devices, one agent and the twin, each a process, wired together."""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from aid4.account import Ledger, Tally, compare, ledger_of, spooled
from aid4.broker import Broker
from aid4.broker_users import BrokerUser, node_user, twin_user
from aid4.park_config import NODE, Layout, agent_toml, has_model, replay_sources, site_name
from aid4.processes import Child, ChildError, run_once
from aid4.twin_client import TwinClient, TwinSilentError
from wire.errors import Aid4Error, UserError

__all__ = ["Park", "ParkOptions", "Report"]

_START_S = 30.0  # for devices and twin on a small gateway
_POLL_S = 0.1
_DRAIN_S = 30.0  # without progress the rest of the spool counts as not stored
_SETTLE_S = 5.0  # the agent's last flush to its spool
_FIELD = "field/#"  # what the simulated MQTT devices publish and the agent reads
_SIM_SPEED_MAX = 600.0
_SIM_SPEED_OF_MAX = 60.0  # "max" is for recordings; the simulated park then runs a minute a second


@dataclass(frozen=True, slots=True)
class ParkOptions:
    """What a person asked for; `speed` None is as fast as possible, `seconds` None is until stopped."""

    site: Path
    data_dir: Path
    ifc: Path | None = None
    replays: tuple[Path, ...] = ()
    port: int = 0
    speed: float | None = 1.0
    sim: bool = True
    seconds: float | None = None
    seed: int = 7
    broker: Literal["nats", "mosquitto"] = "nats"


@dataclass(slots=True)
class Report:
    """What a run ends with, as `--json` prints it."""

    accepted: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    points: int = 0
    bound_points: int = 0
    elements: int = 0
    first_value_s: float | None = None
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


class Park:
    """One park in its data directory; `say` gets each line that a person should read."""

    def __init__(self, options: ParkOptions, say: Callable[[str], None]) -> None:
        self.options, self._say = options, say
        self.layout = Layout(options.data_dir)
        self.site = site_name(options.site)
        self.report = Report()
        self._started_s = time.monotonic()
        self._stop = asyncio.Event()
        self._children: dict[str, Child] = {}
        self._keepers: asyncio.TaskGroup | None = None
        self._recordings, warnings = replay_sources(options.site, options.replays, options.speed)
        self.report.warnings += warnings

    def stop(self) -> None:
        """End the run early; nothing is counted then."""
        self._stop.set()

    async def run(self) -> Report:
        """Bring the park up, keep it, take it down. UserError for what a person must mend, ChildError otherwise."""
        self.layout.create()
        with _locked(self.layout.lock), _listening(self.options.port) as port:
            before = await asyncio.to_thread(ledger_of, self.layout.twin)
            users = [twin_user(self.site), node_user(self.site, NODE, also=(_FIELD,))]
            users.append(BrokerUser("devices", publish=(_FIELD,), subscribe=(_FIELD,)))
            try:
                with Broker(self.layout.broker, users, kind=self.options.broker) as broker:
                    async with asyncio.TaskGroup() as group:
                        self._keepers = group
                        keeper = group.create_task(broker.keep(), name="broker")
                        await self._live(broker, TwinClient(port), before)
                        keeper.cancel()
            except ExceptionGroup as several:
                ours = several.subgroup(Aid4Error)
                if ours is None:
                    raise
                raise ours.exceptions[0] from None
        return self.report

    # -- up

    async def _live(self, broker: Broker, twin: TwinClient, before: Ledger) -> None:
        users = {user.name: user for user in broker.users}
        try:
            self._say(f"broker    {broker.kind} on 127.0.0.1:{broker.port}, for this machine only")
            model, _ = await asyncio.gather(self._model(), self._start_devices(broker, users["devices"]))
            self._start("twin", self._twin_command(broker, users["twin"], twin, model))
            count = self._write_agent(broker, users[NODE])
            self._start("agent", _aid4("edge", "run", str(self.layout.agent)))
            self._say(f"agent     {NODE} with {count} sources")
            await self._until(twin.ready, "twin")
            self._say(f"page      {twin.url}")
            beside = [
                asyncio.create_task(self._first_value(twin), name="first value"),
                asyncio.create_task(self._follow_devices(broker, users[NODE]), name="follow devices"),
            ]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_left()):
                    await self._stop.wait()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if self.options.seconds is not None and not self._stop.is_set():
                await self._settle_accounts(broker, users[NODE], twin, before)
        finally:
            await asyncio.gather(*(child.stop() for child in self._children.values()))

    def _seconds_left(self) -> float | None:
        if self.options.seconds is None:
            return None
        return max(0.0, self._started_s + self.options.seconds - time.monotonic())

    def _start(self, name: str, command: list[str]) -> None:
        assert self._keepers is not None, "inside run()"
        child = Child(name, command, self.layout.log / f"{name}.log", on_end=self._warn)
        self._children[name] = child
        self._keepers.create_task(child.keep(), name=name)

    def _warn(self, text: str) -> None:
        self.report.warnings.append(text)
        self._say(f"warning   {text}")

    async def _model(self) -> Path | None:
        """The model to show: the one asked for, else the site's own, else one authored from its table of devices."""
        site, devices = self.options.site, self.options.site / "devices.toml"
        if self.options.ifc is not None:
            return self.options.ifc.resolve()
        if has_model(site) or not devices.is_file():
            return None
        digest = hashlib.sha256(devices.read_bytes()).hexdigest()[:12]
        path = self.layout.model / f"{self.site}-{digest}.ifc"
        if not path.exists():
            self._say("model     authoring the sample building, once")
            fresh = path.with_suffix(".new.ifc")
            await run_once(_aid4("bim", "sample", str(fresh), "--site", str(site)), self.layout.log / "model.log")
            fresh.rename(path)
        return path

    def _twin_command(self, broker: Broker, user: BrokerUser, twin: TwinClient, model: Path | None) -> list[str]:
        secret = self._secret(self.layout.twin / "broker.password", user)
        command = _aid4("twin", "serve", "--site", str(self.options.site), "--data-dir", str(self.layout.twin))
        command += ["--broker", f"mqtt://127.0.0.1:{broker.port}", "--broker-user", user.name]
        command += ["--broker-password-file", str(secret), "--port", str(twin.port)]
        return command if model is None else [*command, "--ifc", str(model)]

    async def _start_devices(self, broker: Broker, user: BrokerUser) -> None:
        """Start the simulated devices and wait until every one of them listens."""
        options, layout = self.options, self.layout
        layout.ports.unlink(missing_ok=True)
        if not options.sim:
            return
        secret = self._secret(layout.root / "devices.password", user)
        speed = _SIM_SPEED_OF_MAX if options.speed is None else min(options.speed, _SIM_SPEED_MAX)
        command = [sys.executable, "-m", "sim_devices.park", "--site", str(options.site)]
        command += ["--seed", str(options.seed), "--speed", f"{speed:g}", "--ports-file", str(layout.ports)]
        command += ["--broker", f"127.0.0.1:{broker.port}", "--user", user.name, "--password-file", str(secret)]
        self._start("devices", command)
        await self._until(layout.ports.exists, "devices")
        self._say(f"devices   {len(self._devices())} simulated, seed {options.seed}, {speed:g}x")

    def _devices(self) -> list[dict[str, Any]]:
        """The agent's tables that read the simulated devices."""
        if not self.layout.ports.exists():
            return []
        sources: list[dict[str, Any]] = json.loads(self.layout.ports.read_text())["source"]
        return sources

    async def _follow_devices(self, broker: Broker, user: BrokerUser) -> None:
        """Devices that were started again listen on other ports: tell the agent."""
        told = self.layout.ports.stat().st_mtime_ns if self.options.sim else 0
        while self.options.sim:
            await asyncio.sleep(10 * _POLL_S)
            now = self.layout.ports.stat().st_mtime_ns
            if now != told:
                told = now
                self._write_agent(broker, user)
                self._children["agent"].signal(signal.SIGHUP)

    def _write_agent(self, broker: Broker, user: BrokerUser, *, sources: bool = True) -> int:
        """Write the agent's configuration, with or without its sources; returns their number."""
        tables = [*self._recordings, *self._devices()] if sources else []
        mqtt = {"url": f"mqtt://127.0.0.1:{broker.port}", "user": user.name, "password": user.password}
        tables = [{**table, **mqtt} if table["kind"] == "mqtt" else table for table in tables]
        secret = self._secret(self.layout.edge / "broker.password", user)
        text = agent_toml(self.site, broker_port=broker.port, password_file=secret, sources=tables)
        fresh = self.layout.agent.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(self.layout.agent)
        return len(tables)

    def _secret(self, path: Path, user: BrokerUser) -> Path:
        path.touch(mode=0o600)
        path.write_text(user.password + "\n")
        return path.resolve()

    async def _until(self, condition: Callable[[], Any], name: str) -> None:
        """Wait for a child to come up; ChildError with its last lines when it does not."""
        child = self._children[name]
        try:
            async with asyncio.timeout(_START_S):
                while True:
                    answer = condition()
                    if await answer if asyncio.iscoroutine(answer) else answer:
                        return
                    if child.restarts > 2:
                        raise ChildError(f"{name} does not start:\n{child.last_lines()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise ChildError(f"{name} is not up after {_START_S:g} s:\n{child.last_lines()}") from None

    async def _first_value(self, twin: TwinClient) -> None:
        while True:
            with contextlib.suppress(TwinSilentError):
                items = (await twin.get("state?limit=100")).get("items", [])
                if any(item.get("value") is not None for item in items):
                    break
            await asyncio.sleep(_POLL_S)
        self.report.first_value_s = round(time.monotonic() - self._started_s, 2)
        self._say(f"          first value after {self.report.first_value_s:.1f} s")

    # -- down, with the books open

    async def _settle_accounts(self, broker: Broker, user: BrokerUser, twin: TwinClient, before: Ledger) -> None:
        """Stop what makes readings, wait until the spool is empty, then compare spool and database at rest."""
        for name in ("devices", "agent"):
            if name in self._children:
                await self._children.pop(name).stop(_SETTLE_S)
        accepted = await asyncio.to_thread(spooled, self.layout.spool, NODE, before.committed)
        expected = before.rows.total() + accepted.total()
        if await self._stored(twin) != expected:
            self._write_agent(broker, user, sources=False)
            self._start("agent", _aid4("edge", "run", str(self.layout.agent)))
            await self._drain(twin, expected)
        await self._look_around(twin)
        await asyncio.gather(*(child.stop(_SETTLE_S) for child in self._children.values()))
        self._children.clear()
        after = await asyncio.to_thread(ledger_of, self.layout.twin)
        self._close_books(compare(accepted, before, after), after)

    async def _drain(self, twin: TwinClient, expected: int) -> None:
        stored, progress_s = -1, time.monotonic()
        while stored != expected and time.monotonic() - progress_s < _DRAIN_S and not self._stop.is_set():
            await asyncio.sleep(5 * _POLL_S)
            now = await self._stored(twin)
            if now != stored:
                stored, progress_s = now, time.monotonic()

    async def _stored(self, twin: TwinClient) -> int:
        try:
            return await twin.count("readings") + await twin.count("states")
        except TwinSilentError:
            return -1

    async def _look_around(self, twin: TwinClient) -> None:
        with contextlib.suppress(TwinSilentError):
            counts = (await twin.get("site"))["counts"]
            self.report.points = counts["points"]
            self.report.bound_points = counts["bound_points"]
            self.report.elements = counts["elements"]
            self.report.warnings += _source_warnings((await twin.get("nodes"))["items"])

    def _close_books(self, tally: Tally, after: Ledger) -> None:
        report = self.report
        report.accepted, report.stored = tally.accepted, tally.stored
        report.lost, report.duplicated = tally.lost, tally.duplicated
        if after.quarantined:
            report.warnings.append(f"{after.quarantined} records lie in quarantine")
        if report.points > report.bound_points:
            report.warnings.append(f"{report.points - report.bound_points} points are bound to no element")


def _aid4(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aid4", *arguments]


def _source_warnings(nodes: list[dict[str, Any]]) -> list[str]:
    """What an operator should know about the agent's sources, from its last health message."""
    found = []
    for node in nodes:
        for name, source in (node.get("sources") or {}).items():
            if source.get("discarded"):
                found.append(f"{name}: {source['discarded']} readings discarded ({source.get('why') or 'unknown'})")
            if source.get("state") == "failed":
                found.append(f"{name}: failed ({source.get('why') or 'unknown'})")
        if refused := (node.get("spool") or {}).get("refused"):
            found.append(f"{node['node']}: {refused} readings refused, the spool was full")
    return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One park a data directory; the kernel frees the lock when the process dies."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            fix = "stop it, or give this one its own --data-dir"
            owner = file.read().strip() or "unknown"
            raise UserError(f"another park (process {owner}) runs here", file=str(path.parent), fix=fix) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def _listening(port: int) -> Iterator[int]:
    """The page's port, checked before anything starts; 0 finds a free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            fix = "give another with --port, or --port 0 for any free one"
            raise UserError(f"port {port} cannot be used: {error.strerror}", field="--port", fix=fix) from error
        found = int(probe.getsockname()[1])
    yield found
