"""The agent: sources → spool → uplink. `run_agent` reads top-down; everything else serves it."""

import asyncio
import logging
import secrets
import sys
from collections.abc import Sequence
from contextlib import aclosing, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge.batcher import Batcher
from edge.cancelling import cancel
from edge.commands import Commands, Write
from edge.config import AgentConfig, load
from edge.epochs import epoch_folders, recover
from edge.health import HealthReport, write_status
from edge.link import link_config
from edge.models import NodeModels
from edge.processing.local import LocalLogic
from edge.processing.source import processed
from edge.publish.outlet import Outlet
from edge.publish.publishers import keep_publishing, publishers
from edge.remote.asks import Asks
from edge.remote.config import NodeConfig
from edge.remote.desired import DesiredState
from edge.remote.logs import FOLDER as LOGS
from edge.renewal import Renewal
from edge.segments import Disk
from edge.slots import Slot, carry_over, kind_of
from edge.sources import SourceContext, SourceHealth, load_kind
from edge.spool import Spool
from edge.update.agent import NodeSoftware, SeenHere
from edge.update.prefix import prefix_booted
from edge.uplink import Uplink
from edge.uplink_core import UplinkCore
from wire.catalogue import Point
from wire.clock import Clock, SystemClock
from wire.errors import RecordError, UserError
from wire.limits import HEALTH_PERIOD_S, WINDOW_BYTES
from wire.messages import Command, Health
from wire.notify import keep_watchdog, notify

if TYPE_CHECKING:
    from edge.scoring import EdgeScoring

__all__ = ["Agent", "Slot", "run_agent", "serve"]

log = logging.getLogger("aid4.edge")

RESTART_S_MIN: Final = 0.5
RESTART_S_MAX: Final = 30.0
AWAY_S: Final = 60.0  # nobody took a record for so long: the disk is spared, not the delay
SETTLED_S: Final = 60.0  # a source that ran so long starts its backoff anew
ADOPT_PERIOD_S: Final = 2.0  # an epoch that somebody puts into the spool is found so soon
CLOSE_S_MAX: Final = 1.0  # a device that does not answer must not hold up the stop
LEAD_BYTES_MAX: Final = WINDOW_BYTES  # pending: on its way, and what waits is still in the spool's cache
LEAD_PAUSE_S: Final = 0.005
STOP_S_MAX: Final = 1.5  # what sources and uplink may take to stop; SIGTERM to SIGKILL is often 2 s on a gateway


async def run_agent(config: AgentConfig, stop: asyncio.Event, clock: Clock | None = None) -> None:
    """Run an agent until `stop` is set; returns when all that was accepted is on the disk."""
    await serve(Agent(config, clock or SystemClock()), stop)


async def serve(agent: "Agent", stop: asyncio.Event) -> None:
    """Sources → spool → uplink, each in a task of its own, until `stop` is set."""
    log.info("epoch %s, sources: %s", agent.spool.epoch.hex()[:8], ", ".join(agent.slots) or "none")
    async with agent.spool:
        agent.declare_sources()
        await _serve(agent, stop)
    write_status(agent.status_file, agent.health())


