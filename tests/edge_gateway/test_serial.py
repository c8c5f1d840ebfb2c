"""Lines of text: on a pseudo terminal of the kernel, by pattern, columns and NMEA, and with noise."""

import asyncio
import os
import random
import tty
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from source_reader import Reading, sample

from edge.sources import SourceError
from edge.sources.serial_lines import LINE_BYTES_MAX, LineError, LinePoint, LineSplitter, Taker, value_of
from wire.errors import ConfigError
from wire.quality import BAD, STALE

RMC = "$GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W*70"
WIND = "$WIMWV,214.8,R,0.1,K,A*28"


class Port:
    """The device's end of a serial line."""

    def __init__(self) -> None:
        self._end, self._other = os.openpty()
        tty.setraw(self._other)
        self.path = os.ttyname(self._other)

    def say(self, text: bytes) -> None:
        os.write(self._end, text)

    async def heard(self, until: bytes) -> bytes:
        """What the source sent, up to and with `until`."""
        os.set_blocking(self._end, False)
        found = b""
        async with asyncio.timeout(60):
            while until not in found:
                try:
                    found += os.read(self._end, 1_024)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
        return found

    def close(self) -> None:
        os.close(self._other)
        os.close(self._end)


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    made = Port()
    yield made
    made.close()


def table(port: Port, **more: Any) -> dict[str, Any]:
    (found,) = sample("edge.sources.serial")
    return found | {"url": f"serial://{port.path}?baudrate=9600", "period_s": 0.05} | more


async def test_the_sample_config_asks_a_scale_and_sets_its_target(port: Port, tmp_path: Path) -> None:
    async with Reading(table(port), tmp_path) as read:
        assert await port.heard(b"W\r\n")
        port.say(b"ST,GS,+  12.340 kg\r\nUS,GS,-")
        port.say(b"   0.500 kg\r\n")
        await read.until(lambda: read.value("scale/weight") == -0.5)
        assert [row.value for row in read.rows if row.key == "scale/weight"] == [12.34, -0.5]
        assert [row.value for row in read.rows if row.key == "scale/motion"] == ["ST", "US"]
        await read.source.write(read.point("scale/target"), 25.5)
        assert b"TARGET 25.5\r\n" in await port.heard(b"TARGET 25.5\r\n")
        with pytest.raises(SourceError, match="outside 0"):
            await read.source.write(read.point("scale/target"), 61)
        with pytest.raises(SourceError, match="takes no commands"):
            await read.source.write(read.point("scale/weight"), 1)


async def test_lines_that_do_not_fit_are_counted_and_silence_is_told(port: Port, tmp_path: Path) -> None:
    async with Reading(table(port, timeout_s=0.5), tmp_path) as read:
        await port.heard(b"W")
        port.say(b"ST,GS,+ 1.0 kg\r\nERR 7\r\nST,GS,+ 1.2.3 kg\r\n")
        await read.until(lambda: read.health.errors.get("decode", 0) >= 2)
        assert read.health.discarded == 1, "a line that is none"
        assert [row.quality & BAD for row in read.rows if row.key == "scale/weight"] == [0, BAD], (
            "a number that is none"
        )
        await read.until(lambda: bool((row := read.last("scale/weight")) and row.quality & STALE))
        assert "no line that fits in 0.5 s" in read.health.why
        assert read.last("scale/weight").value == 1.0  # type: ignore[union-attr]


async def test_sentences_of_a_ships_receiver_become_places_and_winds(port: Port, tmp_path: Path) -> None:
    points = [
        {"metric": "latitude", "sentence": "RMC", "field": 3, "type": "degrees"},
        {"metric": "longitude", "sentence": "RMC", "field": 5, "type": "degrees"},
        {"metric": "speed", "sentence": "RMC", "field": 7, "scale": 0.5144444444, "unit": "m/s"},
        {"metric": "wind_from", "sentence": "MWV", "field": 1, "unit": "deg"},
    ]
    async with Reading(table(port, form="nmea", ask="?", pattern="", points=points), tmp_path) as read:
        await port.heard(b"?")  # now it listens: what was said before is thrown away
        port.say(f"{RMC}\r\n{WIND[:-2]}00\r\n{WIND}\r\n$GPZDA,1,2*00\r\n".encode())
        await read.until(lambda: read.value("scale/wind_from") == 214.8)
        assert read.value("scale/latitude") == pytest.approx(51.563667, abs=1e-6)
        assert read.value("scale/longitude") == pytest.approx(-0.704, abs=1e-6)
        assert read.value("scale/speed") == pytest.approx(89.41, abs=0.01)
        await read.until(lambda: read.health.errors.get("decode") == 2)


def test_columns_are_numbered_from_one_and_empty_ones_tell_nothing() -> None:
    points = (LinePoint(metric="t", field=2, scale=0.1), LinePoint(metric="mode", field=3, type="text"))
    taker = Taker("columns", "", ";", points)
    _, fields = taker.fields("7;215;auto")
    assert [value_of(point, fields) for point in points] == [21.5, "auto"]
    _, fields = taker.fields("7;;")
    assert [value_of(point, fields) for point in points] == [None, None]
    for lie in ("nan", "inf", "1_000", "0x1F", "1e999", "١٢"):
        with pytest.raises(LineError):
            value_of(points[0], {"2": lie})


def test_noise_never_makes_a_sentence_and_lines_stay_bounded() -> None:
    chance = random.Random(12)
    point = LinePoint(metric="wind_from", sentence="MWV", field=1)
    taker, splitter, made = Taker("nmea", "", ",", (point,)), LineSplitter(), 0
    for _ in range(3_000):
        data = bytearray(f"{WIND}\r\n".encode())
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for line in splitter.feed(bytes(data)):
            try:
                kind, fields = taker.fields(line)
                value_of(point, fields)
                made += kind == "MWV"
            except LineError:
                continue
    assert made < 60, "two errors that cancel in an eight-bit checksum, or one that hit a line end"
    splitter = LineSplitter()
    for _ in range(1_000):
        assert splitter.feed(chance.randbytes(500).replace(b"\n", b"").replace(b"\r", b"")) == []
        assert len(splitter._rest) <= LINE_BYTES_MAX
    assert splitter.skipped > 400_000
    assert splitter.feed(b"end\nwhole\n") == ["whole"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"pattern": "(unclosed"}, "pattern"),
        ({"pattern": "no group"}, "pattern"),
        ({"points": [{"metric": "speed"}]}, "points[0].field"),
        ({"form": "columns", "points": [{"metric": "speed", "field": "x"}]}, "points[0].field"),
        ({"form": "nmea", "points": [{"metric": "speed", "field": 1}]}, "points[0].sentence"),
        ({"url": "serial://?x"}, "url"),
    ],
)
def test_a_wrong_config_names_its_place(change: dict[str, Any], field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Reading(sample("edge.sources.serial")[0] | change, tmp_path)
    assert (caught.value.field, bool(caught.value.fix)) == (field, True)
