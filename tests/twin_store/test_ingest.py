"""The whole way from a broker to committed rows and back to the agent, over a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from twin.ingest import Ingest
from wire.messages import Ack, DownHello, EpochSpan, Hello, Status, decode, encode
from wire.mqtt import Link, LinkConfig, Message
from wire.topics import down, up

SITE, NODE, T0 = "lab", "gw1", 1_750_000_000_000_000


class Peer:
    """The agent's side of the link: what it was told."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.acks: list[Ack] = []
        self.hellos = 0

    def on_messages(self, messages: list[Message]) -> None:
        for message in messages:
            if message.topic.endswith("/ack"):
                self.acks.append(decode(Ack, message.payload))
            elif message.topic.endswith("/hello"):
                assert decode(DownHello, message.payload).boot
                self.hellos += 1

    def send(self, kind: str, payload: bytes) -> None:
        assert self.link.publish(up(SITE, NODE, kind), payload)

    def hello(self, agent: Any, boot: int = 1) -> None:
        span = EpochSpan(epoch=agent.epoch.hex(), floor=1, head=agent.seq, catalogues=[1])
        self.send("hello", encode(Hello(boot=boot, epochs=[span], generation=agent.generation)))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(store: Any, config: LinkConfig) -> AsyncIterator[tuple[Ingest, Peer]]:
    ingest = Ingest(store, lambda: Link(config), SITE)
    task = asyncio.create_task(ingest.run())
    async with Link(config) as link:
        peer = Peer(link)
        link.on_messages = peer.on_messages
        await link.subscribe([(down(SITE, NODE, "+"), 0)])
        await until(lambda: link.connected and ingest.link.connected)
        try:
            yield ingest, peer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_record_is_acknowledged_only_with_its_rows_in_the_database(
    store: Any, broker: LinkConfig, agent: Any
) -> None:
    async with running(store, broker) as (ingest, peer):
        peer.hello(agent)
        await until(lambda: peer.acks)
        assert peer.acks[-1].ranges == []
        peer.send("data", agent.catalogue(agent.points(10)))
        for record in agent.readings(list(range(10)) * 100, range(T0, T0 + 1_000), range(1_000), rows=100):
            peer.send("data", record)
        await until(lambda: peer.acks[-1].ranges == [(1, 11)])
        with store.cursor() as cursor:
            assert cursor.execute("SELECT count(*), sum(value) FROM readings_warm").fetchone() == (1_000, 499_500)
        assert ingest.metrics["commits"] >= 1
        assert ingest.nodes[NODE].online
        assert ingest.degraded is None


async def test_acknowledgements_are_repeated_when_nothing_arrives(store: Any, broker: LinkConfig, agent: Any) -> None:
    async with running(store, broker) as (_, peer):
        peer.send("data", agent.catalogue(agent.points(1)))
        peer.hello(agent)
        await until(lambda: peer.acks and peer.acks[-1].ranges == [(1, 1)])
        seen = len(peer.acks)
        await until(lambda: len(peer.acks) > seen)
        assert peer.acks[-1].ranges == [(1, 1)]


async def test_parked_data_makes_the_twin_ask_for_a_hello(store: Any, broker: LinkConfig, agent: Any) -> None:
    async with running(store, broker) as (ingest, peer):
        agent.catalogue(agent.points(1))
        peer.send("data", agent.readings([0], [T0], [1])[0])
        await until(lambda: peer.hellos)
        assert ingest.absorber.counts["records_parked"] == 1
        assert peer.acks == []


async def test_a_restarted_twin_asks_its_nodes_and_goes_on(store: Any, broker: LinkConfig, agent: Any) -> None:
    records = [agent.catalogue(agent.points(1)), *agent.readings([0] * 4, range(T0, T0 + 4), range(4), rows=1)]
    async with running(store, broker) as (_, peer):
        peer.hello(agent)
        for record in records[:3]:
            peer.send("data", record)
        await until(lambda: peer.acks and peer.acks[-1].ranges == [(1, 3)])
        boot = peer.acks[-1].boot
    async with running(store, broker) as (_, peer):
        for record in records:
            peer.send("data", record)
        await until(lambda: peer.acks and peer.acks[-1].ranges == [(1, 5)])
        assert peer.acks[-1].boot != boot
    with store.cursor() as cursor:
        assert cursor.execute("SELECT list(value ORDER BY ts) FROM readings_warm").fetchone() == ([0, 1, 2, 3],)


async def test_garbage_on_every_topic_leaves_the_twin_at_work(store: Any, broker: LinkConfig, agent: Any) -> None:
    async with running(store, broker) as (ingest, peer):
        for kind in ("data", "event", "birth", "hello", "status", "health", "reply"):
            for payload in (b"", b"{", b"AID4" + b"\xff" * 200, b"\0" * 90):
                peer.send(kind, payload)
        peer.link.publish(f"aid4/1/{SITE}/{NODE}/up/strange", b"x")
        peer.send("data", agent.catalogue(agent.points(1)))
        await until(lambda: peer.acks and peer.acks[-1].ranges == [(1, 1)])
        assert ingest.absorber.counts["dead_letters"] == 12
        assert ingest.metrics["bad_messages"] == 16


async def test_a_will_takes_the_node_offline_and_a_hello_brings_it_back(
    store: Any, broker: LinkConfig, agent: Any
) -> None:
    async with running(store, broker) as (ingest, peer):
        peer.hello(agent)
        await until(lambda: ingest.nodes.get(NODE) and ingest.nodes[NODE].online)
        peer.send("status", encode(Status(online=False, boot=1, since_us=T0)))
        await until(lambda: not ingest.nodes[NODE].online)
        await until(lambda: peer.hellos)
        peer.hello(agent)
        await until(lambda: ingest.nodes[NODE].online)


async def test_of_two_live_agents_with_one_name_the_newcomer_is_refused_and_an_event_raised(
    store: Any, broker: LinkConfig, agent: Any
) -> None:
    other = agent.sibling(epoch=b"\x77" * 16)
    async with running(store, broker) as (ingest, peer):
        peer.hello(agent)
        await until(lambda: ingest.nodes.get(NODE) and ingest.nodes[NODE].online)
        peer.hello(other, boot=2)
        await until(lambda: peer.hellos)
        peer.hello(agent)
        peer.hello(other, boot=2)
        await until(lambda: ingest.reconciler.conflicts == 1)
        peer.send("data", other.catalogue(other.points(1)))
        await until(lambda: ingest.absorber.counts["records_refused"])
        assert {ack.epoch for ack in peer.acks} == {agent.epoch.hex()}
        assert "2 gateways live" in ingest.nodes[NODE].twice
    assert "agent.conflict" in {event["kind"] for event in store.events(T0, 2**61)}


async def test_a_compaction_that_fails_is_counted_and_does_not_stop_ingest(
    store: Any, broker: LinkConfig, agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twin.ingest.COMPACT_PERIOD_S", 0.05)
    monkeypatch.setattr(store, "tend", fails)
    async with running(store, broker) as (ingest, peer):
        await until(lambda: ingest.metrics["compaction_failures"] >= 2)
        peer.send("data", agent.catalogue(agent.points(1)))
        await until(lambda: peer.acks and peer.acks[-1].ranges == [(1, 1)])
        assert "No space left" in ingest.last_error
