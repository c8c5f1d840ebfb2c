"""What the tests of the agent share: a spool on real files, a listener that remembers, batches of readings."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Self

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from aid4.broker import Broker
from aid4.broker_users import BrokerUser
from edge.config import SpoolConfig
from edge.segments import Disk
from edge.sources import BUILT_IN, Batch, SourceConfig, SourceContext, SourceError, SourceHealth, SourceKind
from edge.spool import Spool
from edge.spool_writer import Append
from edge.uplink_core import UplinkCore
from wire import topics
from wire.catalogue import Point, to_batch
from wire.clock import Clock, SystemClock
from wire.messages import Ack, Hello, decode, encode
from wire.mqtt import Link, LinkConfig, Message
from wire.ranges import Ranges
from wire.records import CLASS_BULK, CLASS_CONTROL, CLASS_EVENT, check, pack, pack_split, unpack
from wire.schemas import CATALOGUE, EVENTS, READINGS, schema


def readings(count: int, first: int = 0, points: int = 4) -> pa.RecordBatch:
    """`count` readings with values first, first + 1, …"""
    at = np.arange(first, first + count)
    columns = [
        pa.array((at % points).astype(np.uint32)),
        pa.array(1_700_000_000_000_000 + at * 1_000, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        pa.array(at.astype(np.float64)),
        pa.array(np.zeros(count, np.uint8)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))


def points(count: int = 4) -> list[Point]:
    """Points `dev/m0`, `dev/m1`, …"""
    return [Point(id=at, device="dev", metric=f"m{at}") for at in range(count)]


def put(
    spool: Spool, count: int, *, rows: int = 10, first: int = 0, done: Callable[[Append], None] | None = None
) -> None:
    """Append one batch of readings, in records of `rows`."""
    records = pack_split(
        readings(count, first), rows, schema_id=READINGS, stamp=spool.stamp(CLASS_BULK), first_seq=spool.next_seq
    )
    spool.append(records, readings=count, cls=CLASS_BULK, done=done)


def put_event(spool: Spool, text: str, done: Callable[[Append], None] | None = None) -> None:
    """Append one event."""
    row = {
        "ts": 1_700_000_000_000_000, "device": "dev", "kind": "test", "severity": 1, "point": None, "message": text,
        "detail": "{}",
    }  # fmt: skip
    batch = pa.RecordBatch.from_pylist([row], schema=schema(EVENTS))
    record = pack(batch, schema_id=EVENTS, stamp=spool.stamp(CLASS_EVENT), seq=spool.next_seq)
    spool.append([record], readings=1, cls=CLASS_EVENT, done=done)


def put_catalogue(spool: Spool, count: int = 4) -> None:
    """Append a catalogue record."""
    spool.generation += 1
    record = pack(to_batch(points(count)), schema_id=CATALOGUE, stamp=spool.stamp(CLASS_CONTROL), seq=spool.next_seq)
    spool.append([record], readings=0, cls=CLASS_CONTROL, catalogue=True)


@asynccontextmanager
async def opened(
    folder: Path, config: SpoolConfig | None = None, clock: Clock | None = None, disk: Disk | None = None
) -> AsyncIterator[tuple[Spool, UplinkCore]]:
    """A spool with a core as its listener."""
    core = UplinkCore(boot=1)
    async with Spool(folder, config or SpoolConfig(reserve_bytes=0), clock or SystemClock(), core, disk) as spool:
        yield spool, core


async def settled(spool: Spool) -> None:
    """Wait until all that was appended is durable or refused."""
    while spool._queued_bytes:
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.01)


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    """An empty folder for a spool."""
    return tmp_path / "spool"


class Peer:
    """A twin reduced to its half of the delivery: keeps what comes, acknowledges, over a real broker."""

    def __init__(self, link: Link, site: str = "s", node: str = "n") -> None:
        self.link, self.site, self.node = link, site, node
        self.boot = 77
        self.silent = False
        self.records: dict[tuple[bytes, int], bytes] = {}
        self.ranges: dict[bytes, Ranges] = {}
        self.hellos: list[Hello] = []
        self.others: list[tuple[str, Message]] = []
        self.duplicates = 0
        link.on_messages = self._on_messages

    def _on_messages(self, messages: list[Message]) -> None:
        touched: set[bytes] = set()
        for message in messages:
            kind = topics.parse(message.topic).kind
            if kind in ("data", "event") and not self.silent:
                header = check(message.payload)
                self.duplicates += (header.epoch, header.seq) in self.records
                self.records[header.epoch, header.seq] = message.payload
                self.ranges.setdefault(header.epoch, Ranges()).add(header.seq)
                touched.add(header.epoch)
            elif kind == "hello":
                self.hellos.append(decode(Hello, message.payload))
                touched |= {bytes.fromhex(span.epoch) for span in self.hellos[-1].epochs}
            else:
                self.others.append((kind, message))
        for epoch in touched if not self.silent else ():
            ranges = self.ranges.setdefault(epoch, Ranges()).to_list()
            self.say("ack", Ack(epoch=epoch.hex(), ranges=ranges, boot=self.boot))

    def say(self, kind: str, message: msgspec.Struct, *, retain: bool = False) -> None:
        """Publish to the agent."""
        self.link.publish(topics.down(self.site, self.node, kind), encode(message), retain=retain)

    def values(self) -> list[float]:
        """All values of all readings, ascending."""
        rows = [unpack(data) for data in self.records.values()]
        return sorted(v for header, batch in rows if header.schema_id == READINGS for v in batch["value"].to_pylist())


class ScriptedConfig(SourceConfig, tag="scripted"):
    """What the scripted source does: yield `count` readings of `device`, in batches, then end or fail or wait."""

    count: int = 100
    batch: int = 10
    pause_s: float = 0.0
    then: str = "wait"
    metrics: int = 4
    first: int = 0


class Scripted:
    """A source whose readings are known, for tests of the agent around it."""

    def __init__(self, config: ScriptedConfig, context: SourceContext) -> None:
        self.config, self.context = config, context
        self.health = SourceHealth()
        self.written: list[tuple[str, object]] = WRITTEN
        self._points = [
            Point(id=at, device=config.device or "dev", metric=f"m{at}", writable=at == 0)
            for at in range(config.metrics)
        ]

    async def __aenter__(self) -> Self:
        self.health.state = "running"
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    def points(self) -> list[Point]:
        return self._points

    async def batches(self) -> AsyncIterator[Batch]:
        for first in range(self.config.first, self.config.first + self.config.count, self.config.batch):
            count = min(self.config.batch, self.config.first + self.config.count - first)
            self.health.received += count
            self.health.last_us = self.context.clock.wall_us()
            yield Batch(READINGS, readings(count, first, self.config.metrics), partial(told, first, count))
            self.health.sent += count
            await asyncio.sleep(self.config.pause_s)
        if self.config.then == "fail":
            raise SourceError("read", "the device burnt down")
        if self.config.then == "wait":
            await asyncio.Event().wait()

    async def write(self, point: Point, value: float | str | bool) -> None:
        if value == "fail":
            raise SourceError("write", "the device says no")
        self.written.append((point.key, value))


WRITTEN: list[tuple[str, object]] = []
SOURCE = SourceKind(ScriptedConfig, Scripted)


def told(first: int, count: int, refused: int) -> None:
    """One batch was accepted: the journal of the kill test, on stdout, beyond the reach of the kill."""
    if JOURNAL is not None:
        os.write(JOURNAL, b"%d %d %d\n" % (first, count, refused))


JOURNAL: int | None = None


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """Registers the kind `scripted`; gives what was written to such sources."""
    module = ModuleType("scripted_source")
    module.SOURCE = SOURCE  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scripted_source", module)
    monkeypatch.setitem(BUILT_IN, "scripted", "scripted_source:SOURCE")
    WRITTEN.clear()
    return WRITTEN


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real nats-server on a free loopback port, with the users `n` and `twin`."""
    users = [BrokerUser("n", "pn"), BrokerUser("twin", "pt")]
    with Broker(tmp_path / "broker", users) as running:
        yield running


