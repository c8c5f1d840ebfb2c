"""M-Bus between the agent's source and simulated meters behind a level converter, and over a serial line."""

import asyncio
import os
import pty
import random
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from source_reader import Reading, sample

from edge.sources import SourceError
from edge.sources.mbus_find import find_meters
from edge.sources.mbus_points import POINTS_MAX
from sim_devices.servers.mbus import ACK, MbusMeter
from sim_devices.site import Device, Metric
from wire.errors import ConfigError
from wire.quality import BAD, STALE

HEAT = (
    Metric("energy", unit="kW.h", point_class="energy"),
    Metric("volume", unit="m3"),
    Metric("power", unit="kW"),
    Metric("volume_flow", unit="m3/h"),
    Metric("flow_temperature", unit="Cel", low=0, high=130),
    Metric("return_temperature", unit="Cel", low=0, high=130),
)
VALUES = {
    "energy": 12_345.678,
    "volume": 987.654,
    "power": 42.5,
    "volume_flow": 1.25,
    "flow_temperature": 71.25,
    "return_temperature": 43.5,
}
ELECTRICITY = (Metric("energy", unit="kW.h"), Metric("voltage", unit="V"), Metric("current", unit="A"))


@asynccontextmanager
async def meter(
    name: str = "heat-1", metrics: tuple[Metric, ...] = HEAT, values: dict[str, Any] | None = None, **about: Any
) -> AsyncIterator[MbusMeter]:
    made = MbusMeter(Device(name, "heat_meter", "mbus", "cellar"), metrics, period_s=0.1, **about)
    async with asyncio.TaskGroup() as tasks:
        await made.start(tasks)
        await made.publish(VALUES if values is None else values)
        try:
            yield made
        finally:
            await made.close()


def table(served: MbusMeter, **changes: Any) -> dict[str, Any]:
    return served.source() | {"timeout_s": 0.5} | changes


async def test_the_sample_of_the_docs_is_a_legal_config() -> None:
    (found,) = sample("edge.sources.mbus")
    Reading(found)


async def test_values_arrive_in_the_units_that_the_table_asks_for() -> None:
    async with meter() as served, Reading(table(served)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == 7)
        for name, value in VALUES.items():
            assert read.value(f"heat-1/{name}") == pytest.approx(value, abs=0.006), name
        assert read.value("heat-1/status") == 0.0
        energy = read.point("heat-1/energy")
        assert (energy.unit, energy.point_class, energy.meta["medium"]) == ("kW.h", "energy", "heat_outlet")
        await served.publish(VALUES | {"power": 50.0})
        await read.until(lambda: read.value("heat-1/power") == pytest.approx(50.0))


async def test_an_electricity_meter_tells_volts_and_amperes() -> None:
    told = {"energy": 10.0, "voltage": 231.25, "current": 12.345}
    async with meter("power-1", ELECTRICITY, told) as served, Reading(table(served)) as read:
        await read.until(lambda: len(read.rows) >= 4)
        assert {name: read.value(f"power-1/{name}") for name in told} == pytest.approx(told)


async def test_a_meter_is_found_by_the_number_printed_on_it() -> None:
    async with meter() as served:
        printed = {"name": "heat-1", "id": served.identity, "manufacturer": "ACD"}
        async with Reading(table(served, meters=[printed])) as read:
            await read.until(lambda: read.value("heat-1/volume") == pytest.approx(987.654))
            assert read.value("heat-1/energy") == pytest.approx(12_345_678.0)  # in Wh, as the meter says it
        other = {"name": "heat-1", "id": "00000001"}
        async with Reading(table(served, meters=[other])) as read:
            await read.until(lambda: read.health.errors.get("read", 0) > 0)
            assert not read.rows


async def test_a_value_that_the_meter_does_not_have_is_bad_and_the_others_are_good() -> None:
    async with meter() as served, Reading(table(served)) as read:
        await read.until(lambda: read.value("heat-1/power") is not None)
        await served.publish(VALUES | {"power": None})
        await read.until(lambda: bool(read.last("heat-1/power").quality & BAD))
        assert not read.last("heat-1/energy").quality


