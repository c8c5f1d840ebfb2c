"""From the broker to committed rows, and back to the agents: acknowledgements after each commit.

The event loop collects what arrives; every `WINDOW_S` the writer's thread makes one transaction of it. While it works
the next batch collects. A flood is collected until it makes a transaction so large that DuckDB writes its rows straight
into the file, past its log and with more than one thread: that takes a sixth less work.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import duckdb
import msgspec
import pyarrow as pa

from twin import ledger
from twin.absorb import Absorber, Batch, Outcome
from twin.fleet.stages import Told
from twin.reconcile import Reconciler
from twin.starts import two_lives
from twin.store import Store
from twin.writer import StoreUnavailableError
from wire.clock import Clock, SystemClock
from wire.errors import Aid4Error, MessageError
from wire.limits import ACK_IDLE_PERIOD_S
from wire.messages import (
    Ack,
    Answer,
    Command,
    DownHello,
    Fetch,
    Health,
    Hello,
    ModelFigures,
    Reply,
    Status,
    decode,
    encode,
)
from wire.mqtt import Link, Message
from wire.topics import down, parse, up

__all__ = ["Ingest", "NodeView"]

WINDOW_S = 0.02  # a commit costs 1.3 ms up to a thousand rows: at 50 commits a second it stays below a tenth
FLOOD_BYTES = 512 << 10  # arriving in one window: two million readings a second
FLOOD_S = 0.12  # most that a flood is collected, so that what is live stays live in it
BATCH_BYTES = 6 << 20  # then nothing is waited for: above half a million rows a larger transaction gains no more
QUEUE_BYTES_MAX = 64 << 20  # twice the sum of all windows; beyond, records are dropped and come again
ASK_PERIOD_S = 0.5  # between two requests for a hello to one node
COMPACT_PERIOD_S = 60.0
HOT_PERIOD_S = 1.0
RETRY_S_MIN, RETRY_S_MAX = 0.25, 5.0
ROUTES_MAX = 65_536
_RECORD_KINDS = ("data", "event", "birth")


@dataclass(slots=True)
class NodeView:
    """What is known of one node, for GET /nodes."""

    node: str
    status: Status | None = None
    hello: Hello | None = None
    health: Health | None = None
    clock_ahead_us: int | None = None  # of the gateway's clock, by its last report of health, on its way included
    last_seen_us: int | None = None
    online: bool = False
    twice: str = ""  # why two gateways with its name are one too many
    counts: Counter[str] = field(default_factory=Counter)


class Ingest:
    """Takes records from the broker into the store. `run` until cancelled; all methods in the loop's thread.

    `metrics` are ever-growing counters; `degraded` says why nothing is stored at the moment; `nodes` is what is
    known of every agent; `on_reply` gets the answers to commands, `on_answer` those to questions, `on_fetch` asks for
    files.
    """

    def __init__(
        self,
        store: Store,
        link_factory: Callable[[], Link],
        site: str,
        *,
        clock: Clock | None = None,
        window_s: float = WINDOW_S,
    ) -> None:
        self.store, self.site = store, site
        self.clock = clock or SystemClock()
        self.reconciler = Reconciler(boot=secrets.randbits(62))
        self.absorber = Absorber(site, self.reconciler, store.points, store.state)
        self.metrics: Counter[str] = Counter()
        self.nodes: dict[str, NodeView] = {}
        self.on_reply: Callable[[str, Reply], None] = lambda _node, _reply: None
        self.on_fetch: Callable[[str, Fetch], None] = lambda _node, _ask: None
        self.on_answer: Callable[[str, Answer], None] = lambda _node, _answer: None
        self.link = link_factory()
        self._window_s = window_s
        self._routes: dict[str, tuple[str, str] | None] = {}
        self._batch, self._bytes = Batch(), 0
        self._arrived, self._plenty = asyncio.Event(), asyncio.Event()
        self._asked_s: dict[str, float] = {}
        self._to_ask: set[str] = set()
        self.last_error = ""

    @property
    def degraded(self) -> str | None:
        """Why nothing can be stored now, or None."""
        return self.store.writer.degraded

    async def run(self) -> None:
        """Own the connection and the tasks until cancelled."""
        self.store.writer.on_doubt.append(self._reread)
        await asyncio.wrap_future(self.store.writer.submit(self._start, writes=False))
        self.nodes = {node: NodeView(node) for node in self.store.nodes()}
        self.link.on_messages = self._on_messages
        self.link.on_connect = self._on_connect
        await self.link.subscribe([(up(self.site, "+", "+"), 1)])
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.link.run(), name="ingest link")
                tasks.create_task(self._commit(), name="ingest commits")
                tasks.create_task(self._tend(), name="ingest acknowledgements")
                tasks.create_task(self._often(COMPACT_PERIOD_S, self.store.tend), name="compaction")
                tasks.create_task(self._often(HOT_PERIOD_S, self.store.keep_hot), name="hot frames")
        finally:
            self.store.writer.on_doubt.remove(self._reread)

    def send(self, node: str, kind: str, message: msgspec.Struct) -> bool:
        """Publish to a node; False when there is no connection."""
        return self._send(node, kind, message)

    def told_models(self) -> dict[str, tuple[int, dict[str, ModelFigures]]]:
        """Of every agent that is there: the desired state it follows, and what it says of its models."""
        views = [view for view in self.nodes.values() if view.online]
        return {v.node: (v.health.desired, v.health.models) if v.health else (0, {}) for v in views}

    def told_sections(self) -> dict[str, Told]:
        """Of every agent that was ever heard of: how the sections of its desired state stand."""
        return {view.node: _told(view) for view in self.nodes.values()}

    def command(self, node: str, command: Command) -> bool:
        """Send a command to a node; False when there is no connection."""
        return self._send(node, "cmd", command)

    def _start(self, connection: object) -> None:
        self._reread()

    def _reread(self) -> None:
        """Mirror the ledger again; in the writer's thread."""
        self.reconciler.load(*ledger.load(self.store.database.connection, self.site))

    def _on_connect(self) -> None:
        self.metrics["connects"] += 1
        for node in self.nodes:
            self._send(node, "hello", DownHello(self.reconciler.boot))

    def _on_messages(self, messages: list[Message]) -> None:
        nodes, payloads, size = self._batch.nodes, self._batch.payloads, 0
        room = QUEUE_BYTES_MAX - self._bytes
        for message in messages:
            topic = message.topic
            route = self._routes[topic] if topic in self._routes else self._route(topic)
            if route is None:
                self.metrics["foreign"] += 1
            elif route[1] in _RECORD_KINDS:
                if size + len(message.payload) > room:
                    self.metrics["overflow"] += 1
                    continue
                size += len(message.payload)
                nodes.append(route[0])
                payloads.append(message.payload)
            else:
                self._control(*route, message)
        self.metrics["messages"] += len(messages)
        self._bytes += size
        self._arrived.set()
        if self._bytes >= BATCH_BYTES:
            self._plenty.set()

    def _route(self, topic: str) -> tuple[str, str] | None:
        """Node and kind of a topic, None when it is none of ours."""
        try:
            parsed = parse(topic)
        except MessageError:
            return None
        route = (parsed.node, parsed.kind) if (parsed.site, parsed.direction) == (self.site, "up") else None
        if len(self._routes) < ROUTES_MAX:
            self._routes[topic] = route
        return route

    def _control(self, node: str, kind: str, message: Message) -> None:
        view = self._view(node)
        try:
            if kind == "hello" and not message.retain:
                view.hello = decode(Hello, message.payload)
                self._batch.hellos.append((node, view.hello))
            elif kind == "status":
                view.status = decode(Status, message.payload)
                self._batch.statuses.append((node, view.status))
            elif kind == "health":
                view.health = decode(Health, message.payload)
                view.clock_ahead_us = None if message.retain else view.health.ts_us - self.clock.wall_us()
            elif kind == "reply":
                self.on_reply(node, decode(Reply, message.payload))
            elif kind == "answer" and not message.retain:
                self.on_answer(node, decode(Answer, message.payload))
            elif kind == "fetch" and not message.retain:
                self.on_fetch(node, decode(Fetch, message.payload))
        except MessageError as error:
            self.metrics["bad_messages"] += 1
            view.counts[f"bad_{kind}_{error.reason}"] += 1
        if not message.retain:
            view.last_seen_us = self.clock.wall_us()
        self._arrived.set()

    async def _commit(self) -> None:
        """Make transactions of what arrives, one at a time."""
        while True:
            await self._collect()
            batch, self._batch, self._bytes = self._batch, Batch(), 0
            self._arrived.clear()
            self._plenty.clear()
            batch.recv_us, batch.now_s = self.clock.wall_us(), self.clock.monotonic_s()
            await self._absorb(batch)

    async def _collect(self) -> None:
        """Wait for something, then a window for its company, then as long as a flood goes on."""
        await self._arrived.wait()
        loop = asyncio.get_running_loop()
        end_s, before = loop.time() + FLOOD_S, self._bytes
        while not self._plenty.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._window_s):
                    await self._plenty.wait()
            if self._bytes - before < FLOOD_BYTES or loop.time() >= end_s:
                return
            before = self._bytes

    async def _absorb(self, batch: Batch) -> None:
        """Store a batch, however long it takes: a sick disk is waited out, a poisonous record found and dropped."""
        retry_s = RETRY_S_MIN
        while True:
            work = partial(self.absorber.absorb, batch=batch)
            future = self.store.writer.submit(work, then=self.absorber.committed, writes=bool(batch.payloads))
            try:
                outcome = await asyncio.wrap_future(future)
            except StoreUnavailableError:
                self.metrics["storage_failures"] += 1
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)
            except Exception as error:  # noqa: BLE001 - one record must not stop the others
                await self._divide(batch, error)
                return
            else:
                self._after(batch, outcome)
                return

    async def _divide(self, batch: Batch, error: Exception) -> None:
        if len(batch.payloads) <= 1:
            self.metrics["poison"] += 1
            self.last_error = f"{type(error).__name__}: {error}"[:500]
            return
        for half in batch.split():
            await self._absorb(half)

    def _after(self, batch: Batch, outcome: Outcome) -> None:
        self.metrics["commits"] += 1
        self.metrics["record_bytes"] += sum(map(len, batch.payloads))
        for node in set(batch.nodes):
            self._view(node).last_seen_us = batch.recv_us
        for node in {name for name, _ in [*batch.hellos, *batch.statuses]}:
            presence = self.reconciler.presence[node]
            view = self._view(node)
            view.online, view.twice = presence.online, two_lives(node, places) if (places := presence.twice) else ""
        self._acknowledge(self.reconciler.acks(outcome.intake.touched))
        self._ask(outcome.intake.ask)

    async def _tend(self) -> None:
        """Repeat acknowledgements each idle second; ask nodes whose name is disputed for a hello."""
        acked_s, records = 0.0, -1
        while True:
            await asyncio.sleep(ASK_PERIOD_S)
            now_s, seen = self.clock.monotonic_s(), self.metrics["record_bytes"]
            if seen != records:
                acked_s, records = now_s, seen
            idle = now_s - acked_s >= ACK_IDLE_PERIOD_S
            try:
                due, disputed = await asyncio.wrap_future(self.store.writer.submit(self._due, writes=False))
            except StoreUnavailableError:
                continue
            self._ask(disputed)
            if idle and self.link.connected:
                acked_s = now_s
                self._acknowledge(due)

    def _due(self, _connection: object) -> tuple[list[tuple[str, Ack]], list[str]]:
        """In the writer's thread, where the ledger is at rest."""
        return self.reconciler.acks(self.reconciler.due_when_idle()), self.reconciler.disputed()

    async def _often(self, period_s: float, tend: Callable[[], object]) -> None:
        """Tend the store again and again; a failure is counted and tried again."""
        while True:
            await asyncio.sleep(period_s)
            try:
                await asyncio.to_thread(tend)
            except (Aid4Error, duckdb.Error, pa.ArrowException, OSError) as error:
                self.metrics["compaction_failures"] += 1
                self.last_error = f"tending the store: {error}"[:500]

    def _acknowledge(self, acks: Iterable[tuple[str, Ack]]) -> None:
        for node, ack in acks:
            self._send(node, "ack", ack)
            self.metrics["acks"] += 1

    def _ask(self, nodes: Iterable[str]) -> None:
        """Ask for hellos, each node at most every ASK_PERIOD_S; the others wait for their turn."""
        now_s = self.clock.monotonic_s()
        self._to_ask.update(nodes)
        for node in list(self._to_ask):
            if now_s - self._asked_s.get(node, -ASK_PERIOD_S) >= ASK_PERIOD_S:
                self._asked_s[node] = now_s
                self._to_ask.discard(node)
                why = self.nodes[node].twice if node in self.nodes else ""
                self._send(node, "hello", DownHello(self.reconciler.boot, why))

    def _send(self, node: str, kind: str, message: msgspec.Struct) -> bool:
        return self.link.publish(down(self.site, node, kind), encode(message))

    def _view(self, node: str) -> NodeView:
        view = self.nodes.get(node)
        if view is None:
            view = self.nodes[node] = NodeView(node)
        return view


def _told(view: NodeView) -> Told:
    health = view.health
    if health is None:
        return Told(view.online)
    failing = frozenset(name for name, source in health.sources.items() if source.state == "failed")
    sections = {"config": health.config, "software": health.software}
    return Told(view.online, health.desired, sections, failing)
