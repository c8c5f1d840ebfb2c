"""An edge node on a real broker, whose bytes come from an encoder that is not the one under test."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from borrowed_fixtures import conftest_of

from sim_devices.servers.sparkplug_bytes import INT64, Told, payload, read
from wire.mqtt import Link, LinkConfig
from wire.mqtt.packets import Will
from wire.schemas import EVENTS

_tools = conftest_of("edge_sources")
broker = _tools.broker


class Taken(_tools.Taken):
    """Rows of points; events are kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def add(self, source: Any, batch: Any) -> None:
        if batch.schema_id == EVENTS:
            self.events += batch.rows.to_pylist()
        else:
            super().add(source, batch)


@pytest.fixture
def tools() -> Any:
    return SimpleNamespace(
        make=_tools.make, take_all=_tools.take_all, take_until=_tools.take_until, sample=_tools.sample, Taken=Taken
    )


class EdgeNode:
    """`group/node` on a broker; `say` sends the next message, `heard` are the commands that came."""

    def __init__(self, port: int, group: str = "bottling", node: str = "line-4", bd_seq: int = 0) -> None:
        self.group, self.node, self.bd_seq, self.seq = group, node, bd_seq, 0
        self.heard: list[tuple[str, list[Told]]] = []
        will = Will(self.topic("NDEATH"), self.death(), qos=1, retain=False)
        self.link = Link(LinkConfig("127.0.0.1", port, client_id=node, will=will))
        self.link.on_messages = lambda found: self.heard.extend((one.topic, read(one.payload)) for one in found)

    def topic(self, kind: str, device: str = "") -> str:
        return f"spBv1.0/{self.group}/{kind}/{self.node}" + (f"/{device}" if device else "")

    def death(self) -> bytes:
        return payload(now_ms(), [Told("bdSeq", INT64, self.bd_seq)])

    def say(self, kind: str, metrics: list[Told], device: str = "", seq: int | None = None) -> None:
        if kind == "NBIRTH":
            self.seq = 0
            metrics = [Told("bdSeq", INT64, self.bd_seq), *metrics]
        seq, self.seq = (self.seq, (self.seq + 1) % 256) if seq is None else (seq, (seq + 1) % 256)
        self.raw(kind, payload(now_ms(), metrics, seq), device)

    def raw(self, kind: str, body: bytes, device: str = "") -> None:
        assert self.link.publish(self.topic(kind, device), body)

    async def command(self, name: str, count: int = 1) -> list[Told]:
        """Wait for the `count`th command that sets the metric `name`."""
        async with asyncio.timeout(60):
            while True:
                found = [one for _, metrics in self.heard for one in metrics if one.name == name]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.02)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def edge_node(port: int, **more: Any) -> AsyncIterator[EdgeNode]:
    node = EdgeNode(port, **more)
    await node.link.subscribe([(node.topic("NCMD"), 0), (node.topic("DCMD", "+"), 0)])
    async with node.link:
        async with asyncio.timeout(60):
            await node.link.up()
        yield node


@pytest.fixture
def node() -> Any:
    """`async with node(port) as one`: an edge node that is connected and not yet born."""
    return edge_node
