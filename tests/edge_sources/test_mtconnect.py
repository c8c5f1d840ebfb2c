"""MTConnect: a simulated agent is followed without loss, real device files are read, and nothing malformed stops it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from edge.sources import SourceError
from edge.sources.mtconnect_documents import read_devices, read_streams
from edge.sources.mtconnect_parts import boundary_of, parts
from sim_devices.servers.mtconnect import BUFFER, MtConnectAgent
from sim_devices.site import Device, Metric
from wire.errors import ConfigError
from wire.quality import BAD, STALE

MILL = Device(
    name="mill-3", kind="machine-tool", protocol="mtconnect", space="Machine shop", label="Machining centre 3"
)
METRICS = (
    Metric("spindle_load", "%", point_class="load", low=0, high=150),
    Metric("spindle_speed", "/min", low=0, high=12_000),
    Metric("feed_rate", "mm/min"),
    Metric("power", "kW", point_class="power"),
    Metric("parts_made", "1"),
    Metric("execution", kind="state"),
    Metric("program", kind="state"),
)
VALUES = {
    "spindle_load": 42.5, "spindle_speed": 8000.0, "feed_rate": 600.0, "power": 3.25, "parts_made": 17,
    "execution": "ACTIVE", "program": "O2107 BRACKET",
}  # fmt: skip


@asynccontextmanager
async def agent(port: int = 0) -> AsyncIterator[tuple[MtConnectAgent, asyncio.TaskGroup]]:
    served = MtConnectAgent(MILL, METRICS, port=port)
    async with asyncio.TaskGroup() as tasks:
        await served.publish(VALUES)
        await served.start(tasks)
        yield served, tasks
        await served.close()


def table(served: MtConnectAgent) -> dict[str, Any]:
    return served.source() | {"interval_s": 0.05, "heartbeat_s": 0.5, "timeout_s": 5.0}


async def test_the_sample_config_reads_a_machine_in_the_units_of_its_table(tools: Any, tmp_path: Path) -> None:
    (sample,) = tools.sample("edge.sources.mtconnect")
    async with agent() as (served, _):
        sample["url"] = f"http://127.0.0.1:{served.port}"
        source, taken = tools.make(sample, tmp_path), tools.Taken()
        async with source:
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
            points = {point.key: point for point in source.points()}
        assert taken.values("mill-3/spindle_load") == [42.5]
        assert (points["mill-3/spindle_load"].unit, points["mill-3/spindle_load"].high) == ("%", 150)
        assert (points["mill-3/power"].unit, taken.values("mill-3/power")) == ("W", [3250.0])  # as MTConnect tells it
        assert taken.values("mill-3/execution") == ["ACTIVE"]
        assert points["mill-3/spindle_speed"].label == "rotary velocity actual"

        source, taken = tools.make(table(served), tmp_path), tools.Taken()
        async with source:
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
            points = {point.key: point for point in source.points()}
        assert taken.values("mill-3/power") == [pytest.approx(3.25)]
        assert taken.values("mill-3/feed_rate") == [pytest.approx(600.0)]
        assert points["mill-3/power"].unit == "kW"


async def test_no_observation_of_a_fast_machine_is_lost(tools: Any, tmp_path: Path) -> None:
    async with agent() as (served, _):
        source, taken = tools.make(table(served), tmp_path), tools.Taken()
        async with source:
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
            for number in range(3_000):
                await served.publish(VALUES | {"spindle_load": number / 30.0})
                if number % 100 == 0:
                    await asyncio.sleep(0)
            await tools.take_until(source, taken, lambda now: len(now.values("mill-3/spindle_load")) >= 3_001, 60)
        assert taken.values("mill-3/spindle_load")[1:] == [
            pytest.approx(number / 30.0, rel=1e-5) for number in range(3_000)
        ]
        assert source.health.errors == {}


async def test_an_outage_is_told_stale_and_what_the_agent_kept_comes_after_it_once(tools: Any, tmp_path: Path) -> None:
    async with agent() as (served, tasks):
        source, taken = tools.make(table(served), tmp_path), tools.Taken()
        async with source:
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
            await served.cut()
            stale = lambda now: [row for row in now.rows if row[3] & STALE]  # noqa: E731
            await tools.take_until(source, taken, lambda now: len(stale(now)) >= len(METRICS), 60)
            assert {row[0] for row in stale(taken)} == {f"mill-3/{metric.name}" for metric in METRICS}
            for number in range(100):  # while nobody can hear it
                await served.publish(VALUES | {"spindle_load": 50.0 + number})
            await served.start(tasks)
            await tools.take_until(source, taken, lambda now: 149.0 in now.values("mill-3/spindle_load"), 60)
        fresh = [row[2] for row in taken.rows if row[0] == "mill-3/spindle_load" and not row[3] & STALE]
        assert fresh == [42.5, *(50.0 + number for number in range(100))]
        assert "gap" not in source.health.errors


async def test_what_the_agents_buffer_no_longer_has_is_a_counted_gap(tools: Any, tmp_path: Path) -> None:
    async with agent() as (served, tasks):
        source, taken = tools.make(table(served), tmp_path), tools.Taken()
        async with source:
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
            await served.cut()
            for number in range(BUFFER + 500):
                await served.publish(VALUES | {"spindle_load": float(number % 100)})
            await served.publish(VALUES | {"spindle_load": 111.0})
            await served.start(tasks)
            await tools.take_until(source, taken, lambda now: 111.0 in now.values("mill-3/spindle_load"), 60)
        assert source.health.errors["gap"] == 1
        assert source.health.discarded >= 500


async def test_an_agent_that_was_started_anew_is_probed_again(tools: Any, tmp_path: Path) -> None:
    async with agent() as (served, _):
        port, source, taken = served.port, tools.make(table(served), tmp_path), tools.Taken()
        await source.__aenter__()
        await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
    await asyncio.sleep(1.1)  # its instance is the second in which it was started
    async with agent(port) as (again, _):
        await again.publish(VALUES | {"spindle_load": 77.0})
        await tools.take_until(source, taken, lambda now: 77.0 in now.values("mill-3/spindle_load"), 60)
        await source.__aexit__(None, None, None)


async def test_what_is_unavailable_is_bad_and_not_zero(tools: Any, tmp_path: Path) -> None:
    async with agent() as (served, _):
        source, taken = tools.make(table(served), tmp_path), tools.Taken()
        async with source:
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS), 60)
            await served.publish(VALUES | {"spindle_load": None, "execution": None})
            await tools.take_until(source, taken, lambda now: len(now.rows) >= len(METRICS) + 2, 60)
        said = {row[0]: row for row in taken.rows[len(METRICS) :]}
        load = said["mill-3/spindle_load"]
        assert load[3] & BAD
        assert load[2] != load[2]  # not a number
        assert said["mill-3/execution"][2:] == ("UNAVAILABLE", BAD)


async def test_a_dead_agent_does_not_hold_up_the_stop_and_takes_no_commands(tools: Any, tmp_path: Path) -> None:
    source = tools.make({"kind": "mtconnect", "name": "m", "url": "http://127.0.0.1:9"}, tmp_path)
    async with asyncio.timeout(10), source:
        await asyncio.sleep(0.2)
        assert source.health.state == "waiting"
    with pytest.raises(ConfigError, match="address"):
        tools.make({"kind": "mtconnect", "name": "m", "url": "mill:5000"}, tmp_path)


async def test_the_simulated_agent_speaks_by_the_schemas_of_the_standard(shared_data: Path) -> None:
    schemas = shared_data / "field" / "mtconnect"
    async with agent() as (served, _), httpx.AsyncClient(trust_env=False) as client:
        base = f"http://127.0.0.1:{served.port}"
        for path, name in (("probe", "Devices"), ("current", "Streams"), ("sample", "Streams")):
            schema = etree.XMLSchema(etree.parse(str(schemas / f"MTConnect{name}_2.4_1.0.xsd")))
            document = etree.fromstring((await client.get(f"{base}/{path}")).content)
            assert schema.validate(document), schema.error_log
        refused = await client.get(f"{base}/sample", params={"from": 10**9})
        assert refused.status_code == 404
        assert b'errorCode="OUT_OF_RANGE"' in refused.content


@pytest.mark.parametrize("name", ["demo_Devices.xml", "fanuc.xml", "two_devices.xml"])
def test_real_device_files_are_read_whole(shared_data: Path, name: str) -> None:
    path = shared_data / "field" / "mtconnect" / name
    _, items = read_devices(path.read_bytes())
    tree = etree.parse(str(path))
    assert [item.id for item in items] == tree.xpath("//*[local-name()='DataItem']/@id")
    conditions = tree.xpath("count(//*[local-name()='DataItem'][@category='CONDITION'])")
    assert sum(item.condition for item in items) == conditions
    samples = tree.xpath("//*[local-name()='DataItem'][@category='SAMPLE']")
    plain = {
        one.get("id")
        for one in samples
        if one.get("representation", "VALUE") == "VALUE" and not one.get("units", "").endswith("_3D")
    }
    assert plain <= {item.id for item in items if item.kind == "value"}


async def test_a_stream_cut_at_any_byte_gives_the_same_documents() -> None:
    bodies = [b"<a/>", b"<b>" + b"x" * 5_000 + b"</b>", b"<c/>"]
    stream = b"".join(
        b"--edge\r\nContent-type: text/xml\r\nContent-length: %d\r\n\r\n%s\r\n" % (len(body), body) for body in bodies
    )
    boundary = boundary_of("multipart/x-mixed-replace;boundary=edge")
    assert boundary == b"--edge"
    for size in (1, 7, 64, 4_096, len(stream)):

        async def chunks(size: int = size) -> AsyncIterator[bytes]:
            for at in range(0, len(stream), size):
                yield stream[at : at + size]

        assert [body async for body in parts(chunks(), boundary)] == bodies
    assert boundary_of("text/xml") is None


async def test_parts_without_end_or_length_are_refused() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 4_096

    async def huge() -> AsyncIterator[bytes]:
        yield b"--edge\r\nContent-length: 999999999999\r\n\r\n"

    for stream in (endless(), huge()):
        with pytest.raises(SourceError):
            await anext(parts(stream, b"--edge"))


async def test_no_mutated_document_does_more_than_be_refused() -> None:
    served = MtConnectAgent(MILL, METRICS)
    await served.publish(VALUES)
    seeds = [served._documents.devices(), served._streams(list(served._buffer), 9), served._documents.error("X", "y")]
    rng, refused = random.Random(7), 0
    for _ in range(6_000):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            match rng.randrange(3):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randint(1, 40)]
                case _:
                    data[at:at] = data[: rng.randint(1, 60)]
        for read in (read_devices, read_streams):
            try:
                read(bytes(data))
            except SourceError:
                refused += 1
    assert refused > 6_000
    with pytest.raises(SourceError, match="entities"):
        read_devices(b'<!DOCTYPE a [<!ENTITY b "c">]><MTConnectDevices/>')