async def _serve(agent: "Agent", stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        agent.tasks = tasks
        background = [
            tasks.create_task(agent.uplink.run(), name="uplink"),
            tasks.create_task(agent.batcher.run(), name="batcher"),
            tasks.create_task(agent.keep_taking_over(), name="take over earlier epochs"),
            tasks.create_task(agent.maintain(), name="maintain the spool"),
            tasks.create_task(agent.report(), name="health"),
            tasks.create_task(agent.models.run(), name="models"),
            tasks.create_task(agent.remote.run(), name="configuration from afar"),
            tasks.create_task(agent.software.run(), name="updates"),
            tasks.create_task(agent.asks.run(), name="questions of the twin"),
            tasks.create_task(agent.renewal.run(), name="certificate"),
            tasks.create_task(agent.reload_when_asked(), name="reload"),
            tasks.create_task(keep_watchdog(), name="watchdog"),
        ]
        for publisher in agent.publishers:
            name = f"publish {type(publisher).__name__}"
            background.append(tasks.create_task(keep_publishing(publisher), name=name))
        if agent.scoring is not None:
            background.append(tasks.create_task(agent.scoring.run(), name="scoring"))
        if agent.local is not None:
            background.append(tasks.create_task(agent.local.run(), name="local"))
        if agent.config.page is not None:
            background.append(tasks.create_task(agent.serve_page(), name="page"))
        agent.start_sources()
        notify(f"READY=1\nSTATUS={len(agent.slots)} sources")
        await _until(stop, agent.restart, agent.spool.failed)
        notify("STOPPING=1")
        await agent.stop_sources()
        agent.batcher.flush()
        await agent.uplink.farewell()
        for task in background:
            task.cancel()


class Agent:
    """The parts of one agent and how they are joined."""

    def __init__(self, config: AgentConfig, clock: Clock, disk: Disk | None = None) -> None:
        self.config, self.clock, self.disk = config, clock, disk or Disk()
        self.tasks: asyncio.TaskGroup
        self.restart = asyncio.Event()  # this agent ends in order, and another one begins in its place
        self.slots = {source.name: Slot(source, kind_of(source)) for source in config.sources if source.enabled}
        core = UplinkCore(secrets.randbits(62), f"aid4 {_version()}", bytes_s=config.broker.bytes_s)
        self.uplink = Uplink(link_config(config), config.site, config.node, core, clock, self._commanded)
        self.spool = Spool(config.spool_dir, config.spool, clock, self.uplink, self.disk)
        self.uplink.spool = self.spool
        self.batcher = Batcher(self.spool, config.bulk, config.event, clock, self.uplink.birth)
        self.batcher.away = lambda: self.uplink.core.unheard_s(clock.monotonic_s()) > AWAY_S
        self.commands = Commands(config.spool_dir / "command-counter", clock, self._find, self.uplink.reply, self.disk)
        root = config.path(config.models.root_file) if config.models.root_file else None
        self.models = NodeModels(config.spool_dir / "models", root, self.uplink.fetch)
        seen = SeenHere(self.source_health, lambda: self.uplink.heard, lambda: self.uplink.core.pending_bytes)
        self.remote = NodeConfig(
            config.file, config.spool_dir, clock, sources=seen.sources, heard=seen.heard, restart=self.restart.set
        )
        self.software = NodeSoftware(prefix_booted(), config, self.models.parts, clock, seen, running=_version())
        logs, bytes_s = config.spool_dir / LOGS, config.broker.bytes_s
        self.asks = Asks(config.file, logs, lambda: self.remote.kept, self.uplink.answer, bytes_s=bytes_s)
        self.desired = DesiredState()
        self.desired.reached_by = {"models": self.models.desired, "config": self.remote.desired}
        self.desired.reached_by["software"] = self.software.desired
        self.uplink.on_desired, self.uplink.on_file = self.desired.heard, self.models.part
        self.uplink.on_ask = self.asks.heard
        self.scoring = self._make_scoring()
        self.local = self._make_local()
        self.publishers = publishers(config, self._outlet()) if config.publish is not None else []
        self.models.changed = self.remote.changed = lambda: self.uplink.publish_health(self.health())
        self.software.changed = self.models.changed
        self.renewal = Renewal(config, clock, lambda: self.uplink.link_error)
        self.status_file = config.spool_dir / "status.json"
        self._report = HealthReport(self.spool, self.uplink, self.batcher, clock)
        self._reload_wanted = asyncio.Event()
        self._looked_at: set[str] = set()  # epochs by the name of their folder

    # -- sources

    def declare_sources(self) -> None:
        """Make the sources and write the first catalogue, so that it is the first record of the epoch."""
        for slot in self.slots.values():
            self._create(slot)
        self.batcher.redeclare()

    def start_sources(self) -> None:
        """Run every source in a task of its own."""
        for slot in self.slots.values():
            self._start(slot)

    def source_health(self) -> dict[str, SourceHealth]:
        """How every source does, by name."""
        return {name: slot.health for name, slot in self.slots.items()}

    async def stop_sources(self) -> None:
        """Stop all sources; what they have handed over stays."""
        await cancel([slot.task for slot in self.slots.values() if slot.task is not None], STOP_S_MAX)

    def ask_reload(self) -> None:
        """Have the configuration file read again (SIGHUP)."""
        self._reload_wanted.set()

    async def reload_when_asked(self) -> None:
        """Reload on demand; a configuration that is wrong changes nothing and is told in the status."""
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            try:
                await self.reload()
            except UserError as error:
                self._report.note(f"the configuration was not taken over: {error}")
                log.warning("the configuration was not taken over: %s", error)

    async def reload(self) -> None:
        """Read the configuration file again and put its sources in place of those that changed."""
        fresh = {source.name: source for source in load(self.config.file).sources if source.enabled}
        gone = [slot for name, slot in self.slots.items() if fresh.get(name) != slot.config]
        await cancel([slot.task for slot in gone if slot.task is not None], STOP_S_MAX)
        self.batcher.flush()
        for slot in gone:
            del self.slots[slot.config.name]
            self.batcher.catalogue.forget(slot.config.name)
        for name, config in fresh.items():
            if name not in self.slots:
                slot = self.slots[name] = Slot(config, kind_of(config))
                self._create(slot)
                self._start(slot)
        self.batcher.redeclare()

    def _create(self, slot: Slot) -> None:
        """A fresh instance, whose points the catalogue learns; its counters go on."""
        before, name = slot.health, slot.config.name
        context = SourceContext(self.clock, self.config.file.parent, self.spool.position(name))
        tap = self.local.hear_all if self.local is not None else _unheard
        bare = load_kind(slot.kind).create(slot.config, context)
        source = processed(bare, self.config.processing.process, tap)
        slot.source, slot.health = source, source.health
        carry_over(before, slot.health)
        self.batcher.catalogue.forget(name)
        self.batcher.catalogue.learn(name, source.points())

    def _start(self, slot: Slot) -> None:
        slot.task = self.tasks.create_task(self._keep_running(slot), name=f"source {slot.config.name}")

    async def _keep_running(self, slot: Slot) -> None:
        """Run a source until it ends by itself; after an error start it again with backoff. Others never notice."""
        backoff_s = RESTART_S_MIN
        while True:
            started_s = self.clock.monotonic_s()
            try:
                await self._pump(slot)
            except Exception as error:  # noqa: BLE001 - whatever a source raises stops this source only
                slot.health.error("run", f"{type(error).__name__}: {error}")
                slot.health.state = "failed"
                log.warning("source %s: %s; starts again in %.1f s", slot.config.name, slot.health.why, backoff_s)
            else:
                if slot.health.state != "failed":  # a recording that breaks off in the middle says so itself
                    slot.health.state = "ended"
                log.info("source %s is %s", slot.config.name, slot.health.state)
                return
            if self.clock.monotonic_s() - started_s > SETTLED_S:
                backoff_s = RESTART_S_MIN
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, RESTART_S_MAX)
            slot.source = None

    async def _pump(self, slot: Slot) -> None:
        if slot.source is None:
            self._create(slot)
        assert slot.source is not None
        source = await slot.source.__aenter__()
        try:
            async with aclosing(source.batches()) as batches:  # type: ignore[type-var]  # sources yield, so it closes
                async for batch in batches:
                    await self.batcher.put(slot.config.name, source.points(), batch)
                    await asyncio.sleep(0)  # a source that never waits must not starve the uplink
                    if getattr(source, "can_wait", False):
                        await self._let_the_twin_follow()
        finally:
            error = sys.exc_info()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S_MAX):
                    await source.__aexit__(*error)

    async def _let_the_twin_follow(self) -> None:
        """Hold a source that loses nothing by waiting, so that its records go on from memory, not from disk."""
        core, half = self.uplink.core, self.config.spool.budget_bytes // 2
        while core.pending_bytes > (LEAD_BYTES_MAX if core.answered else half):  # noqa: ASYNC110 - many things end it
            await asyncio.sleep(LEAD_PAUSE_S)

    # -- housekeeping

    async def keep_taking_over(self) -> None:
        """Take over the epochs of earlier starts, then those that are put beside them."""
        while True:
            await self.take_over()
            await asyncio.sleep(ADOPT_PERIOD_S)

    async def take_over(self) -> None:
        """Read the epochs back that nobody has looked at, newest first, and drain them."""
        self._looked_at.add(self.spool.epoch.hex())
        found, folders = [], list[Path]()
        with suppress(FileNotFoundError):  # retention has just deleted one
            folders = [one for one in epoch_folders(self.spool.folder) if one.name not in self._looked_at]
        for folder in folders:
            self._looked_at.add(folder.name)
            try:
                found.append(await asyncio.to_thread(recover, folder, self.disk))
            except (OSError, RecordError) as error:
                self._report.note(f"epoch {folder.name} was left alone: {error}")
        for recovered in sorted(found, key=lambda each: each.began_us):
            self.uplink.adopt(recovered)
            self.spool.adopt(recovered)

    async def maintain(self) -> None:
        """Retention and thinning, once a second."""
        while True:
            await asyncio.sleep(1.0)
            self.spool.maintain(self.uplink.core.covered)

    async def report(self) -> None:
        """Tell the twin and the status file how things are."""
        await asyncio.sleep(1.0)
        while True:
            health = self.health()
            self.uplink.publish_health(health)
            await asyncio.to_thread(write_status, self.status_file, health)
            await asyncio.sleep(HEALTH_PERIOD_S)

    async def serve_page(self) -> None:
        """The gateway's own page, where the configuration asks for it; else nothing of it is loaded."""
        from edge.page import serve_page

        await serve_page(self.config, self.batcher, self.health, lambda: self.local.alarms if self.local else [])

    def health(self) -> Health:
        """How the agent does now."""
        report = self._report.take({name: (slot.kind, slot.health) for name, slot in self.slots.items()})
        host = report.host | self.renewal.figures() | (self.scoring.figures() if self.scoring is not None else {})
        for publisher in self.publishers:
            host |= publisher.figures()
        return msgspec.structs.replace(
            report,
            host=host,
            desired=self.desired.revision,
            models=self.models.figures(),
            config=self.remote.figures(),
            software=self.software.figures(),
        )

    def _make_scoring(self) -> "EdgeScoring | None":
        """Detectors on this gateway, where the configuration asks for them; else nothing of them is loaded."""
        if self.config.scoring is None:
            return None
        from edge.scoring import EdgeScoring

        scoring = EdgeScoring(self.config, self.batcher, self.clock, models=self.models.files)
        self.models.scorer = scoring.facts
        return scoring

    def _make_local(self) -> LocalLogic | None:
        """Derived points, rules and interlocks, where the configuration has any."""
        processing = self.config.processing
        if not (processing.derived or processing.rule or processing.interlock):
            return None
        local = LocalLogic(processing, self.batcher, self.clock, self.commands.by_rule)
        self.commands.interlock = local.refusal
        return local

    def _outlet(self) -> Outlet:
        """What publishers are lent."""
        config, catalogue = self.config, self.batcher.catalogue
        return Outlet(
            site=config.site,
            node=config.node,
            folder=config.file.parent,
            spool_dir=config.spool_dir,
            clock=self.clock,
            points=lambda: catalogue.points,
            offered=self._offered,
            write=self.commands.local,
            listeners=self.batcher.listeners,
        )

    def _offered(self) -> set[str]:
        sources = [slot.source for slot in self.slots.values() if slot.source is not None]
        return {point.key for source in sources for point in source.points()}

    # -- commands

    def _commanded(self, command: Command, retained: bool) -> None:
        self.tasks.create_task(self.commands.carry_out(command, retained=retained), name=f"command {command.id}")

    def _find(self, key: str) -> tuple[Point, Write] | None:
        for slot in self.slots.values():
            for point in slot.source.points() if slot.source is not None else []:
                if point.key == key and slot.source is not None:
                    return point, slot.source.write
        return None


def _unheard(_points: Sequence[Point], _columns: object) -> None:
    """Nobody on this gateway asks for what is thinned away."""


async def _until(stop: asyncio.Event, restart: asyncio.Event, failed: asyncio.Future[None]) -> None:
    """Wait to be stopped; raises what ended the spool's writer, since without it nothing can be accepted."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in (stop, restart)]
    try:
        await asyncio.wait([*waits, failed], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if failed.done():
        failed.result()


def _version() -> str:
    with suppress(PackageNotFoundError):
        return version("aid4")
    return "0"