async def test_a_lost_line_makes_points_stale_once_and_they_come_back() -> None:
    async with meter() as served, Reading(table(served)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == 7)
        keys = {row.key for row in read.rows}
        async with asyncio.TaskGroup() as tasks:
            await served.cut()
            await read.until(lambda: {row.key for row in read.rows if row.quality & STALE} == keys)
            stale = sum(bool(row.quality & STALE) for row in read.rows)
            await read.until(lambda: read.health.state == "waiting")
            before = len(read.rows)
            await served.start(tasks)
            await read.until(lambda: {row.key for row in read.rows[before:] if not row.quality} == keys)
        assert sum(bool(row.quality & STALE) for row in read.rows) == stale == 7


async def test_a_silent_meter_is_stale_while_its_neighbour_on_the_bus_is_read() -> None:
    async with meter() as served:
        absent = {"name": "heat-2", "address": 77}
        async with Reading(table(served, timeout_s=0.05, meters=[absent, *table(served)["meters"]])) as read:
            await read.until(lambda: read.value("heat-1/energy") is not None and read.health.errors.get("read", 0) >= 3)
            assert read.health.state == "running"


async def test_another_meter_at_a_known_address_is_told() -> None:
    async with meter() as served, Reading(table(served)) as read:
        await read.until(lambda: read.value("heat-1/energy") is not None)
        was, served.identity = served.identity, "87654321"
        await read.until(lambda: bool(read.events))
        assert read.events[0]["kind"] == "meter_swapped"
        assert was in read.events[0]["message"]


@pytest.mark.parametrize(
    "damage", ["cut short", "wrong length", "bad checksum", "lies about its length", "noise", "other"]
)
async def test_a_broken_answer_is_counted_and_the_next_good_one_taken(damage: str) -> None:
    noise = random.Random(3)
    async with meter() as served, Reading(table(served, timeout_s=0.2)) as read:
        await read.until(lambda: read.value("heat-1/energy") is not None)
        whole = served.answer

        def broken() -> bytes:
            good = whole()
            match damage:
                case "cut short":
                    return good[:-7]
                case "wrong length":
                    return good[:1] + bytes((good[1] - 1,)) + good[2:]
                case "bad checksum":
                    return good[:-2] + bytes((good[-2] ^ 1, good[-1]))
                case "lies about its length":
                    return b"\x68\xff\xff\x68" + good[4:]
                case "noise":
                    return noise.randbytes(300)
            served.address = 9
            other = whole()
            served.address = 1
            return other

        served.answer = broken  # type: ignore[method-assign]
        await read.until(lambda: read.health.errors.get("decode", 0) >= 3)
        served.answer = whole  # type: ignore[method-assign]
        before = len(read.rows)
        await read.until(lambda: any(row.key == "heat-1/energy" and not row.quality for row in read.rows[before:]))
        assert not [row for row in read.rows if not row.quality and row.key == "heat-1/energy" and row.value < 12_345]


async def test_a_converter_that_never_stops_talking_is_hung_up_on() -> None:
    async with meter() as served, Reading(table(served, timeout_s=0.2)) as read:
        await read.until(lambda: read.value("heat-1/energy") is not None)
        served._reply = lambda frame: b"\x00" * 200_000  # type: ignore[method-assign]
        await read.until(lambda: read.health.errors.get("flood", 0) + read.health.errors.get("decode", 0) >= 2)
        await read.until(lambda: read.health.state == "waiting")


async def test_meters_take_no_commands() -> None:
    async with meter() as served, Reading(table(served)) as read:
        await read.until(lambda: read.value("heat-1/energy") is not None)
        with pytest.raises(SourceError, match="takes no commands"):
            await read.source.write(read.point("heat-1/energy"), 1.0)


