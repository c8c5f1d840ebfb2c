"""The source against edge nodes on a real broker: births, aliases, gaps, deaths, commands, STATE."""

import asyncio
import json
import time
from typing import Any

import pytest

from edge.sources import SourceError
from sim_devices.servers.sparkplug_bytes import BOOLEAN, DOUBLE, STRING, Told
from wire.quality import BAD, HISTORICAL, STALE
from wire.schemas import READINGS

GENEROUS_S = 60.0
LEVEL = Told("Tank/Level", DOUBLE, 41.5, alias=7, properties={"engUnit": "%", "engLow": 0.0, "engHigh": 100.0})
SPEED = Told("Speed/Setpoint", 3, 120, alias=8)
RUNS = Told("Running", BOOLEAN, True, alias=9)
MODE = Told("Mode", STRING, "auto", alias=10)


def table(broker: Any, **more: Any) -> dict[str, Any]:
    base = {"kind": "sparkplug", "name": "s", "url": broker.url, "keepalive_s": 1.0, "rebirth_s": 0.1, "reorder_s": 0.2}
    return base | {"metrics": [{"path": "*/Speed/*", "writable": True}], "confirm_s": GENEROUS_S} | more


async def until(tools: Any, source: Any, taken: Any, key: str, count: int = 1) -> None:
    await tools.take_until(source, taken, lambda t: len(t.values(key)) >= count, GENEROUS_S)


async def subscribed(source: Any) -> None:
    async with asyncio.timeout(GENEROUS_S):
        await source._link.up()


async def test_sample_config_reads_births_and_data_by_alias(tools: Any, broker: Any, node: Any, tmp_path: Any) -> None:
    (sample,) = tools.sample("edge.sources.sparkplug")
    taken = tools.Taken()
    async with tools.make(sample | {"url": broker.url}, tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        line.say("NBIRTH", [Told("Node Control/Rebirth", BOOLEAN, False), Told("Uptime", DOUBLE, 3.0)])
        line.say("DBIRTH", [LEVEL, SPEED, RUNS, MODE], "filler")
        line.say("DDATA", [Told("", DOUBLE, 42.0, alias=7), Told("", BOOLEAN, False, alias=9)], "filler")
        await until(tools, source, taken, "filler-4/running", 2)
        assert taken.values("filler-4/tank_level") == [41.5, 42.0]
        assert taken.values("filler-4/running") == ["true", "false"]
        assert taken.values("filler-4/mode") == ["auto"]
        assert taken.values("line-4/uptime") == [3.0]
        assert taken.values("filler-4/online") == ["true"]
        points = {point.key: point for point in source.points()}
        level = points["filler-4/tank_level"]
        assert (level.unit, level.low, level.high, level.writable) == ("%", 0.0, 100.0, False)
        assert points["filler-4/speed_setpoint"].writable
        assert not any("rebirth" in key or "bdseq" in key for key in points)


async def test_a_node_that_dies_leaves_its_points_stale_at_once(
    tools: Any, broker: Any, node: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker), tmp_path) as source:
        async with node(broker.port) as line:
            await subscribed(source)
            line.say("NBIRTH", [])
            line.say("DBIRTH", [LEVEL, MODE], "filler")
            await until(tools, source, taken, "line-4-filler/mode")
            line.raw("NDEATH", line.death())
        await until(tools, source, taken, "line-4-filler/mode", 2)
        last = {key: (value, quality) for key, _, value, quality in taken.rows}
        assert last["line-4-filler/tank_level"] == (41.5, STALE)
        assert last["line-4-filler/mode"] == ("auto", STALE)
        assert last["line-4/online"] == ("false", 0)
        async with node(broker.port, bd_seq=1) as line:
            line.say("NBIRTH", [])
            line.raw("NDEATH", node_death(line, 0))  # the will of the session before comes late
            line.say("DBIRTH", [LEVEL, MODE], "filler")
            await until(tools, source, taken, "line-4-filler/mode", 3)
        assert taken.rows[-1][3] == 0
        times = [us for key, us, _, _ in taken.rows if key == "line-4-filler/tank_level"]
        assert times == sorted(times)


