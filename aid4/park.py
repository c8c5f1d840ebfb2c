"""The all-in-one park: broker, simulated devices, one agent a gateway and the twin, each a process, wired together."""

import asyncio
import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from aid4.account import Ledger, ledger_of
from aid4.broker import Broker
from aid4.park_children import ParkChildren, broker_users
from aid4.park_config import NODE, Layout, ParkOptions, gateways, replay_sources, site_name
from aid4.park_outside import Outside
from aid4.park_past import ParkPast
from aid4.processes import ChildError
from aid4.settle import Report, settle
from aid4.twin_client import TwinClient, TwinSilentError
from wire.errors import Aid4Error, UserError

__all__ = ["Park"]

_POLL_S = 0.1
_NARRATE_S = 2.0
_STOP_S = 1.5  # so that the whole park stops within three seconds


class Park:
    """One park in its data directory; `say` gets each line that a person should read, `show` one that passes.

    With `play` the park lives as long as that does, and is counted."""

    def __init__(
        self,
        options: ParkOptions,
        say: Callable[[str], None],
        show: Callable[[str], None] | None = None,
        *,
        play: Callable[[TwinClient], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.options, self._say, self._show, self._play = options, say, show, play
        self._is_counted = options.seconds is not None or play is not None
        self.layout = Layout(options.data_dir)
        self.site = site_name(options.site)
        self.nodes = gateways(options.site) if options.sim else (NODE,)
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
        self.layout.create(self.nodes)
        with _locked(self.layout.lock), _free(self.options.port) as port:
            self._claim()
            self._past = ParkPast(self.options, self.layout, self.nodes)
            before = await asyncio.to_thread(ledger_of, self.layout.twin) if self._is_counted else Ledger()
            users = broker_users(self.site, self.nodes)
            try:
                with Broker(self.layout.broker, users, kind=self.options.broker) as broker:
                    self._say(f"broker    {broker.kind} on 127.0.0.1:{broker.port}, for this machine only")
                    async with asyncio.TaskGroup() as group:
                        keepers = [group.create_task(broker.keep(self._warn), name="broker")]
                        children = ParkChildren(self.options, self.site, self.nodes, broker, group, self._warn)
                        with self._opened() as children.outside:
                            if (outside := children.outside) is not None:
                                keeping = outside.broker.keep(self._warn)
                                keepers.append(group.create_task(keeping, name="broker outside"))
                                keepers.append(group.create_task(outside.follow(self._warn), name="trust"))
                            await self._live(children, TwinClient(port, children.service_token), before)
                            for keeper in keepers:
                                keeper.cancel()
            except ExceptionGroup as several:
                raise _first(several.subgroup(Aid4Error) or several) from None
        return self.report

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Outside | None]:
        """The way in for gateways from outside, where somebody asked for one."""
        if self.options.listen is None:
            yield None
            return
        folder = self.layout.root / "broker-outside"
        with Outside(self.options.listen, folder, self.layout.twin, self.site, self.options.broker) as outside:
            self._say(outside.tell())
            yield outside

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
            if self._is_counted and not self._stop.is_set():
                counting = settle(self.report, self.layout, self.nodes, children, twin, before, self._warn)
                await self._unless_stopped(counting)
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
            children.start_devices()
            if self.options.sim:
                children.prepare_agent(self.nodes[0])  # of the devices that listen first
                self._say(f"devices   simulated, seed {self.options.seed}, {self.options.sim_speed:g}x")
            for node in self.nodes:  # none waits for the devices of another
                await children.devices_of(node)
                self._say(f"agent     {node} with {children.start_agent(node, self._recordings)} sources")

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
                tasks = [group.create_task(self._model_refused(children), name="model")]
                await self._value_shown(twin)
                self.report.first_value_s = round(time.monotonic() - self._started_s, 2)
                self._say(f"          first value after {self.report.first_value_s:.1f} s; Ctrl-C stops the park")
                tasks.append(group.create_task(self._make_past(), name="past"))
                await (self._play or self._narrate)(twin)
                for task in tasks:
                    task.cancel()

    async def _make_past(self) -> None:
        """Give a new twin the days before, from the same simulated devices."""
        if not self._past.wanted:
            return
        try:
            days = await self._past.make()
        except ChildError as error:
            self._warn(f"the park has no past: {error}")
        else:
            self._say(f"past      {days:g} simulated days before this start are on their way to the twin")

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

    def _warn(self, text: str) -> None:
        self.report.warnings.append(text)
        self._say(f"warning   {text}")


def _first(error: Exception) -> Exception:
    """The first error inside nested groups."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


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