async def test_a_meter_on_a_serial_line_is_read() -> None:
    """Two pseudo terminals stand for the wire; the meter answers at its end."""
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    served = MbusMeter(Device("heat-1", "heat_meter", "mbus", "cellar"), HEAT)
    await served.publish(VALUES)

    def answer() -> None:
        frame = os.read(ours, 64)
        reply = served._reply(frame)
        if reply:
            os.write(ours, reply)

    loop = asyncio.get_running_loop()
    loop.add_reader(ours, answer)
    try:
        url = f"serial://{os.ttyname(theirs)}?baudrate=2400&parity=N"
        async with Reading(table(served, url=url, period_s=0.2, timeout_s=1.0)) as read:
            await read.until(lambda: read.value("heat-1/energy") == pytest.approx(12_345.678))
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)
    assert served._reply(bytes.fromhex("1040014116")) == ACK


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"meters": []}, "meters"),
        ({"meters": [{"name": "a"}]}, "meters[0].address"),
        ({"meters": [{"name": "a", "address": 1, "id": "12345678"}]}, "meters[0].address"),
        ({"meters": [{"name": "a", "address": 1}, {"name": "b", "address": 1}]}, "meters[1]"),
        ({"url": "http://x"}, "url"),
        ({"url": "serial:///dev/x?speed=5"}, "url"),
    ],
)
async def test_a_config_that_cannot_work_names_the_field(change: dict[str, Any], field: str) -> None:
    legal = {"kind": "mbus", "name": "x", "url": "tcp://127.0.0.1:9", "meters": [{"name": "a", "address": 1}]}
    with pytest.raises(ConfigError) as caught:
        Reading(legal | change)
    assert field in str(caught.value)


async def test_a_table_names_records_by_its_own_words() -> None:
    metrics = (
        Metric("heat", unit="MW.h"),
        Metric("supply", unit="Cel"),
        Metric("return", unit="Cel"),
        Metric("voltage_l1", unit="V"),
        Metric("voltage_l2", unit="V"),
    )
    told = {"heat": 1.5, "supply": 60.5, "return": 40.25, "voltage_l1": 230.5, "voltage_l2": 231.5}
    async with meter("m-1", metrics, told) as served, Reading(table(served)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == 6)
        assert {name: read.value(f"m-1/{name}") for name in told} == pytest.approx(told)
        assert read.point("m-1/heat").unit == "MW.h"


async def test_meters_on_a_bus_are_found_by_asking_each_address() -> None:
    async with meter(address=3) as served:
        url = f"tcp://127.0.0.1:{served.port}"
        found = [one async for one in find_meters(url, addresses=range(1, 6), timeout_s=0.1)]
    assert [(one.address, one.header and one.header.id) for one in found] == [(3, served.identity)]
    with pytest.raises(SourceError):
        [one async for one in find_meters(url, addresses=[1])]


async def test_a_meter_that_tells_other_records_each_time_fills_no_memory() -> None:
    async with meter() as served, Reading(table(served, period_s=0.02)) as read:
        turn = 0

        def another() -> bytes:
            nonlocal turn
            turn += 1
            body = bytes.fromhex("785634126404010400000000")
            for count in range(20 * turn, 20 * turn + 20):  # 1,024 combinations of tariff, unit, function, quantity
                difs = (0x84 | count // 32 % 4 << 4, 0x80 | count % 4 << 4 | count // 16 % 2 << 6, count // 4 % 4 << 4)
                body += bytes((*difs, b"\x03\x0b\x13\x1b\x2b\x3b\x59\x61"[count // 128 % 8], 1, 0, 0, 0))
            content = bytes((0x08, 1, 0x72)) + body
            length = len(content)
            return bytes((0x68, length, length, 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))

        served.answer = another  # type: ignore[method-assign]
        await read.until(lambda: read.health.errors.get("points", 0) > 3)
        assert len(read.source.points()) <= POINTS_MAX + 1  # and the status