def node_death(line: Any, bd_seq: int) -> bytes:
    from sim_devices.servers.sparkplug_bytes import INT64, payload

    return payload(time.time_ns() // 1_000_000, [Told("bdSeq", INT64, bd_seq)])


async def test_a_gap_is_counted_and_a_birth_asked_for(tools: Any, broker: Any, node: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker), tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        line.say("NBIRTH", [LEVEL])
        line.say("NDATA", [Told("", DOUBLE, 1.0, alias=7)], seq=3)  # 1 and 2 never come
        await until(tools, source, taken, "line-4/tank_level", 2)
        assert (source.host.gaps, source.health.errors["gap"]) == (2, 2)
        rebirth = asyncio.create_task(line.command("Node Control/Rebirth"))
        line.say("NDATA", [Told("", DOUBLE, 2.0, alias=7)])
        await until(tools, source, taken, "line-4/tank_level", 3)
        assert (await rebirth)[0].value is True


async def test_messages_that_swap_places_lose_nothing(tools: Any, broker: Any, node: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker, reorder_s=GENEROUS_S), tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        line.say("NBIRTH", [LEVEL])
        for seq, value in ((2, 2.0), (1, 1.0), (3, 3.0)):
            line.say("NDATA", [Told("", DOUBLE, value, alias=7)], seq=seq)
        await until(tools, source, taken, "line-4/tank_level", 4)
        assert taken.values("line-4/tank_level") == [41.5, 1.0, 2.0, 3.0]
        assert "gap" not in source.health.errors


async def test_data_without_a_birth_asks_for_one_ever_more_rarely(
    tools: Any, broker: Any, node: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker), tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        batches = source.batches()
        reading = asyncio.create_task(collect(batches, taken, source))
        started_s = time.monotonic()
        while "rebirth" not in source.health.errors or source.health.errors["rebirth"] < 3:
            line.say("NDATA", [Told("", DOUBLE, 1.0, alias=7)])
            await asyncio.sleep(0.01)
            assert time.monotonic() - started_s < GENEROUS_S
        asked, said = source.health.errors["rebirth"], source.health.errors["unborn"]
        assert time.monotonic() - started_s >= 0.3  # pauses of 0.1 and 0.2 s lie between the three
        assert said > asked
        line.say("NBIRTH", [LEVEL])
        async with asyncio.timeout(GENEROUS_S):
            while not taken.values("line-4/tank_level"):
                await asyncio.sleep(0.01)
        reading.cancel()
        assert taken.values("line-4/tank_level") == [41.5]
        assert source.health.discarded == source.health.errors["unborn"] >= said


async def collect(batches: Any, taken: Any, source: Any) -> None:
    async for batch in batches:
        taken.add(source, batch)


async def test_data_of_the_past_travels_alone_with_its_own_times(
    tools: Any, broker: Any, node: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker), tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        line.say("NBIRTH", [LEVEL])
        old = [Told("", DOUBLE, float(at), alias=7, ms=1_750_000_000_000 + at, historical=True) for at in range(3)]
        line.say("NDATA", [*old, Told("", DOUBLE, 50.0, alias=7)])
        line.say("NDATA", [Told("", DOUBLE, 51.0, alias=7, properties={"Quality": 0})])
        batches = []
        stream = source.batches()
        async with asyncio.timeout(GENEROUS_S):
            async for batch in stream:
                taken.add(source, batch)
                if batch.schema_id == READINGS:
                    batches.append(batch.rows.to_pydict())
                if len(taken.values("line-4/tank_level")) >= 6:
                    break
        assert [row[2:] for row in taken.rows if row[3] & HISTORICAL] == [(float(at), HISTORICAL) for at in range(3)]
        assert [row[1] for row in taken.rows if row[3] & HISTORICAL] == [
            1_750_000_000_000_000 + at * 1_000 for at in range(3)
        ]
        assert all(len({bool(q & HISTORICAL) for q in one["quality"]}) == 1 for one in batches)
        assert [row[3] for row in taken.rows if row[2] == 51.0] == [BAD]


async def test_a_command_has_the_metrics_own_type_and_waits_for_the_report(
    tools: Any, broker: Any, node: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker), tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        line.say("NBIRTH", [])
        line.say("DBIRTH", [SPEED, LEVEL], "filler")
        await until(tools, source, taken, "line-4-filler/speed_setpoint")
        reading = asyncio.create_task(collect(source.batches(), taken, source))
        point = {point.key: point for point in source.points()}["line-4-filler/speed_setpoint"]
        writing = asyncio.create_task(source.write(point, -95))
        (told,) = await line.command("Speed/Setpoint")
        assert (told.type, told.value, told.alias) == (3, -95, 8)
        assert not writing.done()
        line.say("DDATA", [Told("", 3, -95, alias=8)], "filler")
        async with asyncio.timeout(GENEROUS_S):
            await writing
        for wrong in (1.5, 2**40, "fast", float("nan")):
            with pytest.raises(SourceError):
                await source.write(point, wrong)
        with pytest.raises(SourceError):
            await source.write({p.key: p for p in source.points()}["line-4-filler/tank_level"], 3.0)
        reading.cancel()


async def test_a_primary_host_says_that_it_is_there_and_leaves_a_will(
    tools: Any, broker: Any, node: Any, tmp_path: Any
) -> None:
    heard: list[Any] = []
    async with broker.client() as listener:
        listener.on_messages = lambda found: heard.extend(json.loads(one.payload) for one in found)
        await listener.subscribe([("spBv1.0/STATE/aid4", 1)])
        async with tools.make(table(broker, host_id="aid4"), tmp_path) as source:
            await subscribed(source)
            await wait_for(lambda: heard)
            assert heard[0]["online"] is True
            assert abs(heard[0]["timestamp"] - time.time() * 1e3) < 1e3 * GENEROUS_S
            assert json.loads(source._link.config.will.payload) == {"online": False, "timestamp": heard[0]["timestamp"]}
        await wait_for(lambda: heard[-1]["online"] is False)


async def wait_for(condition: Any) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_lost_broker_makes_everything_stale_and_asks_for_births_when_it_is_back(
    tools: Any, broker: Any, node: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    async with tools.make(table(broker), tmp_path) as source, node(broker.port) as line:
        await subscribed(source)
        line.say("NBIRTH", [LEVEL])
        await until(tools, source, taken, "line-4/tank_level")
        broker.kill()
        await until(tools, source, taken, "line-4/tank_level", 2)
        broker.start()
        reading = asyncio.create_task(collect(source.batches(), taken, source))
        await line.command("Node Control/Rebirth")
        line.say("NBIRTH", [LEVEL])
        await wait_for(lambda: len(taken.values("line-4/tank_level")) >= 3)
        reading.cancel()
        assert [q for key, _, _, q in taken.rows if key == "line-4/tank_level"] == [0, STALE, 0]
