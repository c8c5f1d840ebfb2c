"""Replay: real recordings, counted by independent code; broken ones; pace."""

import csv
import gzip
import shutil
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wire.errors import ConfigError, InputError
from wire.quality import BAD, HISTORICAL, NOT_A_NUMBER, OUT_OF_RANGE, TIME_SUSPECT

CHICAGO = ZoneInfo("America/Chicago")


def shdr_observations(path: Path) -> list[tuple[str, str]]:
    """(name, text) of every observation, by the plainest code that can be written."""
    found, inside = [], ""
    for line in path.read_text().splitlines():
        if inside:
            inside = "" if line == inside else inside
            continue
        fields = line.split("|")
        if line.startswith("*"):
            continue
        if fields[1].startswith("@"):
            inside = fields[-1] if fields[-1].startswith("--multiline--") else ""
        elif fields[2] in {"NORMAL", "WARNING", "FAULT"}:
            found.append((fields[1], fields[2]))
        else:
            found += list(zip(fields[1::2], fields[2::2], strict=True))
    return found


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


async def test_sample_config_replays_both_recordings_to_the_last_observation(
    tools: Any, shared_data: Path, tmp_path: Path
) -> None:
    shutil.copy(shared_data / "field/mtconnect/okuma.shdr.txt", tmp_path)
    shutil.copy(shared_data / "ad/hvac_lbnl/MZVAV-2-1.csv", tmp_path / "ahu.csv")
    okuma, ahu = tools.sample("edge.sources.replay")
    assert len((await tools.take_all(tools.make(okuma, tmp_path))).rows) == 25_507
    assert len((await tools.take_all(tools.make(ahu, tmp_path))).rows) == 21_600 * 17


async def test_every_shdr_observation_arrives_with_its_value_and_time(tools: Any, shared_data: Path) -> None:
    path = shared_data / "field/mtconnect/okuma.shdr.txt"
    expected = shdr_observations(path)
    source = tools.make({"kind": "replay", "name": "okuma", "file": str(path), "speed": "max"}, Path())
    taken = await tools.take_all(source)
    numbers = Counter(float(text) for _, text in expected if is_number(text))
    texts = Counter(text for _, text in expected if not is_number(text))
    got = [value for _, _, value, _ in taken.rows]
    assert Counter(value for value in got if not isinstance(value, str)) == numbers
    assert Counter(value for value in got if isinstance(value, str)) == texts
    assert len({point.label for point in source.points()}) == len({name for name, _ in expected})
    first = next(at for key, at, _, _ in taken.rows if key == "okuma/s1ovr")
    assert first == 1_659_966_694_716_714  # …34.7167146: the seventh digit is cut off, not rounded
    assert source.health.received == source.health.sent == len(expected)
    assert source.health.discarded == 0
    assert taken.batches < 20


async def test_words_of_a_numeric_quantity_become_a_state_beside_it(tools: Any, shared_data: Path) -> None:
    path = shared_data / "field/mtconnect/okuma.shdr.txt"
    taken = await tools.take_all(tools.make({"kind": "replay", "name": "o", "file": str(path), "speed": "max"}, Path()))
    assert set(taken.values("okuma/p1_fcmd_text")) == {"UNAVAILABLE"}
    assert all(isinstance(value, float) for value in taken.values("okuma/p1_fcmd"))
    flags = {flag for key, _, value, flag in taken.rows if value == "UNAVAILABLE"}
    assert flags == {HISTORICAL | BAD}


