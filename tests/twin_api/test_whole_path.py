"""Broker to browser: an agent's records through a real broker into the store, the socket and the API, and back."""

import asyncio
import contextlib
import json
import subprocess
import sysconfig
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import websockets

from wire.catalogue import Point, to_batch
from wire.messages import Command, EpochSpan, Hello, Reply, Status, decode, encode
from wire.mqtt import Link, LinkConfig, Message
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema
from wire.topics import down, up

EPOCH = b"\x21" * 16
TS = pa.timestamp("us", tz="UTC")
POINTS = [
    Point(id=0, device="d", metric="m", unit="kW", period_s=1.0),
    Point(id=1, device="d", metric="set", writable=True),
]


@pytest.fixture
def nats(tmp_path: Path, free_port: int) -> Iterator[subprocess.Popen[bytes]]:
    folder = tmp_path / "nats"
    folder.mkdir()
    config = folder / "nats.conf"
    config.write_text(
        f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{folder}/js" }}\n'
        f"mqtt {{ host: 127.0.0.1, port: {free_port} }}\n"
        'authorization { users: [ { user: u, password: "secret" } ] }\n'
    )
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(program), "-c", str(config)], stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def broker(nats: subprocess.Popen[bytes], free_port: int) -> LinkConfig:
    return LinkConfig("127.0.0.1", free_port, user="u", password="secret")


class Agent:
    """A small agent on a link of its own."""

    def __init__(self, link: Link) -> None:
        self.link, self.seq = link, 0
        self.commands: list[Command] = []

    def heard(self, messages: list[Message]) -> None:
        for message in messages:
            if message.topic.endswith("/cmd"):
                self.commands.append(decode(Command, message.payload))

    def say(self, kind: str, message: Any, *, retain: bool = False) -> None:
        self.link.publish(up("lab", "gw", kind), encode(message), retain=retain)

    def record(self, batch: pa.RecordBatch, schema_id: int, **stamp: Any) -> None:
        self.seq += 1
        made = Stamp(epoch=EPOCH, generation=1, boot=5, clock_us=0, mono_us=0, **stamp)
        self.link.publish(up("lab", "gw", "data"), pack(batch, schema_id=schema_id, stamp=made, seq=self.seq))

    def reading(self, value: float) -> None:
        now = np.array([time.time_ns() // 1_000])
        arrays = [pa.array([0], pa.uint32()), pa.array(now).view(TS), pa.array([value]), pa.array([0], pa.uint8())]
        self.record(pa.RecordBatch.from_arrays(arrays, schema=schema(READINGS)), READINGS)


@contextlib.asynccontextmanager
async def agent_on(broker: LinkConfig) -> AsyncIterator[Agent]:
    async with Link(broker) as link:
        agent = Agent(link)
        link.on_messages = agent.heard
        await link.subscribe([(down("lab", "gw", "+"), 0)])
        await link.up()
        agent.say("status", Status(True, 5, time.time_ns() // 1_000, "test 1"), retain=True)
        agent.say("hello", Hello(5, [EpochSpan(EPOCH.hex(), 1, 1, [1])], 1, "test 1"))
        agent.record(to_batch(POINTS), CATALOGUE, cls=CLASS_CONTROL)
        yield agent


async def until(condition: Callable[[], Any], within_s: float = 10.0) -> Any:
    async with asyncio.timeout(within_s):
        while not (found := condition()):
            await asyncio.sleep(0.02)
        return found


async def test_a_reading_goes_from_the_agent_to_the_socket_and_the_api(start: Any, broker: LinkConfig) -> None:
    park = await start(broker=broker)
    await until(lambda: park.twin.connected)
    async with agent_on(broker) as agent:
        await until(lambda: park.twin.directory.views)
        async with websockets.connect(park.url.replace("http", "ws") + "/api/v1/live") as client:
            await client.send(json.dumps({"type": "subscribe", "view": "v", "points": [1], "rate_hz": 10}))
            agent.reading(42.5)
            async with asyncio.timeout(10):
                seen: list[float] = []
                while not seen:
                    message = json.loads(await client.recv())
                    seen = message["v"] if message["type"] == "values" else []
        assert seen == [42.5]
        [node] = (await park.get("/nodes"))["items"]
        assert (node["node"], node["online"], node["agent"], node["epochs"]) == ("gw", True, "test 1", 1)
        assert node["boot"] == "5", "a number of 64 bits travels as text"
        assert node["why_silent"] is None
        assert (await park.get("/points/1"))["last"]["value"] == 42.5
        assert (await park.get("/site"))["counts"]["readings"] == 1
        metrics = (await park.client.get("/metrics")).text
        assert 'aid4_node_online{node="gw"} 1.0' in metrics
        assert "aid4_broker_connected 1.0" in metrics


async def test_a_command_reaches_the_agent_and_its_answer_comes_back(start: Any, broker: LinkConfig) -> None:
    park = await start(broker=broker)
    await until(lambda: park.twin.connected)
    async with agent_on(broker) as agent:
        await until(lambda: len(park.twin.directory.views) == 2)
        sent = await park.post("/commands", {"point": "gw/d/set", "value": 7}, 202)
        [command] = await until(lambda: agent.commands)
        assert (command.id, command.point, command.value) == (sent["id"], "d/set", 7.0)
        agent.say("reply", Reply(command.id, "done", time.time_ns() // 1_000))
        await until(lambda: park.twin.commands.get(sent["id"]).status == "done")


async def test_a_page_learns_that_the_broker_went_away(
    start: Any, broker: LinkConfig, nats: subprocess.Popen[bytes]
) -> None:
    park = await start(broker=broker)
    await until(lambda: park.twin.connected)
    async with websockets.connect(park.url.replace("http", "ws") + "/api/v1/live") as client:
        states: list[bool] = []
        async with asyncio.timeout(15):
            while states[-1:] != [False]:
                message = json.loads(await client.recv())
                states += [message["connected"]] if message["type"] == "state" else []
                nats.kill()
    assert states[0] is True
