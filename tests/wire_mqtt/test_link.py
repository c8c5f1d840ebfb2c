"""The promises of a link, kept by both transports against both brokers."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from wire.errors import ConfigError, LinkError
from wire.limits import PACKET_BYTES_MAX
from wire.mqtt import Link, LinkConfig, Message, Will

sys.path.insert(0, str(Path(__file__).parent))
from conftest import RealBroker, eventually


def listening(config: LinkConfig) -> tuple[Link, list[Message], list[str]]:
    """A link that notes what it gets and how it lives."""
    link = Link(config)
    got: list[Message] = []
    life: list[str] = []
    link.on_messages = got.extend
    link.on_connect = lambda: life.append("up")
    link.on_disconnect = life.append
    return link, got, life


async def test_messages_arrive_in_order_and_whole(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport))
    payloads = [bytes([n % 251]) * (n * 37 % 5_000) for n in range(400)] + [b"x" * 900_000]
    async with link:
        await link.up()
        await link.subscribe([("a/+/data", 0)])
        sent = 0
        while sent < len(payloads):
            await link.drained()
            sent += link.publish_many("a/b/data", payloads[sent:])
        await eventually(lambda: len(got) == len(payloads))
    assert [message.payload for message in got] == payloads
    assert {message.topic for message in got} == {"a/b/data"}
    assert link.stats.sent == link.stats.received == len(payloads)


async def test_qos_1_is_acknowledged_both_ways(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport))
    async with link:
        await link.up()
        await link.subscribe([("q/#", 1)])
        for n in range(50):
            assert link.publish("q/one", str(n).encode(), qos=1)
        await eventually(lambda: len(got) == 50 and link.stats.acknowledged == 50)
    assert [message.payload for message in got] == [str(n).encode() for n in range(50)]
    assert all(message.qos == 1 and message.mid for message in got)


async def test_what_was_not_acknowledged_by_hand_stays_unacknowledged(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport, manual_ack=True))
    async with link:
        await link.up()
        await link.subscribe([("m/#", 1)])
        for n in range(1_500):  # more than either broker leaves unacknowledged
            while not link.publish("m/one", str(n).encode(), qos=1):
                await link.drained()
        await eventually(lambda: link.stats.acknowledged == 1_500)
        held = len(got)
        assert held < 1_500
        done = 0
        while done < 1_500:
            batch, done = got[done:], len(got)
            link.ack(batch)
            await eventually(lambda d=done: len(got) > d or d == 1_500)
    assert [message.payload for message in got] == [str(n).encode() for n in range(1_500)]


async def test_a_retained_message_reaches_a_later_subscriber(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport))
    async with link:
        await link.up()
        assert link.publish("r/birth", b"newest", qos=1, retain=True)
        await eventually(lambda: link.stats.acknowledged == 1)
        later, got, _ = listening(broker.config(transport))
        await later.subscribe([("r/+", 1)])
        async with later:
            await eventually(lambda: bool(got))
    assert (got[0].topic, got[0].payload, got[0].retain) == ("r/birth", b"newest", True)


async def test_the_will_speaks_for_the_dead_and_not_for_the_stopped(broker: RealBroker, transport: str) -> None:
    watcher, got, _ = listening(broker.config("fast"))
    will = Will("w/status", b"gone")
    async with watcher:
        await watcher.up()
        await watcher.subscribe([("w/#", 1)])
        async with Link(broker.config(transport, will=will)) as polite:
            await polite.up()
        dying = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _DYING, str(broker.port), transport, stdout=asyncio.subprocess.PIPE
        )
        assert dying.stdout is not None
        await dying.stdout.readline()
        assert got == []
        dying.kill()
        await dying.wait()
        await eventually(lambda: bool(got))
    assert [message.payload for message in got] == [b"gone"]


_DYING = """
import asyncio, sys
from wire.mqtt import Link, LinkConfig, Will
async def main():
    will = Will("w/status", b"gone")
    port, transport = int(sys.argv[1]), sys.argv[2]
    config = LinkConfig("127.0.0.1", port, "n1", "secret-of-n1", transport=transport, will=will)
    async with Link(config) as link:
        await link.up()
        print("up", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_killed_broker_is_found_again_with_all_subscriptions(broker: RealBroker, transport: str) -> None:
    link, got, life = listening(broker.config(transport))
    async with link:
        await link.up()
        await link.subscribe([("k/#", 0)])
        broker.kill()
        await eventually(lambda: not link.connected)
        assert not link.publish("k/1", b"nobody there")
        assert link.publish_many("k/1", [b"nobody there"]) == 0
        broker.start()
        await link.up()
        assert link.publish("k/2", b"again")
        await eventually(lambda: bool(got))
    assert [message.payload for message in got] == [b"again"]
    assert [life[0], life[2], life[3]] == ["up", "up", "stopped"]
    assert life[1].startswith("connection lost")
    assert link.stats.connects == 2


async def test_a_frozen_broker_is_noticed_by_the_keepalive(broker: RealBroker, transport: str) -> None:
    link, _, life = listening(broker.config(transport))
    async with link:
        await link.up()
        broker.freeze()
        await eventually(lambda: len(life) == 2)
        assert not link.connected
        broker.thaw()
        await link.up()
    assert "silent" in life[1] or "keep alive" in life[1]


async def test_a_full_buffer_says_no_and_drains(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport, buffer_bytes=200_000, keepalive_s=60.0))
    async with link:
        await link.up()
        await link.subscribe([("f/#", 0)])
        broker.freeze()
        payloads = [b"y" * 100_000] * 200
        taken = 0
        done: set[object] = {None}
        while done:  # until the kernel takes no more either
            taken += link.publish_many("f/1", payloads[taken:])
            waiting = asyncio.ensure_future(link.drained())
            done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert taken < 200
        assert not link.publish("f/1", b"no room")
        broker.thaw()
        await waiting
        await eventually(lambda: len(got) >= taken)
    assert len(got) == taken


