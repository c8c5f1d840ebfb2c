"""State and history over HTTP: now, then, as known then; JSON and Arrow; and SQL beside them."""

import asyncio
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from twin.core import Twin
from twin.times import iso
from wire.catalogue import Point

ARROW = "application/vnd.apache.arrow.stream"


async def test_the_state_now_has_one_item_a_point_that_reported(park: Any) -> None:
    page = await park.get("/state")
    items = {item["point"]: item for item in page["items"]}
    assert sorted(items) == [1, 2, 3, 4]
    assert page["total"] == 4
    assert items[3]["value"] == "HEATING"
    assert items[2]["value"] is None
    assert items[2]["quality"] & 1
    assert (items[4]["value"], items[4]["stale"]) == (21.5, True)
    assert 0 <= items[1]["age_s"] < 60
    assert list(items[1]) == ["point", "ts", "value", "quality", "age_s", "stale", "since", "lifecycle"]


async def test_a_point_that_missed_its_period_is_stale(empty: Any) -> None:
    points = [Point(id=0, device="d", metric="m", period_s=1.0), Point(id=1, device="d", metric="slow", period_s=600)]
    await asyncio.to_thread(empty.feed.catalogue, points)
    await asyncio.to_thread(empty.feed.readings, [0, 1], empty.twin.clock.wall_us() - 60_000_000, 1.0)
    assert [item["stale"] for item in (await empty.get("/state"))["items"]] == [True, False]


