"""The all-in-one park: broker, simulated devices, one agent and the twin, each a process, wired together."""

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aid4.account import Ledger, Tally, compare, ledger_of, spooled
from aid4.broker import Broker
from aid4.park_children import ParkChildren, broker_users
from aid4.park_config import NODE, Layout, ParkOptions, replay_sources, site_name
from aid4.twin_client import TwinClient, TwinSilentError
from edge.epochs import epoch_folders
from edge.health import read_status
from wire.errors import Aid4Error, UserError
from wire.messages import Health

__all__ = ["Park", "Report"]

_POLL_S = 0.1
_NARRATE_S = 2.0
_STOP_S = 1.5  # so that the whole park stops within three seconds
_SETTLE_S = 5.0  # the agent's last flush, the twin's last checkpoint
_DRAIN_S = 30.0  # without progress the rest of the spool counts as not stored


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
    """One park in its data directory; `say` gets each line that a person should read, `show` one that passes."""

    def __init__(
        self, options: ParkOptions, say: Callable[[str], None], show: Callable[[str], None] | None = None
    ) -> None:
        self.options, self._say, self._show = options, say, show
        self.layout = Layout(options.data_dir)
        self.site = site_name(options.site)
        self.report = Report()
        self._started_s = time.monotonic()
        self._stop = asyncio.Event()
        self._recordings, warnings = replay_sources(options.site, options.replays, options.speed)
        self.report.warnings += warnings

    def stop(self) -> None:
        """End the run early; nothing is counted then."""
        self._stop.set()

    async def run(self) -> Report:
        """Bring the park up, keep it, take it down; raises the UserError or ChildError that prevents it."""
        self.layout.create()
        with _locked(self.layout.lock), _free(self.options.port) as port:
            self._claim()
            before = await asyncio.to_thread(ledger_of, self.layout.twin)
            users = broker_users(self.site)
            try:
                with Broker(self.layout.broker, users, kind=self.options.broker) as broker:
                    self._say(f"broker    {broker.kind} on 127.0.0.1:{broker.port}, for this machine only")
                    async with asyncio.TaskGroup() as group:
                        keeper = group.create_task(broker.keep(self._warn), name="broker")
                        children = ParkChildren(self.options, self.site, broker, group, self._warn)
                        await self._live(children, TwinClient(port), before)
                        keeper.cancel()
            except ExceptionGroup as several:
                raise _first(several.subgroup(Aid4Error) or several) from None
        return self.report

    def _claim(self) -> None:
        """A data directory belongs to one site: another one's readings would drain under a wrong name."""
        marker = self.layout.root / "site"
        if marker.exists() and (owner := marker.read_text().strip()) != self.site:
            fix = "give this site its own --data-dir"
            raise UserError(f"holds the data of the site {owner}", file=str(self.layout.root), fix=fix)
        marker.write_text(self.site + "\n")

    async def _live(self, children: ParkChildren, twin: TwinClient, before: Ledger) -> None:
        """From nothing to a page, to the end of the run, to the count."""
        try:
            if await self._unless_stopped(self._bring_up(children, twin)):
                await self._unless_stopped(self._watch(children, twin))
            if self.options.seconds is not None and not self._stop.is_set():
                await self._unless_stopped(self._settle(children, twin, before))
        finally:
            await children.stop(within_s=_STOP_S)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do it to its end, or drop it when a person says stop; whether it was done."""
        doing = asyncio.create_task(work, name="park")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            doing.cancel()
            await asyncio.wait({doing, stopped})
        if doing.cancelled():
            return False
        doing.result()
        return True

    async def _bring_up(self, children: ParkChildren, twin: TwinClient) -> None:
        """The twin waits for its model only, the agent for its devices only."""

        async def start_twin() -> None:
            children.start_twin(twin.port, await children.author_model())
            await children.until("twin", twin.ready)

        async def start_field() -> None:
            devices = await children.start_devices()
            if devices:
                speed = f"{self.options.sim_speed:g}x"
                self._say(f"devices   {devices} sources simulated, seed {self.options.seed}, {speed}")
            self._say(f"agent     {NODE} with {children.start_agent(self._recordings)} sources")

        async with asyncio.TaskGroup() as both:
            both.create_task(start_twin(), name="start twin")
            both.create_task(start_field(), name="start field")
        self._say(f"page      {twin.url}")

    async def _watch(self, children: ParkChildren, twin: TwinClient) -> None:
        """Note the first value, tell of a model that was refused, then sit until the time is up."""
        left_s = None
        if self.options.seconds is not None:
            left_s = max(0.0, self._started_s + self.options.seconds - time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s), asyncio.TaskGroup() as group:
                group.create_task(self._model_refused(children), name="model")
                await self._value_shown(twin)
                self.report.first_value_s = round(time.monotonic() - self._started_s, 2)
                self._say(f"          first value after {self.report.first_value_s:.1f} s; Ctrl-C stops the park")
                await self._narrate(twin)

    async def _model_refused(self, children: ParkChildren) -> None:
        while True:
            await asyncio.sleep(10 * _POLL_S)
            if problem := children.model_problem():
                self._warn(f"the model is not shown: {problem}")
                return

    async def _narrate(self, twin: TwinClient) -> None:
        """Say now and then how much has come in, where somebody looks."""
        before, before_s = 0, 0.0
        while True:
            if self._show is None:
                await self._stop.wait()
            with contextlib.suppress(TwinSilentError):
                counts, now_s = (await twin.get("site"))["counts"], time.monotonic()
                rate = (counts["readings"] - before) / (now_s - before_s)
                bound = f"{counts['bound_points']} of {counts['points']} points bound"
                if before_s and self._show is not None:
                    self._show(f"          {counts['readings']:,} readings, {rate:,.0f} a second, {bound}")
                before, before_s = counts["readings"], now_s
            await asyncio.sleep(_NARRATE_S)

    async def _value_shown(self, twin: TwinClient) -> None:
        while True:
            with contextlib.suppress(TwinSilentError):
                items = (await twin.get("state?limit=100"))["items"]
                if any(item["value"] is not None for item in items):
                    return
            await asyncio.sleep(_POLL_S)

    async def _settle(self, children: ParkChildren, twin: TwinClient, before: Ledger) -> None:
        """Stop what makes readings, wait until the spool is empty, then compare spool and database at rest."""
        await children.stop("agent", within_s=_SETTLE_S)
        await children.stop("devices", within_s=_SETTLE_S)
        health = read_status(self.layout.status)
        self.report.warnings += _agent_warnings(health)
        if health is None or health.spool.pending_records:
            self.layout.status.unlink(missing_ok=True)
            children.start_agent([], drain=True)
            await self._drained(twin)
        accepted = await asyncio.to_thread(spooled, self.layout.spool, NODE, before.committed)
        await self._look_around(twin)
        await children.stop(within_s=_SETTLE_S)
        after = await asyncio.to_thread(ledger_of, self.layout.twin)
        self._close_books(compare(accepted, before, after), before, after)

    async def _drained(self, twin: TwinClient) -> None:
        """Wait until an agent without sources has emptied every epoch of the spool, or makes no progress."""
        pending, rows, progress_s = -1, -1, time.monotonic()
        epochs = len(epoch_folders(self.layout.spool))
        while time.monotonic() - progress_s < _DRAIN_S:
            await asyncio.sleep(5 * _POLL_S)
            health = read_status(self.layout.status)
            if health is not None and health.spool.epochs >= epochs and not health.spool.pending_records:
                return
            with contextlib.suppress(TwinSilentError):
                now = (health.spool.pending_records if health else -1, (await twin.get("site"))["counts"]["readings"])
                if now != (pending, rows):
                    (pending, rows), progress_s = now, time.monotonic()
        self._warn(f"the spool was not empty {_DRAIN_S:g} s after its last progress")

    async def _look_around(self, twin: TwinClient) -> None:
        try:
            counts = (await twin.get("site"))["counts"]
        except TwinSilentError as error:
            self._warn(f"the twin did not say how it does: {error}")
            return
        self.report.points, self.report.bound_points = counts["points"], counts["bound_points"]
        self.report.elements = counts["elements"]

    def _close_books(self, tally: Tally, before: Ledger, after: Ledger) -> None:
        report = self.report
        report.accepted, report.stored = tally.accepted, tally.stored
        report.lost, report.duplicated = tally.lost, tally.duplicated
        if after.quarantined > before.quarantined:
            report.warnings.append(f"records put into quarantine: {after.quarantined - before.quarantined}")
        if after.gaps > before.gaps:
            report.warnings.append(f"gaps recorded: {after.gaps - before.gaps}")
        if report.points > report.bound_points:
            report.warnings.append(f"points bound to no element: {report.points - report.bound_points}")

    def _warn(self, text: str) -> None:
        self.report.warnings.append(text)
        self._say(f"warning   {text}")


def _first(error: Exception) -> Exception:
    """The first error inside nested groups."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _agent_warnings(health: Health | None) -> list[str]:
    """What an operator should know of the figures that an agent writes when it stops."""
    if health is None:
        return ["the agent left no figures"]
    found = []
    for name, source in health.sources.items():
        errors = ", ".join(f"{count} x {stage}" for stage, count in source.errors.items())
        if source.discarded:
            found.append(f"{name}: readings discarded: {source.discarded} ({source.why or errors or 'unknown'})")
        elif source.errors:
            found.append(f"{name}: {errors} ({source.why or 'it works again'})")
    if health.spool.refused:
        found.append(f"readings refused since the spool was full: {health.spool.refused}")
    if health.spool.thinned:
        found.append(f"readings thinned since the spool was full: {health.spool.thinned}")
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
def _free(port: int) -> Iterator[int]:
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