@pytest.mark.parametrize("name", ["MZVAV-2-1", "SZCAV"])
async def test_every_air_handler_cell_arrives_at_its_utc_time(tools: Any, shared_data: Path, name: str) -> None:
    path = shared_data / f"ad/hvac_lbnl/{name}.csv"
    header, *rows = csv.reader(path.open())
    table = {"kind": "replay", "name": "a", "file": str(path), "speed": "max", "time_zone": "America/Chicago"}
    taken = await tools.take_all(tools.make(table | {"ignore_last": True}, Path()))
    expected: Counter[tuple[int, float | str]] = Counter()
    for row in rows:
        local = datetime.strptime(row[0], "%m/%d/%Y %H:%M").replace(tzinfo=CHICAGO)
        at = int(local.timestamp()) * 1_000_000
        expected.update((at, float(cell) if is_number(cell) else cell) for cell in row[1:-1])
    assert expected.total() == 21_600 * (len(header) - 2)
    assert Counter((at, value) for _, at, value, _ in taken.rows) == expected
    assert all(quality & HISTORICAL for *_, quality in taken.rows)


async def test_an_hour_that_never_was_is_kept_and_flagged(tools: Any, shared_data: Path) -> None:
    path = shared_data / "ad/hvac_lbnl/SZCAV.csv"  # holds 02:00 to 02:59 of 12 March 2017, skipped in Chicago
    table = {"kind": "replay", "name": "a", "file": str(path), "speed": "max", "time_zone": "America/Chicago"}
    taken = await tools.take_all(tools.make(table | {"ignore": ["Fault*"]}, Path()))
    assert sum(1 for *_, quality in taken.rows if quality & TIME_SUSPECT) == 60 * 14