async def test_resting_after_each_read_makes_batches_and_loses_nothing(broker: RealBroker) -> None:
    link = Link(broker.config("fast", coalesce_s=0.02))
    batches: list[list[Message]] = []
    link.on_messages = batches.append
    async with link, Link(broker.config("fast")) as sender:
        await link.up()
        await sender.up()
        await link.subscribe([("c/#", 0)])
        for n in range(200):
            assert sender.publish("c/1", str(n).encode())
            await asyncio.sleep(0.001)
        await eventually(lambda: sum(map(len, batches)) == 200)
    assert [m.payload for batch in batches for m in batch] == [str(n).encode() for n in range(200)]
    assert len(batches) < 100


async def test_a_wrong_password_is_refused_by_name(broker: RealBroker, transport: str) -> None:
    link, _, life = listening(broker.config(transport, password="wrong"))
    async with link:
        await eventually(lambda: link.stats.failures > 0 and "refused" in link.stats.last_error)
        assert not link.connected
    assert life == []
    assert "wrong" not in repr(link.config)


async def test_an_oversize_message_is_the_callers_error_and_the_link_lives(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport))
    async with link:
        await link.up()
        await link.subscribe([("o/#", 0)])
        with pytest.raises(LinkError, match="at most"):
            link.publish("o/1", bytes(PACKET_BYTES_MAX))
        with pytest.raises(LinkError, match="wildcard"):
            link.publish("o/+", b"")
        assert link.publish("o/1", b"small")
        await eventually(lambda: bool(got))
    assert link.stats.connects == 1


async def test_unsubscribed_topics_stay_silent(broker: RealBroker, transport: str) -> None:
    link, got, _ = listening(broker.config(transport))
    async with link:
        await link.up()
        await link.subscribe([("u/a", 0), ("u/b", 0)])
        await link.unsubscribe(["u/a"])
        assert link.publish("u/a", b"not wanted")
        assert link.publish("u/b", b"wanted")
        await eventually(lambda: bool(got))
    assert [message.topic for message in got] == ["u/b"]


async def test_an_error_of_the_receiver_is_raised_not_swallowed(broker: RealBroker, transport: str) -> None:
    link = Link(broker.config(transport))

    def fails(messages: list[Message]) -> None:
        raise ZeroDivisionError(messages[0].topic)

    link.on_messages = fails
    runner = asyncio.create_task(link.run())
    await link.up()
    await link.subscribe([("e/1", 0)])
    assert link.publish("e/1", b"boom")
    with pytest.raises(ZeroDivisionError, match="e/1"):
        await runner
    assert not link.connected


async def test_a_block_whose_link_fails_does_not_go_on_without_it(broker: RealBroker) -> None:
    link = Link(broker.config("fast"))

    async def block() -> None:
        async with link:
            await link.up()
            await asyncio.sleep(60)

    link.on_connect = lambda: 1 / 0  # type: ignore[assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        await block()


async def test_an_error_of_the_block_passes_through_as_it_is(broker: RealBroker) -> None:
    async def block() -> None:
        async with Link(broker.config("fast")) as link:
            await link.up()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await block()


async def test_a_peer_that_talks_garbage_costs_a_reconnect_and_nothing_else() -> None:
    rng = random.Random(4)
    accepted = b"\x20\x02\x00\x00"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(rng.choice((b"", accepted)) + rng.randbytes(rng.randrange(1, 400)))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    link, _, life = listening(LinkConfig("127.0.0.1", server.sockets[0].getsockname()[1]))
    async with server, link:
        await eventually(lambda: link.stats.failures >= 4)
    assert life.count("up") == link.stats.connects
    assert link.stats.last_error


async def test_an_absent_broker_is_named(transport: str) -> None:
    link = Link(LinkConfig("127.0.0.1", 1, transport=transport))
    async with link:
        await eventually(lambda: link.stats.failures > 0)
    assert "127.0.0.1:1" in link.stats.last_error


def test_a_transport_that_cannot_do_it_is_named_with_the_way_out() -> None:
    with pytest.raises(ConfigError) as caught:
        LinkConfig("127.0.0.1", 1883, version=5)
    assert caught.value.field == "transport"
    assert "paho" in caught.value.fix
