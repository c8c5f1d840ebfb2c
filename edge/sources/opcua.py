"""OPC UA: subscribes to variables and turns their changes into readings.

[[source]]                      # tested: the sample is the config of the first test
kind = "opcua"
name = "mill"
url = "opc.tcp://127.0.0.1:4840"
browse = "ns=2;s=Mill"          # everything below it, and/or a list of nodes:
nodes = [
    { id = "ns=2;s=Mill.Spindle.Speed", metric = "spindle_speed", unit = "{rev}/min", high = 12000 },
]
machines = false                # true: each machine of the folder Machines (umati, OPC 40001) is a device of its own
events = false                  # true: what the server and its machines raise (events, alarms, conditions) is told too

Numbers become readings; texts, booleans, enumerations (by their labels) and arrays (as JSON) become states. Times are
the source's, status codes become quality. Subscriptions keep the server's own queue size: with a queue of one, 95 % of
fast changes are lost. When the link is lost every point is repeated once as stale; after the reconnect all values are
read again, and one that did not change in between is told once more with the time of that reading.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from asyncua import Client, ua

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import TEXT_SUFFIX, Happening, check_value, counted, events, readings, states
from edge.sources.opcua_events import EVENT_FILTER, EventReader
from edge.sources.opcua_nodes import (
    NODES_MAX,
    Described,
    NodeSpec,
    describe,
    find_machines,
    find_variables,
    known_nodes,
    number_or_text,
    quality_of,
    source_us,
)
from edge.sources.running import Backoff, RunningSource
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.schemas import READINGS, STATES

__all__ = ["SOURCE", "OpcUa", "OpcUaConfig"]

PENDING_MAX = 100_000  # changes that wait for the disk: a minute of a fast machine; beyond it the oldest are dropped
RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0  # between attempts to connect, with jitter
EVENTS_MAX = 1_000  # that wait for the disk; what comes beyond is dropped and counted
WATCH_S = 0.5  # how often the server is asked whether it lives


class OpcUaConfig(SourceConfig, tag="opcua"):
    """Config of one server."""

    url: str
    browse: str = ""
    nodes: tuple[NodeSpec, ...] = ()
    machines: bool = False
    events: bool = False
    period_s: Annotated[float, msgspec.Meta(ge=0.01, le=3600)] = 0.2  # how often the server sends what changed
    sampling_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0  # how often it looks; 0: as often as it can
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 4.0
    user: str = ""
    password: str = ""
    policy: Literal["", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = ""
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    cert: str = ""
    key: str = ""
    server_cert: str = ""


class OpcUa(RunningSource):
    """One OPC UA server as a source."""

    gather_s = 0.0
    again_s = 0.1  # asyncua swallows a cancellation that meets a closing socket

    def __init__(self, config: OpcUaConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock, self._folder = config, context.clock, context.folder
        if not config.browse and not config.nodes and not config.machines:
            raise ConfigError("nothing to subscribe to", field="nodes", fix="give nodes, or a node id to browse")
        if not config.url.startswith("opc.tcp://"):
            raise ConfigError(f"{config.url!r} is no OPC UA address", field="url", fix="write opc.tcp://host:4840")
        for number, spec in enumerate(config.nodes):
            _check_id(spec.id, f"nodes[{number}].id")
        if config.browse:
            _check_id(config.browse, "browse")
        self._ids: dict[tuple[str, bool], int] = {}
        self._described: dict[str, Described] = {}
        self._node_of: dict[int, Described] = {}
        self._kinds: dict[str, Any] = {}
        self._newest: dict[str, tuple[Any, int, int]] = {}
        self._pending: deque[tuple[str, Any, int]] = deque()
        self._again: set[str] = set()
        self._events = EventReader(config.device or config.name)
        self._told: list[Happening] = []
        self._lost = False
        self._client: Client | None = None

    def _poll(self) -> list[Batch]:
        batches = self._take()
        if self._told:
            batches.append(events(self._told))
            self._told = []
        if self._lost:
            self._lost = False
            batches += self._last.stale(range(len(self._points.points)), self._clock.wall_us(), self.health)
        return batches

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Write the variable in its own data type and wait for the server's answer."""
        check_value(point, value)
        described = self._node_of[point.id]
        raw = next((key for key, word in described.labels.items() if word == str(value)), value)
        try:
            if self._client is None:
                raise SourceError("write", f"no connection to {self._config.url}")
            kind = self._kinds[described.node.nodeid.to_string()]
            variant = ua.Variant(_as_kind(raw, kind), kind)
            async with asyncio.timeout(self._config.timeout_s):
                await self._client.get_node(described.node.nodeid).write_value(ua.DataValue(variant))
        except (OSError, ua.UaError, TimeoutError, ValueError) as error:
            self.health.error("write", f"{point.key}: {error}")
            raise SourceError("write", f"{point.key}: {error}") from error

    # -- the connection

    async def _run(self) -> None:
        """Keep a session up until cancelled."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            try:
                await self._session()
            except (OSError, ua.UaError, TimeoutError) as error:
                if self.health.state == "running":
                    backoff.reset()
                    self._lost, self._again = True, set(self._newest)
                    self.health.error("connect", str(error) or "connection lost")
                self.health.state = "waiting"
                self.health.why = str(error) or f"no answer from {self._config.url}"
                self._wake.set()
            await backoff.wait()

    async def _session(self) -> None:
        """Connect, find the nodes, subscribe, and take changes until the link is lost."""
        client = Client(self._config.url, timeout=self._config.timeout_s)
        await self._secure(client)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await client.connect()
            found = await self._find(client)
            subscription = await client.create_subscription(
                1e3 * self._config.period_s, queue_maxsize=PENDING_MAX
            )  # the queue size of the items is left to the server
            answers = await subscription.subscribe_data_change(
                [one.node for one in found], sampling_interval=1e3 * self._config.sampling_s
            )
            self._count_refused(found, answers)
            if self._config.events:
                await self._hear_events(client, subscription)
            self._client = client
            self.health.state, self.health.why = (
                "running",
                self.health.why if self.health.errors.get("subscribe") else "",
            )
            await self._pump(client, subscription)
        finally:
            self._client = None
            await _close(client)

    async def _secure(self, client: Client) -> None:
        config = self._config
        if config.user:
            client.set_user(config.user)
            client.set_password(config.password)
        if config.policy:
            files = [self._folder / name for name in (config.cert, config.key, config.server_cert) if name]
            await client.set_security_string(",".join([config.policy, config.mode, *map(str, files)]))

    async def _find(self, client: Client) -> list[Described]:
        """The variables to subscribe to, described once and remembered over reconnects."""
        for metric, spec in known_nodes(self._config.nodes):
            node = client.get_node(spec.id)
            await self._remember(client, node, metric, spec)
        if self._config.browse:
            async for node, metric in find_variables(client, self._config.browse):
                name = node.nodeid.to_string()
                await self._remember(client, node, metric, NodeSpec(id=name))
        for root, machine in await find_machines(client) if self._config.machines else ():
            self._events.devices[root if isinstance(root, str) else root.to_string()] = machine
            async for node, metric in find_variables(client, root):
                await self._remember(client, node, metric, NodeSpec(id=node.nodeid.to_string()), machine)
        if len(self._described) >= NODES_MAX:
            self.health.error("browse", f"more than {NODES_MAX} variables: the rest is left out")
        if not self._described:
            raise ua.UaError(f"no variables below {self._config.browse}")
        return list(self._described.values())

    async def _remember(self, client: Client, node: Any, metric: str, spec: NodeSpec, device: str = "") -> None:
        name = node.nodeid.to_string()
        if name in self._described:
            self._described[name].node = node
        elif len(self._described) < NODES_MAX:
            self._described[name] = await describe(client, node, metric, spec)
            self._described[name].device = device

    def _count_refused(self, found: list[Described], answers: Any) -> None:
        for described, answer in zip(found, answers, strict=True):
            if isinstance(answer, ua.StatusCode):
                self.health.error("subscribe", f"{described.node.nodeid.to_string()}: {answer.name}")

    async def _pump(self, client: Client, subscription: Any) -> None:
        """Queue changes; ask the server now and then whether it lives."""
        watch = asyncio.create_task(self._watch(client), name="opcua watch")
        try:
            while not watch.done():
                event = await subscription.next_event(timeout=WATCH_S)
                if event is not None and hasattr(event, "node"):
                    self._queue(event.node.nodeid.to_string(), event.data.monitored_item.Value)
                elif event is not None and hasattr(event, "event"):
                    self._heard(event.event.event_fields)
            watch.result()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self, client: Client) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            async with asyncio.timeout(self._config.timeout_s):
                await client.nodes.server_state.read_value()

    async def _hear_events(self, client: Client, subscription: Any) -> None:
        """Those of the server, which are all; then what stands since before, where the server can say it again."""
        try:
            await subscription.subscribe_events(evfilter=EVENT_FILTER)
        except ua.UaError as error:
            self.health.error("subscribe", f"events: {error}")
            return
        with suppress(ua.UaError):
            number = ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)
            kind = client.get_node(ua.ObjectIds.ConditionType)
            await kind.call_method(ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh), number)

    def _heard(self, fields: list[Any]) -> None:
        now_us = self._clock.wall_us()
        try:
            told = self._events.read([getattr(field, "Value", field) for field in fields], now_us)
        except (ValueError, TypeError, OverflowError) as error:
            self.health.error("decode", f"an event: {error}")
            return
        if told is None:
            return
        if len(self._told) >= EVENTS_MAX:
            self.health.error("overflow", f"over {EVENTS_MAX} events wait for the disk")
            return
        self._told.append(told)
        self.health.last_us = now_us
        self._wake.set()

    # -- from changes to rows

    def _queue(self, name: str, value: Any) -> None:
        if len(self._pending) >= PENDING_MAX:
            self._pending.popleft()
            self.health.received += 1
            self.health.discarded += 1
            self.health.error("overflow", f"over {PENDING_MAX} changes wait for the disk")
        self._pending.append((name, value, self._clock.wall_us()))
        self._wake.set()

    def _take(self) -> list[Batch]:
        numbers: list[tuple[int, int, float, int]] = []
        texts: list[tuple[int, int, str, int]] = []
        while self._pending:
            name, value, arrived_us = self._pending.popleft()
            told = value.Value.Value if value.Value is not None else None
            if told is not None:
                self._kinds[name] = value.Value.VariantType
            worth = number_or_text(told, self._described[name].labels)
            quality, at_us = quality_of(value.StatusCode), source_us(value, arrived_us)
            fresh = (worth, at_us, quality)
            if name in self._again:
                self._again.discard(name)
                if self._newest.get(name) == fresh:
                    at_us = arrived_us  # not a new change, but still so after the outage
            self._newest[name] = fresh
            if told is None and (name, False) in self._ids:
                worth = float("nan")
            point = self._point(name, text=isinstance(worth, str))
            if isinstance(worth, str):
                texts.append((point, at_us, worth, quality))
            else:
                numbers.append((point, at_us, worth, quality))
        return self._batches(numbers, texts)

    def _batches(
        self, numbers: list[tuple[int, int, float, int]], texts: list[tuple[int, int, str, int]]
    ) -> list[Batch]:
        batches = []
        if numbers:
            points, times, values, flags = zip(*numbers, strict=True)
            ids, column = np.array(points, dtype=np.uint32), np.array(values, dtype=np.float64)
            good = np.array(flags) == 0
            self._last.take_values(ids[good], column[good])
            quality = np.array(flags, dtype=np.uint8) | self._points.flags(ids, column)
            batches.append(counted(READINGS, readings(ids, np.array(times), column, quality), self.health))
        if texts:
            points, times, words, flags = zip(*texts, strict=True)
            self._last.take_texts(points, words)
            rows = states(np.array(points, np.uint32), np.array(times), words, np.array(flags, np.uint8))
            batches.append(counted(STATES, rows, self.health))
        if batches:
            self.health.last_us = self._clock.wall_us()
            self.health.received += len(numbers) + len(texts)
        return batches

    def _point(self, name: str, *, text: bool) -> int:
        if (name, text) in self._ids:
            return self._ids[name, text]
        described = self._described[name]
        about = described.spec.about() | {
            "writable": described.writable,
            "label": described.spec.label or described.metric,
        }
        device = described.device or self._config.device or self._config.name
        if text:
            suffix = TEXT_SUFFIX if (name, False) in self._ids else ""
            about |= {"unit": "", "low": None, "high": None}
            point = self._points.add(device, described.metric + suffix, kind="state", **about)
        else:
            about |= {"unit": described.unit, "low": described.low, "high": described.high}
            point = self._points.add(device, described.metric, **about)
        self._ids[name, text] = point
        self._node_of[point] = described
        return point


def _check_id(text: str, field: str) -> None:
    try:
        ua.NodeId.from_string(text)
    except (ua.UaError, ValueError) as error:
        raise ConfigError(f"{text!r} is no node id", field=field, fix="write it like ns=2;s=Name or i=85") from error


def _as_kind(value: Any, kind: Any) -> Any:
    """A value as the Python type of an OPC UA type; ValueError when it cannot be one."""
    if kind == ua.VariantType.Boolean:
        return str(value).lower() in {"true", "1", "1.0"}
    if kind in {ua.VariantType.Float, ua.VariantType.Double}:
        return float(value)
    if kind == ua.VariantType.String:
        return str(value)
    if kind == ua.VariantType.LocalizedText:
        return ua.LocalizedText(str(value))
    return int(float(value))


async def _close(client: Client) -> None:
    """End a session without waiting for a server that may be gone."""
    try:
        async with asyncio.timeout(1.0):
            await client.disconnect()
    except (OSError, ua.UaError, TimeoutError):
        pass


SOURCE = SourceKind(OpcUaConfig, OpcUa)
