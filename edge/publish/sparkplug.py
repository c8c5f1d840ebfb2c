"""An agent as a Sparkplug B 3.0 edge node: one device a device of its catalogue, one metric a point.

Births name every metric with alias, unit and limits; data goes by alias, what is of the past in messages of its own.
With `host_id` the node is born only while that primary host says it is online; what is measured meanwhile is stored on
disk and told as historical after the next birth. A point that is new brings its device's birth anew. DCMD goes the way
of every command of the agent: type, range, age and repetition are checked before the source is asked.
"""

import asyncio
import random
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec

from edge.publish.config import SparkplugOutConfig
from edge.publish.outlet import Outlet, Row, Rows
from edge.publish.sparkplug_metrics import birth_metric, data_metric, death, rebirth_metric, split, type_of
from edge.publish.store import MessageStore
from edge.sources import SourceError
from edge.sources.sparkplug_message import Payload, PayloadError, decode
from edge.sources.sparkplug_values import LeftOutError, ValueRefusedError, parts, put, type_for
from wire.catalogue import Point
from wire.limits import CLOCK_TRUSTED_FROM_US
from wire.mqtt import Link, Message
from wire.mqtt.packets import Will
from wire.quality import HISTORICAL

__all__ = ["SparkplugOut"]

NAMESPACE: Final = "spBv1.0"
METRICS_A_MESSAGE: Final = 500  # 15 KB by alias
STORED_FILES_A_ROUND: Final = 4  # 1 MiB of the past between two rounds of the present
RECONNECT_S: Final = (0.2, 2.0)  # after the host went away
COMMANDS_MAX: Final = 64  # at once
COMMANDS_KNOWN_MAX: Final = 1_000
SEQ: Final = 256
_FIGURES: Final = ("births", "sent", "stored", "replayed", "commands", "refused")


