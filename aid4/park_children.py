"""The processes of one park: how each is started, with what configuration, and how all of them stop."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import bim.campus
from aid4.broker import Broker
from aid4.broker_users import BrokerUser, node_user, twin_user
from aid4.park_config import NODE, Layout, ParkOptions, agent_toml, has_model
from aid4.park_outside import Outside
from aid4.processes import Child, ChildError, run_once
from wire.clock import SystemClock

__all__ = ["ParkChildren", "broker_users"]

_FIELD = ("field/#", "spBv1.0/#")  # what the simulated MQTT devices and Sparkplug nodes say, and agents hear
_START_S = 60.0  # for a large model on a small gateway
_POLL_S = 0.1
_STARTS_MAX = 3
_AUTHORS = Path(bim.campus.__file__).parent  # of another version may come another model
_TABLES = ("layout.toml", "devices.toml", "plan.toml")  # of which a model is authored


def broker_users(site: str, nodes: Sequence[str] = (NODE,)) -> list[BrokerUser]:
    """Everybody at the park's broker, each with a password of this run."""
    devices = BrokerUser("devices", publish=_FIELD, subscribe=_FIELD)
    return [twin_user(site), *(node_user(site, node, also=_FIELD) for node in nodes), devices]


class ParkChildren:
    """Starts children in the task group `group` and knows them by name; `warn` hears of each unasked end."""

    def __init__(
        self,
        options: ParkOptions,
        site: str,
        nodes: Sequence[str],
        broker: Broker,
        group: asyncio.TaskGroup,
        warn: Callable[[str], None],
    ) -> None:
        self._options, self._site, self._broker, self._group, self._warn = options, site, broker, group, warn
        self._layout = Layout(options.data_dir)
        self._users = {user.name: user for user in broker.users}
        self._nodes = nodes
        self._children: dict[str, Child] = {}
        self.outside: Outside | None = None  # where gateways from outside join, and ours with them
        self.service_token = token_urlsafe(32)  # with which the park asks its own twin

    async def author_model(self) -> Path | None:
        """The model to show: the one asked for, else the site's own, else one authored from its tables.

        Its plan has actual dates up to this week's Monday, so the file is written once a week and a table.
        """
        site = self._options.site
        if self._options.ifc is not None:
            return self._options.ifc.resolve()
        tables = [site / name for name in _TABLES if (site / name).is_file()]
        if has_model(site) or site / _TABLES[0] not in tables:
            return None
        today = date.fromtimestamp(SystemClock().wall_us() / 1e6)
        monday = today - timedelta(days=today.weekday())
        digest = hashlib.sha256(monday.isoformat().encode())
        for source in (*tables, *sorted(_AUTHORS.glob("*.py"))):
            digest.update(source.read_bytes())
        path = self._layout.model / f"{self._site}-{digest.hexdigest()[:12]}.ifc"
        if not path.exists():
            fresh = path.with_suffix(".new.ifc")
            command = _aid4("bim", "sample", str(fresh), "--site", str(site), "--data-date", monday.isoformat())
            await run_once(command, self._layout.log / "model.log")
            fresh.rename(path)
        return path

    def start_devices(self) -> None:
        """Start the simulated devices, if any are wanted; `devices_of` waits for them."""
        options, layout = self._options, self._layout
        layout.ports.unlink(missing_ok=True)  # devices that are started again later find their ports there
        for node in self._nodes:
            layout.ports_of(node).unlink(missing_ok=True)
        if not options.sim:
            return
        secret = self._secret(layout.root / "devices.password", "devices")
        command = [sys.executable, "-m", "sim_devices.park", "--site", str(options.site)]
        command += ["--seed", str(options.seed), "--speed", f"{options.sim_speed:g}"]
        command += ["--ports-file", str(layout.ports), "--broker", f"127.0.0.1:{self._broker.port}"]
        if options.scenario:
            command += ["--scenario", options.scenario, "--labels", str(layout.root / "labels.json")]
        command += ["--dock-file", str(layout.dock), *(word for name in options.only for word in ("--device", name))]
        self._start("devices", [*command, "--user", "devices", "--password-file", str(secret)])

    async def devices_of(self, node: str) -> int:
        """Wait until every simulated device of a gateway listens; returns how many sources they are."""
        if self._options.sim:
            await self.until("devices", lambda: asyncio.to_thread(self._layout.ports_of(node).exists))
        return len(self._simulated(node))

    def start_twin(self, port: int, model: Path | None) -> None:
        """Start the twin with its page on `port`."""
        command = _aid4("twin", "serve", "--site", str(self._options.site), "--data-dir", str(self._layout.twin))
        near = ["--broker", f"mqtt://twin@127.0.0.1:{self._broker.port}"]
        command += [*(self.outside.twin_arguments() if self.outside else near), "--port", str(port)]
        if model is not None:
            command += ["--ifc", str(model)]
            self._tell_docks(port, model)
        self._start("twin", command, {
            "AID4_BROKER_PASSWORD": self._users["twin"].password, "AID4_SERVICE_TOKEN": self.service_token,
        })  # fmt: skip

    def _tell_docks(self, port: int, model: Path) -> None:
        """Where the docks of simulated drones bring their scans, and of what; a token for a twin with accounts may be
        put beside it."""
        token = self._layout.dock.with_suffix(".token")
        wish: dict[str, Any] = {
            "url": f"http://127.0.0.1:{port}/",
            "ifc": str(model),
            "work": str(self._layout.root / "dock"),
        }
        wish["tiles"] = [str(self._layout.twin / "tiles")]
        wish |= {"token": token.read_text().strip()} if token.exists() else {}
        fresh = self._layout.dock.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(wish))
        fresh.replace(self._layout.dock)

    def prepare_agent(self, node: str) -> None:
        """Start a gateway's agent, which waits for the configuration that `start_agent` writes."""
        config = self._layout.agent(node).config
        config.unlink(missing_ok=True)
        self._start(f"agent-{node}", _aid4("edge", "run", str(config), "--wait"))

    def start_agent(self, node: str, recordings: list[dict[str, Any]], *, drain: bool = False) -> int:
        """Start a gateway's agent, returns how many sources it has; with `drain` none, so that it only empties its
        spool. Recordings are read by the first gateway."""
        played = recordings if node == self._nodes[0] else []
        sources = [] if drain else [*played, *self._simulated(node)]
        broker, user, layout = self._broker, self._users[node], self._layout.agent(node)
        access = {"url": f"mqtt://127.0.0.1:{broker.port}", "user": node, "password": user.password}
        tables = [{**source, **access} if source["kind"] == "mqtt" else source for source in sources]
        secret = self._secret(layout.password, node)
        root = self._layout.twin / "models" / "metadata" / "1.root.json"  # one machine, so the first root is at hand
        text = agent_toml(
            self._site,
            node=node,
            broker_port=broker.port,
            password_file=secret,
            sources=tables,
            derived=() if drain else self._told(node, "derived"),
            root_file=root.resolve(),
        )
        if self.outside is not None:
            text = self.outside.admit(node, layout.config, text)
        fresh = layout.config.with_suffix(".new")  # whole or not at all, for an agent that waits for it
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(layout.config)
        if f"agent-{node}" not in self._children:
            self._start(f"agent-{node}", _aid4("edge", "run", str(layout.config)))
        return len(sources)

    def model_problem(self) -> str:
        """Why the twin did not take its model; empty while it has said nothing."""
        log = self._layout.log / "twin.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return next((line.removeprefix("model: ") for line in reversed(lines) if line.startswith("model: ")), "")

    async def until(self, name: str, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a child to come up; ChildError with its last lines when it does not."""
        child = self._children[name]
        try:
            async with asyncio.timeout(_START_S):
                while not await condition():
                    if child.restarts >= _STARTS_MAX:
                        raise ChildError(f"{name} does not start:\n{child.last_lines()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise ChildError(f"{name} is not up after {_START_S:g} s:\n{child.last_lines()}") from None

    async def stop(self, *names: str, within_s: float) -> None:
        """Stop the children of these names, all of them when none is given, at the same time."""
        stopping = [self._children.pop(name) for name in names or list(self._children) if name in self._children]
        await asyncio.gather(*(child.stop(within_s) for child in stopping))

    def _start(self, name: str, command: list[str], env: Mapping[str, str] | None = None) -> None:
        log = self._layout.log / f"{name}.log"
        if name not in self._children:
            log.unlink(missing_ok=True)  # that of an earlier run
        child = Child(name, command, log, env=env, on_end=self._warn)
        self._children[name] = child
        self._group.create_task(child.keep(), name=name)

    def _simulated(self, node: str) -> list[Mapping[str, Any]]:
        """The tables with which a gateway's agent reads the simulated devices."""
        return self._told(node, "source")

    def _told(self, node: str, name: str) -> list[Mapping[str, Any]]:
        """The tables of that name which the simulated devices have for a gateway's agent."""
        path = self._layout.ports_of(node)
        if not path.exists():
            return []
        tables: list[Mapping[str, Any]] = json.loads(path.read_text()).get(name, [])
        return tables

    def _secret(self, path: Path, user: str) -> Path:
        path.touch(mode=0o600)
        path.write_text(self._users[user].password + "\n")
        return path.resolve()


def _aid4(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "aid4", *arguments]
