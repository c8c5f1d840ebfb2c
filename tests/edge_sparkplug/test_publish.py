"""An agent as an edge node: what it publishes is read by our own host and by an independent reader of the bytes."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.publish.config import PublishConfig, SparkplugOutConfig
from edge.publish.outlet import Outlet
from edge.publish.sparkplug import SparkplugOut
from edge.publish.store import FILE_BYTES, MessageStore
from edge.sources import SourceError
from edge.sources.columns import check_value, readings, states
from sim_devices.servers.sparkplug_bytes import BOOLEAN, DOUBLE, Told, payload, read
from wire.catalogue import Point
from wire.clock import SystemClock
from wire.quality import HISTORICAL, STALE
from wire.schemas import READINGS, STATES

GENEROUS_S = 60.0
POINTS = [
    Point(id=0, device="ahu-1", metric="supply_temperature", unit="Cel", low=-20, high=60),
    Point(id=1, device="ahu-1", metric="setpoint", unit="Cel", low=10, high=30, writable=True),
    Point(id=2, device="ahu-1", metric="mode", kind="state", declared="text"),
    Point(id=3, device="pump", metric="running", kind="state", declared="bool"),
]


class Node:
    """An outlet with four points, and a publisher on it."""

    def __init__(self, url: str, folder: Path, **more: Any) -> None:
        self.points, self.written, self.folder = list(POINTS), [], folder
        self.outlet = Outlet(
            site="campus",
            node="gw-1",
            folder=folder,
            spool_dir=folder,
            clock=SystemClock(),
            points=lambda: self.points,
            offered=lambda: {point.key for point in self.points},
            write=self._write,
        )
        config = {"url": url, "period_s": 0.02, "keepalive_s": 1.0, **more}
        self.out = SparkplugOut(msgspec.convert(config, SparkplugOutConfig), self.outlet)

    async def _write(self, key: str, value: Any) -> None:
        point = next(point for point in self.points if point.key == key)
        check_value(point, value)
        self.written.append((key, value))

    def measure(self, point: int, value: float | str, ts_us: int | None = None, quality: int = 0) -> None:
        ids, flags = np.array([point], np.uint32), np.array([quality], np.uint8)
        times = np.array([ts_us or time.time_ns() // 1_000])
        if isinstance(value, str):
            rows, schema_id = states(ids, times, [value], flags), STATES
        else:
            rows, schema_id = readings(ids, times, np.array([value]), flags), READINGS
        for listener in self.outlet.listeners:
            listener(schema_id, rows)

    async def __aenter__(self) -> Any:
        self._task = asyncio.create_task(self.out.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task.done():
            self._task.result()
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.fixture
def heard(broker: Any) -> Any:
    """Every message of the namespace: (kind, device, metrics)."""

    class Heard(list[tuple[str, str, list[Told]]]):
        async def until(self, condition: Any) -> None:
            async with asyncio.timeout(GENEROUS_S):
                while not condition(self):
                    await asyncio.sleep(0.01)

        def of(self, name: str, kind: str = "") -> list[Told]:
            return [one for k, _, metrics in self for one in metrics if one.name == name and kind in k]

        def take(self, messages: list[Any]) -> None:
            for one in messages:
                _, _, kind, _, *device = one.topic.split("/")
                if "CMD" not in kind:
                    self.append((kind, device[0] if device else "", read(one.payload)))

    return Heard()


async def test_hosts_read_births_data_and_death(tools: Any, broker: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    table = {"kind": "sparkplug", "name": "s", "url": broker.url, "keepalive_s": 1.0, "rebirth_s": 0.1}
    async with tools.make(table, tmp_path) as source:
        await source._link.up()
        async with Node(broker.url, tmp_path) as node:
            node.measure(0, 18.5)
            node.measure(2, "auto")
            node.measure(3, "true")
            await tools.take_until(source, taken, lambda t: t.values("gw-1-pump/running"), GENEROUS_S)
            node.measure(0, 19.5)
            node.measure(0, 17.5, ts_us=1_750_000_000_000_000, quality=HISTORICAL)
            node.measure(3, "false", quality=STALE)
            await tools.take_until(
                source,
                taken,
                lambda t: (
                    "false" in t.values("gw-1-pump/running") and 17.5 in t.values("gw-1-ahu-1/supply_temperature")
                ),
                GENEROUS_S,
            )
            node.points.append(Point(id=4, device="pump", metric="flow", unit="m3/h"))
            node.measure(4, 2.25)
            await tools.take_until(source, taken, lambda t: 2.25 in t.values("gw-1-pump/flow"), GENEROUS_S)
        await tools.take_until(source, taken, lambda t: t.values("gw-1/online")[-1:] == ["false"], GENEROUS_S)
    rows = {(key, value, quality) for key, _, value, quality in taken.rows}
    assert ("gw-1-ahu-1/supply_temperature", 17.5, HISTORICAL) in rows
    assert ("gw-1-ahu-1/supply_temperature", 19.5, 0) in rows
    assert ("gw-1-pump/running", "false", STALE) in rows
    assert ("gw-1-ahu-1/mode", "auto", 0) in rows
    points = {point.key: point for point in source.points()}
    assert (points["gw-1-ahu-1/setpoint"].unit, points["gw-1-ahu-1/setpoint"].writable) == ("Cel", True)
    assert not {"gap", "alias", "decode", "unknown", "unborn", "repeated"} & source.health.errors.keys()


async def test_a_primary_host_that_is_away_gets_what_it_missed_as_history(
    tools: Any, broker: Any, heard: Any, tmp_path: Any
) -> None:
    async with broker.client() as host, Node(broker.url, tmp_path, host_id="scada", group="park") as node:
        host.on_messages = heard.take
        await host.subscribe([("spBv1.0/park/#", 0)])
        node.measure(0, 1.0)
        await heard.until(lambda _: node.out.counts["stored"] == 1)
        assert not heard
        state(host, online=True)
        await heard.until(lambda h: h.of("supply_temperature", "DDATA"))
        kinds = [kind for kind, _, _ in heard]
        assert kinds[0] == "NBIRTH"
        assert kinds.index("DBIRTH") < kinds.index("DDATA")
        assert heard.of("supply_temperature", "DDATA")[0].value == 1.0
        state(host, online=False)
        await heard.until(lambda h: h[-1][0] == "NDEATH")
        births = [one.value for one in heard.of("bdSeq", "NBIRTH")]
        assert heard.of("bdSeq", "NDEATH")[0].value == births[0]
        node.measure(0, 2.0)
        await heard.until(lambda _: node.out.counts["stored"] == 2)
        state(host, online=True)
        await heard.until(lambda h: len(h.of("supply_temperature", "DDATA")) == 2)
        assert heard.of("bdSeq", "NBIRTH")[-1].value == births[0] + 1
        assert node.out.figures()["sparkplug_store_bytes"] == 0


def state(link: Any, *, online: bool) -> None:
    body = json.dumps({"online": online, "timestamp": time.time_ns() // 1_000_000}).encode()
    assert link.publish("spBv1.0/STATE/scada", body, qos=1, retain=True)


async def test_commands_are_checked_before_they_reach_a_source(broker: Any, heard: Any, tmp_path: Any) -> None:
    async with broker.client() as host, Node(broker.url, tmp_path, commands=True) as node:
        host.on_messages = heard.take
        await host.subscribe([("spBv1.0/campus/#", 0)])
        node.measure(1, 20.0)
        await heard.until(lambda h: any(kind == "DBIRTH" and device == "pump" for kind, device, _ in h))
        now = time.time_ns() // 1_000_000
        good = payload(now, [Told("setpoint", DOUBLE, 21.5, ms=now)])
        topic = "spBv1.0/campus/DCMD/gw-1/ahu-1"
        host.publish(topic, good)
        await heard.until(lambda _: node.written)
        wrong = [
            good,  # once more
            payload(now - 60_000, [Told("setpoint", DOUBLE, 22.0, ms=now - 60_000)]),
            payload(now, [Told("setpoint", 12, "warm", ms=now + 1)]),
            payload(now, [Told("supply_temperature", DOUBLE, 22.0, ms=now + 2)]),
            payload(now, [Told("setpoint", DOUBLE, 99.0, ms=now + 3)]),
            payload(now, [Told("", DOUBLE, 22.0, alias=900, ms=now + 4)]),
            b"\xff\xff",
        ]
        for body in wrong:
            host.publish(topic, body)
        await heard.until(lambda _: node.out.counts["refused"] == len(wrong))
        assert node.written == [("ahu-1/setpoint", 21.5)]
        births = len(heard.of("bdSeq", "NBIRTH"))
        host.publish("spBv1.0/campus/NCMD/gw-1", payload(now, [Told("Node Control/Rebirth", BOOLEAN, True)]))
        await heard.until(lambda h: len(h.of("bdSeq", "NBIRTH")) == births + 1)


def test_a_store_forgets_its_oldest_file_and_survives_damage(tmp_path: Path) -> None:
    store = MessageStore(tmp_path, 4 * FILE_BYTES)
    message = bytes(range(256)) * 256
    for at in range(40):
        store.put(f"d{at}", message)
    assert store.used_bytes <= 4 * FILE_BYTES
    assert store.dropped > 0
    first = store.oldest()
    assert first[0][0] != "d0"
    again = MessageStore(tmp_path, 4 * FILE_BYTES)
    assert again.oldest() == first
    path = sorted(tmp_path.glob("*.frames"))[0]
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    assert again.oldest() == first[:-1]
    seen = []
    while again:
        seen += again.oldest()
        again.done()
    assert seen[-1][0] == "d39"
    assert not list(tmp_path.glob("*.frames"))


async def test_an_agent_with_the_sample_tables_publishes_its_sources(broker: Any, heard: Any, tmp_path: Any) -> None:
    import tomllib

    from edge.agent import Agent, serve
    from edge.config import load
    from edge.publish import config as module

    sample = "\n".join(part for part in (module.__doc__ or "").split("\n\n") if part.startswith("[publish"))
    assert msgspec.convert(tomllib.loads(sample)["publish"], PublishConfig).sparkplug is not None
    text = sample.replace("mqtt://127.0.0.1:1883", broker.url).replace('host_id = "scada"', "period_s = 0.05")
    text = text.replace('points = ["line-*/*"]', "")
    file = tmp_path / "edge.toml"
    file.write_text(
        f'site = "campus"\nnode = "gw-9"\n[broker]\nurl = "{broker.url}"\n{text}\n'
        f'[[source]]\nkind = "mqtt"\nname = "shop"\nurl = "{broker.url}"\n'
        'topic = [{ pattern = "shop/{device}", metrics = [{ path = "w", metric = "power", unit = "W" }] }]\n'
    )
    agent, stop = Agent(load(file), SystemClock()), asyncio.Event()
    running = asyncio.create_task(serve(agent, stop))
    async with broker.client() as host:
        host.on_messages = heard.take
        await host.subscribe([("spBv1.0/campus/#", 0)])
        for _ in range(int(GENEROUS_S / 0.1)):
            host.publish("shop/till", b'{"w": 12.5}')
            await asyncio.sleep(0.1)
            if heard.of("power", "DBIRTH"):
                break
        await heard.until(lambda h: any(kind == "DDATA" for kind, _, _ in h) or h.of("power")[-1].value == 12.5)
        stop.set()
        await running
        await heard.until(lambda h: h[-1][0] == "NDEATH")
    assert agent.health().host["sparkplug_births"] >= 1
    with pytest.raises(SourceError):
        await agent.commands.local("nobody/knows", 1.0)