async def test_the_repeated_hour_of_autumn_runs_on_in_utc(tools: Any, tmp_path: Path) -> None:
    at = [int(datetime(2023, 11, 5, 5, 30, tzinfo=UTC).timestamp()) + 300 * step for step in range(40)]
    lines = [f"{datetime.fromtimestamp(t, CHICAGO):%Y-%m-%d %H:%M:%S},{t}" for t in at]
    (tmp_path / "fold.csv").write_text("time,v\n" + "\n".join(lines))
    table = {"kind": "replay", "name": "f", "file": "fold.csv", "speed": "max", "time_zone": "America/Chicago"}
    taken = await tools.take_all(tools.make(table, tmp_path))
    assert [us // 1_000_000 for _, us, _, _ in taken.rows] == at == [int(v) for *_, v, _ in taken.rows]


SHDR = """\
2024-01-01T00:00:00.1234567Z|a|1|b||c|x y
not a line
2024-01-01T00:00:01Z|alarm|FAULT|E7|100|HIGH|coolant low
2024-01-01T00:00:02Z|alarm|UNAVAILABLE||||
* command: nothing
# a comment
2024-01-01T00:00:02Z|@ASSET@|T1|CuttingTool|--multiline--X1
<CuttingTool note="a|b|c"/>
--multiline--X1
2024-13-01T00:00:03Z|a|2|b|3
2024-01-01T00:00:04+02:00|m|CODE|door open
2024-01-01T00:00:05Z|left:a|5|a|nan
2024-01-01T00:00:06Z|q|"x\\|y"
2024-01-01T00:00:07Z|a|7|b
2024-01-01T00:00:08Z|a"""


async def test_a_broken_shdr_line_is_named_and_its_neighbours_live(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "cut.txt").write_text(SHDR)
    source = tools.make({"kind": "replay", "name": "c", "file": "cut.txt", "device": "", "speed": "max"}, tmp_path)
    taken = await tools.take_all(source)
    assert taken.values("cut/c") == ["x y"]
    assert taken.values("cut/b") == [""]
    assert taken.values("cut/alarm") == [
        '{"level":"FAULT","code":"E7","severity":"100","qualifier":"HIGH","text":"coolant low"}',
        "UNAVAILABLE",
    ]
    assert taken.values("cut/m") == ['{"code":"CODE","text":"door open"}']
    assert taken.values("left/a") == [5.0]
    assert taken.values("cut/q") == ["x|y"]
    flags = [quality for key, _, value, quality in taken.rows if key == "cut/a"]
    assert flags == [HISTORICAL, HISTORICAL | NOT_A_NUMBER, HISTORICAL]
    at = {key: us for key, us, _, _ in taken.rows}
    assert at["cut/c"] == 1_704_067_200_123_456
    assert at["cut/m"] == 1_704_067_204_000_000 - 7_200_000_000
    assert source.health.discarded == 5
    assert source.health.errors == {"decode": 4}
    assert "cut.txt:" in source.health.why
    assert source.health.received == source.health.sent + source.health.discarded


async def test_an_asset_that_is_never_closed_does_not_swallow_the_rest(tools: Any, tmp_path: Path) -> None:
    text = "2024-01-01T00:00:00Z|@ASSET@|T|CuttingTool|--multiline--Z\n<x/>\n2024-01-01T00:00:01Z|a|1\n"
    (tmp_path / "a.txt").write_text(text)
    source = tools.make({"kind": "replay", "name": "c", "file": "a.txt", "speed": "max"}, tmp_path)
    assert (await tools.take_all(source)).values("a/a") == [1.0]
    assert source.health.discarded == 1


async def test_a_device_file_names_units_conditions_and_devices(tools: Any, tmp_path: Path, shared_data: Path) -> None:
    shutil.copy(shared_data / "field/mtconnect/fanuc.xml", tmp_path)
    text = "2024-01-01T00:00:00Z|servo|UNAVAILABLE|1|2|3|4|S1speed|100|servo|NORMAL||||\n"
    (tmp_path / "s.txt").write_text(text)
    table = {"kind": "replay", "name": "c", "file": "s.txt", "speed": "max", "devices": "fanuc.xml", "device": "cnc"}
    source = tools.make(table, tmp_path)
    taken = await tools.take_all(source)
    assert [value for *_, value, _ in taken.rows if isinstance(value, str)] == [
        '{"level":"UNAVAILABLE","code":"1","severity":"2","qualifier":"3","text":"4"}',
        "NORMAL",
    ]
    speed = next(point for point in source.points() if point.metric == "s1speed")
    assert (speed.unit, speed.device) == ("{rev}/min", "cnc")


async def test_a_broken_csv_row_is_named_and_its_neighbours_live(tools: Any, tmp_path: Path) -> None:
    head = b"\xef\xbb\xbfTimestamp;Temp C;Mode\n"
    rows = b"01.02.2024 00:00;1,5;on\n01.02.2024 00:01;2\nnever;3,5;off\n\n"
    rows += b"13.02.2024 00:02;;caf\xe9\n13.02.2024 00:03;#N/A;\n"
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(head + rows))
    table = {
        "kind": "replay",
        "name": "x",
        "file": "x.csv.gz",
        "speed": "max",
        "decimal": ",",
        "time_zone": "Asia/Taipei",
    }
    rule = {"match": "Temp*", "metric": "temperature", "unit": "Cel", "high": 1.0}
    source = tools.make(table | {"columns": [rule]}, tmp_path)
    taken = await tools.take_all(source)
    assert np.isnan(taken.values("x/temperature")[1])
    assert [q for k, _, _, q in taken.rows if k == "x/temperature"] == [
        HISTORICAL | OUT_OF_RANGE, HISTORICAL | NOT_A_NUMBER,
    ]  # fmt: skip
    assert taken.values("x/mode") == ["on", "café", ""]
    assert taken.values("x/temperature_text") == ["#N/A"]
    assert taken.rows[0][1] == int(datetime(2024, 1, 31, 16, tzinfo=UTC).timestamp()) * 1_000_000
    assert source.health.discarded == 3
    assert source.points()[0].unit == "Cel"


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("ambiguous.csv", "time,v\n1/2/2024 00:00,1\n1/3/2024 00:00,2\n", "time_format"),
        ("words.csv", "time,v\nmonday,1\ntuesday,2\n", "time_format"),
        ("empty.csv", "", "header"),
    ],
)
async def test_a_recording_that_cannot_be_read_says_how_to_mend_it(
    tools: Any, tmp_path: Path, name: str, text: str, field: str
) -> None:
    (tmp_path / name).write_text(text)
    source = tools.make({"kind": "replay", "name": "x", "file": name, "speed": "max"}, tmp_path)
    with pytest.raises(InputError, match=field) as caught:
        await tools.take_all(source)
    assert caught.value.fix
    assert name in caught.value.file