class SparkplugOut:
    """The edge node; `run` until cancelled. `counts` are its figures."""

    def __init__(self, config: SparkplugOutConfig, outlet: Outlet) -> None:
        self._config, self._outlet = config, outlet
        self._rows = Rows(outlet, config.points)
        self._base = (config.group or outlet.site, config.node or outlet.node)
        folder = outlet.spool_dir / "publish-sparkplug"
        self._store = MessageStore(folder, config.store_bytes)
        self._bd_file = folder / "bdseq"
        self._bd_seq = _read_number(self._bd_file)
        self._seq = 0
        self._born: dict[str, int] = {}  # metrics of each device in its last birth
        self._host_ms = -1
        self._host_online = not config.host_id
        self._rebirth = False
        self._over = asyncio.Event()
        self._commands: asyncio.Queue[tuple[Point, float | str | bool]] = asyncio.Queue(COMMANDS_MAX)
        self._known: OrderedDict[tuple[str, int], None] = OrderedDict()
        self.counts: dict[str, int] = dict.fromkeys(_FIGURES, 0)

    def figures(self) -> dict[str, float | int | str]:
        """What it did, for the health report."""
        found: dict[str, float | int | str] = {f"sparkplug_{name}": count for name, count in self.counts.items()}
        return found | {
            "sparkplug_store_bytes": self._store.used_bytes,
            "sparkplug_dropped": self._store.dropped + self._rows.dropped,
        }

    @property
    def alive(self) -> bool:
        """Whether hosts know of it now."""
        return "" in self._born

    async def run(self) -> None:
        """One session after the other; the next begins when the primary host goes."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._carry_out(), name="sparkplug commands")
            while True:
                await self._session()
                await asyncio.sleep(random.uniform(*RECONNECT_S))  # noqa: S311 - spreads a herd of nodes

    # -- sessions

    async def _session(self) -> None:
        config = self._config
        link = Link(config.link(f"sparkplug-{self._base[1]}", self._outlet.folder))
        self._over.clear()
        self._host_online, self._host_ms = not config.host_id, -1
        link.on_messages = self._take
        link.on_disconnect = lambda reason: self._ended(link)
        await link.subscribe([(self._topic("NCMD"), 1), (self._topic("DCMD", "+"), 1)])
        if config.host_id:
            await link.subscribe([(f"{NAMESPACE}/STATE/{config.host_id}", 1)])
        self._new_will(link)
        async with link:
            try:
                while not self._over.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(config.period_s):
                            await self._over.wait()
                    self._round(link)
            finally:
                if self.alive:
                    self._say_death(link)  # a clean goodbye keeps the broker from telling the will
                link.on_disconnect = lambda reason: None
                self._born = {}

    def _new_will(self, link: Link) -> None:
        """The next session's number, on disk before it is used, and its will."""
        self._bd_seq = (self._bd_seq + 1) % SEQ
        with suppress(OSError):
            self._bd_file.write_text(f"{self._bd_seq}\n")
        will = Will(self._topic("NDEATH"), death(self._bd_seq, self._now_ms()), qos=1, retain=False)
        link.config = replace(link.config, will=will)

    def _ended(self, link: Link) -> None:
        self._born = {}
        self._host_online, self._host_ms = not self._config.host_id, -1
        self._new_will(link)

    def _say_death(self, link: Link) -> None:
        link.publish(self._topic("NDEATH"), death(self._bd_seq, self._now_ms()))
        self._born = {}

    # -- one round

    def _round(self, link: Link) -> None:
        rows = self._rows.take()
        if not (link.connected and self._host_online):
            self._keep(rows)
            return
        if not self.alive or self._rebirth:
            self._rebirth = False
            self._be_born(link)
        devices = self._by_device()
        for device, points in devices.items():
            if self._born.get(device) != len(points):
                self._device_birth(link, device, points)
        self._tell(link, rows)
        for _ in range(STORED_FILES_A_ROUND):
            if not self._replay(link):
                break

    def _be_born(self, link: Link) -> None:
        self._seq = 0
        payload = Payload(timestamp=self._now_ms(), seq=self._turn())
        put(payload.metrics.add(name="bdSeq", timestamp=payload.timestamp), "Int64", self._bd_seq)
        rebirth_metric(payload)
        self._born = {}
        if link.publish(self._topic("NBIRTH"), payload.SerializeToString()):
            self._born[""] = 0
            self.counts["births"] += 1

    def _device_birth(self, link: Link, device: str, points: list[Point]) -> None:
        payload = Payload(timestamp=self._now_ms(), seq=self._turn())
        for point in points:
            birth_metric(payload, point, self._rows.latest.get(point.id), payload.timestamp)
        if link.publish(self._topic("DBIRTH", device), payload.SerializeToString()):
            self._born[device] = len(points)

    def _tell(self, link: Link, rows: list[Row]) -> None:
        """Rows as messages, a device and a time (present or past) each."""
        for device, run in self._grouped(rows):
            payload = Payload(timestamp=self._now_ms(), seq=self._turn())
            for point, row in run:
                data_metric(payload, point, row)
            if link.publish(self._topic("DDATA", device), payload.SerializeToString()):
                self.counts["sent"] += len(run)
            else:
                self._rebirth = True  # a number was used and never told

    def _keep(self, rows: list[Row]) -> None:
        """Rows for later, named in full: aliases do not outlive their session."""
        for device, run in self._grouped(rows):
            payload = Payload(timestamp=self._now_ms())
            for point, row in run:
                data_metric(payload, point, row, by_name=True)
            with suppress(OSError):
                self._store.put(device, payload.SerializeToString())
                self.counts["stored"] += len(run)

    def _replay(self, link: Link) -> bool:
        """The oldest file of what was kept; each message gets its place in the sequence now."""
        for device, message in self._store.oldest():
            if device in self._born:
                stamped = message + Payload(seq=self._turn()).SerializeToString()  # later fields join a message
                if not link.publish(self._topic("DDATA", device), stamped):
                    self._rebirth = True
                    return False
                self.counts["replayed"] += 1
        self._store.done()
        return bool(self._store)

    def _grouped(self, rows: list[Row]) -> list[tuple[str, list[tuple[Point, Row]]]]:
        points = self._outlet.points()
        groups: dict[tuple[str, bool], list[Row]] = {}
        for row in rows:
            groups.setdefault((points[row.point].device, bool(row.quality & HISTORICAL)), []).append(row)
        return [
            (device, [(points[row.point], row) for row in part])
            for (device, _), group in groups.items()
            for part in split(group, METRICS_A_MESSAGE)
        ]

    def _by_device(self) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        for point in self._rows.wanted():
            found.setdefault(point.device, []).append(point)
        return found

    # -- what is heard

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            kind = message.topic.split("/")[1:3]
            if kind[0] == "STATE":
                self._hear_host(message)
            elif message.retain:
                self.counts["refused"] += 1
            else:
                self._hear_command(message)

    def _hear_host(self, message: Message) -> None:
        """The primary host's word counts unless it is older than the last (§5.7)."""
        try:
            state = msgspec.json.decode(message.payload, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        ms, online = state.get("timestamp"), state.get("online")
        if not isinstance(ms, int) or not isinstance(online, bool) or ms < self._host_ms:
            return
        self._host_ms = ms
        if self._host_online and not online:
            self._over.set()
        self._host_online = online

    def _hear_command(self, message: Message) -> None:
        levels = message.topic.split("/")
        device = levels[4] if len(levels) == 5 else ""
        try:
            payload = decode(message.payload)
        except PayloadError:
            self.counts["refused"] += 1
            return
        for metric in payload.metrics:
            if not device:
                self._rebirth |= metric.name == "Node Control/Rebirth" and metric.boolean_value
            elif (found := self._checked(device, metric, metric.timestamp or payload.timestamp)) is None:
                self.counts["refused"] += 1
            else:
                try:
                    self._commands.put_nowait(found)
                except asyncio.QueueFull:
                    self.counts["refused"] += 1

    def _checked(self, device: str, metric: Any, ms: int) -> tuple[Point, float | str | bool] | None:
        """A command that names a writable point, has its type, is of now and was not given before."""
        points = self._outlet.points()
        named = next((p for p in self._rows.wanted() if p.device == device and p.metric == metric.name), None)
        if named is None and metric.HasField("alias") and 0 < metric.alias <= len(points):
            named = points[metric.alias - 1]
        now_us = self._outlet.clock.wall_us()
        life_ms = self._config.command_life_s * 1_000
        if named is None or named.device != device or not self._config.commands or now_us < CLOCK_TRUSTED_FROM_US:
            return None
        if not named.writable or abs(now_us / 1_000 - ms) > life_ms or (named.key, ms) in self._known:
            return None
        self._known[named.key, ms] = None
        while len(self._known) > COMMANDS_KNOWN_MAX:
            self._known.popitem(last=False)
        try:
            (part,) = parts(metric, type_of(named))
            value: Any = part.value == "true" if type_of(named) == "Boolean" else part.value
            return None if value is None else (named, type_for(type_of(named), value))
        except (ValueError, ValueRefusedError, LeftOutError):
            return None

    async def _carry_out(self) -> None:
        while True:
            point, value = await self._commands.get()
            try:
                await self._outlet.write(point.key, value)
                self.counts["commands"] += 1
            except SourceError:
                self.counts["refused"] += 1
                if (row := self._rows.latest.get(point.id)) is not None:  # what it is, since it is not as asked
                    self._rows.again(row)

    def _turn(self) -> int:
        seq, self._seq = self._seq, (self._seq + 1) % SEQ
        return seq

    def _topic(self, kind: str, device: str = "") -> str:
        group, node = self._base
        return f"{NAMESPACE}/{group}/{kind}/{node}" + (f"/{device}" if device else "")

    def _now_ms(self) -> int:
        return self._outlet.clock.wall_us() // 1_000


def _read_number(path: Any) -> int:
    try:
        return int(path.read_text()) % SEQ
    except (OSError, ValueError):
        return -1
