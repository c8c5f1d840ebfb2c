"""P1 ports: recorded telegrams, the CRC, and the source against a simulated meter behind a port server."""

import ast
import asyncio
import os
import pty
import random
import re
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from source_reader import Reading, sample

from edge.sources import SourceError
from edge.sources.dsmr_telegram import TELEGRAM_BYTES_MAX, TelegramError, Telegrams, decode_telegram, meaning, number
from sim_devices.servers.dsmr import P1Port
from sim_devices.site import Device, Metric
from wire.errors import ConfigError
from wire.quality import STALE
from wire.units import convert

METRICS = (
    Metric("energy_import_t1", unit="kW.h", point_class="energy"),
    Metric("energy_export_t1", unit="kW.h", point_class="energy"),
    Metric("power_import", unit="kW"),
    Metric("voltage_l1", unit="V", low=200, high=260),
    Metric("current_l1", unit="A"),
    Metric("tariff"),
    Metric("gas_1", unit="m3"),
)
VALUES = {
    "energy_import_t1": 4_711.123,
    "energy_export_t1": 12.5,
    "power_import": 3.456,
    "voltage_l1": 231.5,
    "current_l1": 15.0,
    "tariff": 2,
    "gas_1": 321.125,
}


def recordings(shared_data: Path) -> dict[str, bytes]:
    """The telegrams of the data folder by name; the file is read as literals and not run."""
    tree = ast.parse((shared_data / "field" / "dsmr" / "example_telegrams.py").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                text = ast.literal_eval(node.value)
            except ValueError:
                continue
            if isinstance(text, str) and text.startswith("/"):
                (found[node.targets[0].id],) = Telegrams().feed(text.encode("latin-1"))
    return found


def crc16(data: bytes) -> int:
    """The P1 companion standard's CRC, bit by bit: x^16 + x^15 + x^2 + 1, least bit first, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


@asynccontextmanager
async def port(**about: Any) -> AsyncIterator[P1Port]:
    made = P1Port(Device("grid", "p1_meter", "dsmr", "cellar"), METRICS, period_s=0.05, **about)
    async with asyncio.TaskGroup() as tasks:
        await made.start(tasks)
        await made.publish(VALUES)
        try:
            yield made
        finally:
            await made.close()


def table(served: P1Port, **changes: Any) -> dict[str, Any]:
    return served.source() | {"timeout_s": 1.0} | changes


def test_every_recorded_telegram_decodes_to_the_numbers_that_stand_in_it(shared_data: Path) -> None:
    """The oracle is a search of the raw text for `code(…number*unit)`, which knows nothing of framing."""
    found = recordings(shared_data)
    numbers = 0
    for name, raw in found.items():
        lines = {line.code: line.values for line in decode_telegram(raw)}
        for code, value, unit in re.findall(
            r"^(1-0:\d+\.[78]\.\d)(?:\*255)?\((-?[\d.]+)\*(\w+)\)\r$", raw.decode(), re.M
        ):
            told = number(lines[code][-1])
            value, unit = (float(value) / 1_000, "kvarh") if unit == "varh" else (float(value), unit)
            assert told == (value, unit), (name, code)
            what = meaning(code, {})
            if what is not None:
                assert convert(1.0, unit, what.unit) > 0, (name, code)
                numbers += 1
    assert len(found) == 13
    assert numbers > 100


def test_a_recorded_telegram_of_version_4_reads_as_a_person_reads_it(shared_data: Path) -> None:
    lines = {line.code: line.values for line in decode_telegram(recordings(shared_data)["TELEGRAM_V4_2"])}
    told = {meaning(code, {"1": 3}).metric: values[-1] for code, values in lines.items() if meaning(code, {"1": 3})}
    assert told["energy_import_t1"] == "001581.123*kWh"
    assert told["power_import"] == "02.027*kW"
    assert told["power_import_l2"] == "01.247*kW"
    assert told["current_l2"] == "006*A"
    assert told["gas_1"] == "00981.443*m3"
    assert told["power_failures"] == "00015"


def test_the_crc_is_that_of_the_standard_and_every_changed_byte_is_noticed(shared_data: Path) -> None:
    raw = recordings(shared_data)["TELEGRAM_V5"]
    end = raw.index(b"!") + 1
    assert int(raw[end : end + 4], 16) == crc16(raw[:end])
    for at in range(0, end, 7):
        with pytest.raises(TelegramError):
            decode_telegram(raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
    with pytest.raises(TelegramError, match="has a CRC, and there is none"):
        decode_telegram(raw[:end] + b"\r\n")


def test_telegrams_are_found_in_pieces_between_noise_and_after_a_torn_one(shared_data: Path) -> None:
    noise, whole = random.Random(5), list(recordings(shared_data).values())
    stream = b"".join(
        bytes(noise.choices(b"abc()*.\r\n", k=30)) + one[: noise.randrange(200, 400)] + one for one in whole
    )
    reader, found = Telegrams(), []
    while stream:
        size = noise.randrange(1, 200)
        found += reader.feed(stream[:size])
        stream = stream[size:]
        assert len(reader._held) <= TELEGRAM_BYTES_MAX + 200
    legal = 0
    for one in found:
        try:
            decode_telegram(one[one.rindex(b"/") :])
        except TelegramError:
            continue
        legal += 1
    assert legal >= len(whole) - 1


def test_random_bytes_are_refused_or_read_and_never_anything_else(shared_data: Path) -> None:
    noise, raw = random.Random(8), recordings(shared_data)["TELEGRAM_V3"]
    refused = 0
    for _ in range(3_000):
        damaged = bytearray(raw)
        for _ in range(noise.randrange(1, 6)):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        try:
            decode_telegram(bytes(damaged))
        except TelegramError:
            refused += 1
    assert refused > 500


def test_a_stream_that_never_ends_a_telegram_is_bounded() -> None:
    reader = Telegrams()
    for _ in range(200):
        assert reader.feed(b"/" + b"x" * 999) == []
        assert len(reader._held) <= TELEGRAM_BYTES_MAX + 1_000
    assert reader.skipped > 180_000


async def test_the_sample_of_the_docs_is_a_legal_config() -> None:
    (found,) = sample("edge.sources.dsmr")
    Reading(found)


async def test_values_arrive_under_names_that_say_what_they_are() -> None:
    async with port() as served, Reading(table(served)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == len(METRICS))
        assert {name: read.value(f"grid/{name}") for name in VALUES} == pytest.approx(VALUES)
        point = read.point("grid/voltage_l1")
        assert (point.unit, point.point_class, point.low, point.high) == ("V", "voltage", 200.0, 260.0)
        await served.publish(VALUES | {"power_import": 9.875})
        await read.until(lambda: read.value("grid/power_import") == 9.875)
        with pytest.raises(SourceError, match="takes no commands"):
            await read.source.write(point, 1.0)


async def test_a_meter_behind_the_meter_is_told_once_a_reading_of_it() -> None:
    async with port() as served, Reading(table(served)) as read:
        await read.until(lambda: sum(row.key == "grid/power_import" for row in read.rows) >= 10)
        gas = [row for row in read.rows if row.key == "grid/gas_1"]
        assert len(gas) <= 2  # twice only if the hour ended meanwhile


async def test_a_lost_port_makes_points_stale_once_and_they_come_back() -> None:
    async with port() as served, Reading(table(served)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == len(METRICS))
        keys = {row.key for row in read.rows}
        async with asyncio.TaskGroup() as tasks:
            await served.cut()
            await read.until(lambda: {row.key for row in read.rows if row.quality & STALE} == keys)
            before = len(read.rows)
            await served.start(tasks)
            await read.until(lambda: {row.key for row in read.rows[before:] if not row.quality} == keys)
            await served.cut()
    assert sum(bool(row.quality & STALE) for row in read.rows[:before]) == len(keys)


async def test_a_port_that_is_open_and_says_no_telegram_makes_points_stale() -> None:
    async with port() as served, Reading(table(served, timeout_s=0.5)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == len(METRICS))
        served.telegram = lambda: b"/still here\r\n"  # type: ignore[method-assign]
        await read.until(lambda: any(row.quality & STALE for row in read.rows))
        assert "no telegram" in read.health.why


async def test_wrong_telegrams_are_counted_and_right_ones_taken() -> None:
    async with port() as served, Reading(table(served)) as read:
        whole, turn = served.telegram, 0

        def now_and_then_wrong() -> bytes:
            nonlocal turn
            turn += 1
            good = whole()
            return good.replace(b"231.5", b"999.9") if turn % 2 else good

        served.telegram = now_and_then_wrong  # type: ignore[method-assign]
        await read.until(lambda: read.health.errors.get("decode", 0) >= 3 and len(read.rows) > 20)
        assert {row.value for row in read.rows if row.key == "grid/voltage_l1"} == {231.5}


async def test_a_flood_of_telegrams_is_thinned_and_counted() -> None:
    async with port() as served, Reading(table(served)) as read:
        whole = served.telegram
        served.telegram = lambda: whole() * 50  # type: ignore[method-assign]
        await read.until(lambda: read.health.errors.get("flood", 0) > 30)
        await read.until(lambda: len(read.rows) > 20)


async def test_a_cable_is_read_like_a_port_server() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    served = P1Port(Device("grid", "p1_meter", "dsmr", "cellar"), METRICS)
    await served.publish(VALUES)
    try:
        async with Reading(table(served, url=f"serial://{os.ttyname(theirs)}", timeout_s=5.0)) as read:
            await asyncio.sleep(0.1)
            os.write(ours, served.telegram())
            await read.until(lambda: read.value("grid/energy_import_t1") == 4_711.123)
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_config_that_cannot_work_names_the_field() -> None:
    with pytest.raises(ConfigError, match="url"):
        Reading({"kind": "dsmr", "name": "x", "url": "udp://1.2.3.4:5"})