async def test_a_missing_file_and_a_wrong_zone_are_refused_with_a_fix(tools: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recording"):
        await tools.take_all(tools.make({"kind": "replay", "name": "x", "file": "none.csv"}, tmp_path))
    (tmp_path / "x.csv").write_text("time,v\n2024-01-01,1\n")
    table = {"kind": "replay", "name": "x", "file": "x.csv", "time_zone": "Europe/Dubnica"}
    with pytest.raises(ConfigError, match="time_zone"):
        await tools.take_all(tools.make(table, tmp_path))


@pytest.mark.parametrize("kind", ["ns", "us", "ms", "s"])
async def test_parquet_wide_and_long_hold_the_same(tools: Any, tmp_path: Path, kind: str) -> None:
    at = np.arange(1_700_000_000, 1_700_000_100)
    times = pa.array(at, pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp(kind, tz="UTC"))
    wide = pa.table({"ts": times, "a": pa.array(range(100), pa.float32()), "word": ["x"] * 100, "on": [True] * 100})
    pq.write_table(wide, tmp_path / "wide.parquet")
    points = ["m/a"] * 100 + ["m/b"] * 100
    long = pa.table({"point": points, "ts": pa.concat_arrays([times, times]), "value": [float(v) for v in range(200)]})
    pq.write_table(long, tmp_path / "long.parquet")
    table = {"kind": "replay", "name": "p", "speed": "max"}
    taken = await tools.take_all(tools.make(table | {"file": "wide.parquet"}, tmp_path))
    assert taken.values("wide/a") == list(range(100))
    assert taken.values("wide/word") == ["x"] * 100
    assert taken.values("wide/on") == [1.0] * 100
    taken = await tools.take_all(tools.make(table | {"file": "long.parquet"}, tmp_path))
    assert taken.values("m/b") == list(range(100, 200))
    assert [us // 1_000_000 for key, us, _, _ in taken.rows if key == "m/a"] == at.tolist()


async def test_original_pace_keeps_the_rhythm_and_n_times_divides_it(tools: Any, tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01T00:00:{step / 2:04.1f}Z,{step}\n" for step in range(5))
    (tmp_path / "x.csv").write_text("time,v\n" + rows)
    source = tools.make({"kind": "replay", "name": "x", "file": "x.csv", "speed": 5.0}, tmp_path)
    started, at = time.monotonic(), []
    async with source:
        async for batch in source.batches():
            at.append(time.monotonic() - started)
            batch.accepted(0)
    assert len(at) == 5
    assert [late >= due for late, due in zip(at, [0.0, 0.1, 0.2, 0.3, 0.4], strict=True)] == [True] * 5


async def test_a_pause_of_months_is_not_slept_through(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,v\n2007-08-30T00:00:00Z,1\n2008-08-19T00:00:00Z,2\n")
    source = tools.make({"kind": "replay", "name": "x", "file": "x.csv", "gap_s_max": 0.1}, tmp_path)
    assert (await tools.take_all(source)).values("x/v") == [1.0, 2.0]


@pytest.mark.parametrize(("speed", "can_wait"), [("max", True), (2.0, False)])
async def test_a_recording_without_a_pace_lets_itself_be_held_back(
    tools: Any, tmp_path: Path, speed: float | str, can_wait: bool
) -> None:
    source = tools.make({"kind": "replay", "name": "x", "file": "x.csv", "speed": speed}, tmp_path)
    assert source.can_wait is can_wait


async def test_refused_rows_do_not_count_as_sent(tools: Any, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,v\n2024-01-01,1\n2024-01-02,2\n")
    source = tools.make({"kind": "replay", "name": "x", "file": "x.csv", "speed": "max"}, tmp_path)
    async with source:
        async for batch in source.batches():
            batch.accepted(1)
    assert (source.health.received, source.health.sent, source.health.state) == (2, 1, "ended")