async def test_the_state_of_the_past_is_what_was_true_then(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    page = await park.get("/state", at=iso(now_us - 1_800_000_000))
    assert [item["point"] for item in page["items"]] == [1]
    assert (await park.get("/state", at=iso(now_us - 7_200_000_000)))["items"] == []


async def test_known_at_hides_what_arrived_later(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    before = iso(now_us - 600_000_000)
    assert (await park.get("/state", at=iso(now_us), known_at=before))["items"] == []


async def test_the_state_of_a_place_covers_what_it_holds(park: Any) -> None:
    assert [item["point"] for item in (await park.get("/state", element="floor-guid"))["items"]] == [1, 2, 3]
    assert [item["point"] for item in (await park.get("/state", element="floor-guid", points="3,4"))["items"]] == [3]


async def test_the_state_as_arrow_has_the_same_rows(park: Any) -> None:
    answer = await park.client.get("/api/v1/state", params={"format": "arrow"})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert answer.headers["content-type"] == ARROW
    assert table["point"].to_pylist() == [1, 2, 3, 4]
    assert table["text"].to_pylist() == [None, None, "HEATING", None]


async def test_history_keeps_every_peak_in_few_rows(park: Any) -> None:
    answer = await park.get("/history", point="gw/meter/power", width=50)
    [series] = answer["series"]
    raw = await park.get("/history", point=1, agg="raw")
    values = raw["series"][0]["v"]
    assert (series["source_rows"], series["downsampled"], series["unit"]) == (3_600, True, "kW")
    assert len(series["v"]) <= 100
    assert (min(series["v"]), max(series["v"])) == (min(values), max(values))
    assert len(values) == 3_600
    assert all(a < b for a, b in zip(series["t"], series["t"][1:], strict=False))


async def test_history_of_several_points_comes_in_the_order_asked(park: Any) -> None:
    answer = await park.client.get("/api/v1/history", params=[("point", "3"), ("point", "1"), ("point", "2")])
    series = answer.json()["series"]
    assert [s["point"] for s in series] == [3, 1, 2]
    assert (series[0]["kind"], series[0]["v"]) == ("state", ["HEATING"])
    assert series[2]["v"] in ([None], [])
    assert "NaN" not in answer.text


async def test_history_carries_the_row_that_held_when_the_range_began(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    times = {"from": iso(now_us - 2_000_000), "to": iso(now_us)}
    [mode, power] = (await park.get("/history", point=["gw/ahu/mode", 1], **times))["series"]
    assert (mode["t"], mode["carried"]["v"]) == ([], "HEATING")
    assert mode["carried"]["t"] < (now_us - 2_000_000) / 1_000
    assert power["carried"] is None, "a value's is given only when it is asked for"
    [power] = (await park.get("/history", point=1, carry="true", **times))["series"]
    assert power["carried"]["t"] <= power["t"][0]
    [mode] = (await park.get("/history", point="gw/ahu/mode", carry="false", **times))["series"]
    assert mode["carried"] is None
    early = {"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"}
    [mode] = (await park.get("/history", point="gw/ahu/mode", **early))["series"]
    assert mode["carried"] is None, "nothing was known before"


async def test_a_condition_says_since_when_and_forgets_it_when_it_ends(park: Any) -> None:
    async def since() -> Any:
        return (await park.get("/state", points=1))["items"][0]["since"]

    assert await since() is None
    now_us = park.twin.clock.wall_us()
    for at, value in ((1, 120.0), (2, 130.0)):
        await asyncio.to_thread(park.feed.readings, 0, now_us + at, value)
        assert await since() == iso(now_us + 1), "the first reading beyond the limit is the beginning"
    assert (await park.get("/state", points=1, at=iso(now_us + 2)))["items"][0]["since"] is None
    await asyncio.to_thread(park.feed.readings, 0, now_us + 3, 50.0)
    assert await since() is None


async def test_the_beginning_of_a_condition_survives_a_restart(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    times = now_us + np.arange(5) * 1_000
    await asyncio.to_thread(park.feed.readings, 0, times, [50.0, 120.0, 50.0, 121.0, 122.0])
    twin = Twin(park.twin.store, park.twin.site)  # a twin whose memory starts anew
    table = twin.latest([1])
    assert int(twin.conditions.since_us(table)[0]) == times[4], "of itself it knows the newest reading only"
    await twin._recall()
    assert int(twin.conditions.since_us(table)[0]) == times[3]


async def test_a_condition_that_came_with_a_backlog_began_where_the_backlog_says(empty: Any) -> None:
    now_us = empty.twin.clock.wall_us()
    await asyncio.to_thread(empty.feed.catalogue, [Point(id=0, device="d", metric="m", low=0, high=10)])
    times = now_us - np.arange(600, 0, -1) * 1_000_000
    await asyncio.to_thread(empty.feed.readings, 0, times, np.where(np.arange(600) < 100, 5.0, 11.0))
    async with asyncio.timeout(10):
        while (await empty.get("/state"))["items"][0]["since"] != iso(int(times[100])):
            await asyncio.sleep(0.05)


async def test_a_silent_point_is_stale_since_its_patience_ended(empty: Any) -> None:
    point = Point(id=0, device="meter", metric="power", period_s=1.0)
    ago_us = empty.twin.clock.wall_us() - 60_000_000
    await asyncio.to_thread(empty.feed.catalogue, [point])
    await asyncio.to_thread(empty.feed.readings, 0, ago_us, 1.0)
    [item] = (await empty.get("/state"))["items"]
    assert (item["stale"], item["since"]) == (True, iso(ago_us + 5_000_000))


async def test_history_of_a_range_leaves_out_what_is_outside(park: Any) -> None:
    now_us = park.twin.clock.wall_us()
    answer = await park.get(
        "/history", point=1, agg="raw", **{"from": iso(now_us - 600_000_000), "to": iso(now_us - 300_000_000)}
    )
    assert 299 <= len(answer["series"][0]["v"]) <= 301


async def test_averages_are_those_of_their_buckets(park: Any) -> None:
    answer = await park.get("/history", point=1, agg="avg", width=10)
    raw = (await park.get("/history", point=1, agg="raw"))["series"][0]["v"]
    series = answer["series"][0]
    assert len(series["v"]) <= 10
    assert min(raw) <= min(series["v"]) <= max(series["v"]) <= max(raw)


async def test_history_as_arrow_is_one_stream(park: Any) -> None:
    answer = await park.client.get("/api/v1/history", params={"point": 1, "agg": "raw", "format": "arrow"})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["point", "ts", "value", "quality"]
    assert table.num_rows == 3_600
    assert not math.isnan(float(np.asarray(table["value"]).sum()))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select count(*) from readings where point = 1", [[3600]]),
        ("select key from points where unit = 'kW'", [["gw/meter/power"]]),
        ("select value from states", [["HEATING"]]),
        ("select how, count(*) from bindings group by 1 order by 1", [["config", 2], ["ifc", 1]]),
        ("select long_name from elements where type = 'IfcSpace'", [["Plant room"]]),
        ("select number from psets where name = 'Area'", [[12.5]]),
        ("select kind from events", [["trip"]]),
        ("select count(*) from query('from readings')", [[3602]]),
        ("select value from readings where isnan(value)", [[None]]),
    ],
)
async def test_sql_sees_readings_points_model_and_bindings(park: Any, sql: str, rows: Any) -> None:
    answer = await park.post("/query", {"sql": sql}, 200)
    assert answer["rows"] == rows
    assert answer["truncated"] is False


async def test_sql_sees_cold_and_warm_rows_once(park: Any) -> None:
    before = (await park.post("/query", {"sql": "select count(*), sum(point) from readings"}, 200))["rows"]
    await asyncio.to_thread(park.twin.store.compact, force=True)
    after = (await park.post("/query", {"sql": "select count(*), sum(point) from readings"}, 200))["rows"]
    assert after == before


async def test_sql_between_two_queries_copies_only_what_came_since(park: Any) -> None:
    recent = park.twin.sql._tables._recent["readings"]
    count = {"sql": "select count(*)::int, count(distinct (point, ts))::int from readings"}

    async def counted() -> Any:
        [row] = (await park.post("/query", count, 200))["rows"]
        return row

    rows = (await counted())[0]
    assert recent.rebuilt == 1
    now_us = park.twin.clock.wall_us()
    for at in range(1, 12):  # more parts than are kept apart
        await asyncio.to_thread(park.feed.readings, 0, now_us + at, 1.0)
        assert await counted() == [rows + at, rows + at]
    assert recent.rebuilt == 1
    await asyncio.to_thread(park.twin.store.compact, force=True)
    assert await counted() == [rows + 11, rows + 11], "moved to cold files, each row is seen once"
    assert recent.rebuilt == 2
    other = {"sql": "select count(*)::int from points"}
    assert (await park.post("/query", other, 200))["rows"] == [[8]]


async def test_sql_is_right_when_the_clock_was_set_back(park: Any) -> None:
    rows = await park.post("/query", {"sql": "select count(*)::int from readings"}, 200)
    work = f"UPDATE readings_warm SET recv = make_timestamptz({park.twin.clock.wall_us() + 10**12})"
    await asyncio.to_thread(park.twin.store.writer.run, lambda c: c.execute(work))
    await park.post("/query", {"sql": "select 1 from readings"}, 200)
    await asyncio.to_thread(park.feed.readings, 0, park.twin.clock.wall_us(), 1.0)
    again = await park.post("/query", {"sql": "select count(*)::int from readings"}, 200)
    assert again["rows"][0][0] == rows["rows"][0][0] + 1


async def test_sql_answers_arrow_when_asked(park: Any) -> None:
    answer = await park.client.post(
        "/api/v1/query", json={"sql": "select point, ts from readings", "limit_rows": 10}, headers={"Accept": ARROW}
    )
    assert pa.ipc.open_stream(answer.content).read_all().num_rows == 10
    assert answer.headers["x-aid4-truncated"] == "true"


async def test_a_hostile_query_is_a_problem_and_the_twin_stores_on(park: Any) -> None:
    park.twin.sql._time_s = 1.0
    bomb = "select count(*) from range(1000000) a, range(1000000) b where a.range + b.range = 7"
    asked = asyncio.create_task(park.client.post("/api/v1/query", json={"sql": bomb}))
    commits = []
    for at in range(20):
        started = asyncio.get_running_loop().time()
        await asyncio.to_thread(park.feed.readings, 0, park.twin.clock.wall_us() + at, 1.0)
        commits.append(asyncio.get_running_loop().time() - started)
    answer = await asked
    assert answer.status_code in {400, 422}
    assert answer.json()["field"] == "sql"
    assert float(np.median(commits)) < 0.5
    assert (await park.post("/query", {"sql": "select 1"}, 200))["rows"] == [[1]]
