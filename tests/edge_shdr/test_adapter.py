"""A live adapter against the source: values, outage, silence, the real Okuma stream, and what no adapter sends."""

import asyncio
import random
import tomllib
from collections import Counter, defaultdict
from contextlib import asynccontextmanager

import msgspec
import pytest
from acting_reader import Reader

from edge.sources import SourceError, load_kind
from sim_devices.servers.shdr import ShdrAdapter
from sim_devices.site import Device, Metric
from wire.names import slug
from wire.quality import BAD, STALE

METRICS = (Metric("speed", "{rpm}", low=0, high=6000), Metric("mode", kind="state", declared="enum"))


@asynccontextmanager
async def lathe(tmp_path, **config):
    adapter = ShdrAdapter(Device(name="lathe", kind="lathe", protocol="shdr", space="Hall"), METRICS)
    async with asyncio.TaskGroup() as tasks:
        try:
            await adapter.start(tasks)
            async with Reader({**adapter.source(), **config}, tmp_path) as reader:
                await reader.until(lambda: adapter._agents)
                yield adapter, reader, tasks
        finally:
            await adapter.close()


def test_the_sample_of_the_docstring_is_a_config():
    from edge.sources import shdr

    table = tomllib.loads((shdr.__doc__ or "").split("\n\n")[1])["source"][0]
    assert msgspec.convert(table, load_kind("shdr").config).url == "shdr://127.0.0.1:7878"


async def test_values_pass_an_outage_is_told_and_everything_is_read_again(tmp_path):
    async with lathe(tmp_path) as (adapter, reader, tasks):
        await adapter.publish({"speed": 1200.5, "mode": "AUTOMATIC"})
        await reader.until(lambda: reader.value("lathe/mode") == "AUTOMATIC")
        assert (reader.value("lathe/speed"), reader.point("lathe/speed").unit) == (1200.5, "{rpm}")
        await adapter.publish({"speed": None, "mode": "AUTOMATIC"})
        await reader.until(lambda: (reader.quality("lathe/speed") or 0) & BAD)
        await adapter.publish({"speed": 900.0, "mode": "AUTOMATIC"})
        await reader.until(lambda: reader.value("lathe/speed") == 900.0)
        await adapter.cut()
        await reader.until(lambda: reader.quality("lathe/mode") == STALE)
        stale = reader.last("lathe/speed")
        assert (stale.value, stale.quality) == (900.0, STALE)
        await adapter.start(tasks)
        await reader.until(lambda: reader.quality("lathe/mode") == 0)
        assert reader.last("lathe/speed").ts_us > stale.ts_us
        with pytest.raises(SourceError, match="takes no commands"):
            await reader.source.write(reader.point("lathe/speed"), 1.0)


async def test_an_adapter_that_answers_pings_is_there_and_a_silent_one_is_lost(tmp_path):
    async with lathe(tmp_path, link_loss_s=1.0) as (adapter, reader, _):
        await adapter.publish({"speed": 1.0, "mode": "MANUAL"})
        await reader.until(lambda: reader.value("lathe/mode") == "MANUAL")
        await asyncio.sleep(2.5)  # nothing changes, PONGs keep the link
        assert reader.source.health.state == "running"
        assert not reader.source.health.errors
        silent = await asyncio.start_server(_mute, "127.0.0.1", 0)
        await adapter.cut()
        port = silent.sockets[0].getsockname()[1]
        async with Reader({"kind": "shdr", "name": "x", "url": f"shdr://127.0.0.1:{port}", "link_loss_s": 0.5}) as mute:
            await mute.until(lambda: mute.quality("x/a") == STALE)
            assert "said nothing" in mute.source.health.why
        silent.close()


async def _mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"2026-11-23T10:00:00Z|a|1\n")


async def test_the_okuma_stream_arrives_as_an_independent_reading_of_the_file(tmp_path, shared_data):
    """Every observation of names that are always numbers, in order, split by hand from the recording's lines."""
    lines = (shared_data / "field/mtconnect/okuma.shdr.txt").read_bytes().splitlines(keepends=True)[:4_000]
    expected: dict[str, list[float]] = defaultdict(list)
    words = set()
    for line in lines:
        fields = line.decode("utf-8", "replace").rstrip("\r\n").split("|")
        is_condition = len(fields) == 7 and fields[2].upper() in ("NORMAL", "WARNING", "FAULT", "UNAVAILABLE")
        if len(fields) % 2 == 0 or is_condition or "|@" in line.decode("utf-8", "replace"):
            words.update(fields[1::2])
            continue
        for name, text in zip(fields[1::2], fields[2::2], strict=True):
            try:
                expected[name].append(float(text))
            except ValueError:
                words.add(name)
    names = Counter(slug(name) for name in {*expected, *words})  # some names differ in their case only
    numeric = {
        name: values
        for name, values in expected.items()
        if name not in words and len(values) > 1 and names[slug(name)] == 1
    }
    assert len(numeric) > 20
    async with lathe(tmp_path) as (adapter, reader, _):
        for line in lines:
            adapter.say(line)
        rarest = {slug(name): values for name, values in numeric.items()}
        adapter.say(b"2026-11-23T10:00:00Z|the_end|1\n")
        await reader.until(lambda: reader.value("lathe/the_end"))
        for name, values in rarest.items():
            assert reader.values(f"lathe/{name}") == pytest.approx(values), name


async def test_no_line_ends_the_source(tmp_path):
    """Seeded fuzz: cut lines, bars, NULs, assets that never close, a line without an end."""
    rng = random.Random(5)
    seeds = [
        b"2026-11-23T10:00:00Z|a|1|b|two", b"2026-11-23T10:00:00Z|c|FAULT|1|2|HIGH|text", b"* command: x",
        b"2026-11-23T10:00:00Z|@ASSET@|1|Tool|--multiline--AB", b"2026-11-23T10:00:00Z|m|code|text", b"|||||",
        b"2026-11-23T10:00:00Z|s|3|10|1 2 3",
    ]  # fmt: skip
    async with lathe(tmp_path) as (adapter, reader, _):
        for _number in range(800):
            line = bytearray(rng.choice(seeds))
            for _hit in range(rng.randrange(4)):
                line[rng.randrange(len(line))] = rng.choice(b'|\0\xff\\"@0Z-\r')
            adapter.say(bytes(line[: rng.randrange(1, len(line) + 1)]) + b"\n")
        adapter.say(b"2026-11-23T10:00:00Z|\n--multiline--AB\n2026-11-23T10:00:01Z|end|42\n")
        await reader.until(lambda: reader.value("lathe/end") == 42.0)
        assert reader.source.health.errors["decode"] > 10
        adapter.say(b"x" * (3 << 20))
        await reader.until(lambda: reader.source.health.errors.get("connect"))
        await reader.until(lambda: adapter._agents)
        await adapter.publish({"speed": 7.0})
        await reader.until(lambda: reader.value("lathe/speed") == 7.0)