@pytest.fixture
async def peer(broker: Broker) -> AsyncIterator[Peer]:
    """The twin's half, connected."""
    link = Link(LinkConfig("127.0.0.1", broker.port, "twin", "pt"))
    async with link:
        made = Peer(link)
        await link.subscribe([(topics.up("s", "n", "+"), 0)])
        await link.up()
        yield made


def write_config(folder: Path, port: int, sources: str, more: str = "") -> Path:
    """A configuration file of site s, node n."""
    folder.mkdir(exist_ok=True)
    (folder / "password").write_text("pn\n")
    (folder / "password").chmod(0o600)
    file = folder / "edge.toml"
    file.write_text(
        f'site = "s"\nnode = "n"\n[broker]\nurl = "mqtt://127.0.0.1:{port}"\nuser = "n"\npassword_file = "password"\n'
        f"[spool]\nreserve_bytes = 0\n{more}\n{sources}"
    )
    return file


async def eventually(true: Callable[[], object], within_s: float = 15.0) -> None:
    """Wait until it holds; the bound only ends a broken test."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


class Lab:
    """The functions above, for tests that import nothing from here."""

    readings = staticmethod(readings)
    points = staticmethod(points)
    put = staticmethod(put)
    put_event = staticmethod(put_event)
    put_catalogue = staticmethod(put_catalogue)
    opened = staticmethod(opened)
    disk = Disk
    settled = staticmethod(settled)
    write_config = staticmethod(write_config)
    eventually = staticmethod(eventually)


@pytest.fixture
def lab() -> type[Lab]:
    """How to make and fill a spool."""
    return Lab
