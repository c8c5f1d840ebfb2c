"""Users' SQL runs beside the twin, never inside it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twin.sql import SqlDesk, SqlFailedError, Tables
from wire.errors import InputError


@pytest.fixture
def cold_file(tmp_path: Path) -> Path:
    path = tmp_path / "cold" / "a.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"point": pa.array([1, 1, 2], pa.uint32()), "value": [1.0, 2.0, 3.0]}), path)
    return path


@pytest.fixture
async def desk(tmp_path: Path, cold_file: Path) -> AsyncIterator[SqlDesk]:
    recent = pa.table({"point": pa.array([1, 2], pa.uint32()), "value": [10.0, float("nan")]})
    points = pa.table({"id": pa.array([1, 2], pa.uint32()), "key": ["n/d/a", "n/d/b"]})

    def tables(_sql: str, folder: Path) -> Tables:
        files = {name: folder / f"{name}.arrow" for name in ("readings", "points")}
        for table, path in zip((recent, points), files.values(), strict=True):
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
        return Tables({name: [path] for name, path in files.items()}, {"readings": [cold_file]})

    async with SqlDesk(tmp_path / "scratch", tables, time_s=2.0) as opened:
        yield opened


async def rows_of(desk: SqlDesk, sql: str, limit_rows: int = 1000) -> list[list[object]]:
    answer = await desk.query(sql, limit_rows=limit_rows)
    return msgspec.json.decode(answer.body)["rows"]  # type: ignore[no-any-return]


async def test_a_query_sees_cold_and_recent_rows_as_one_table(desk: SqlDesk) -> None:
    rows = await rows_of(desk, "select key, count(*) from readings join points on id = point group by 1 order by 1")
    assert rows == [["n/d/a", 3], ["n/d/b", 2]]


async def test_not_a_number_leaves_as_null(desk: SqlDesk) -> None:
    answer = await desk.query("select value from readings where isnan(value)")
    assert msgspec.json.decode(answer.body)["rows"] == [[None]]
    assert b"NaN" not in answer.body


async def test_arrow_answers_are_a_stream_with_the_columns_asked_for(desk: SqlDesk) -> None:
    answer = await desk.query("select point, value from readings order by value", form="arrow")
    table = pa.ipc.open_stream(answer.body).read_all()
    assert table.column_names == ["point", "value"]
    assert table.num_rows == answer.rows == 5


async def test_more_rows_than_asked_for_are_cut_and_said(desk: SqlDesk) -> None:
    answer = await desk.query("select * from range(10000)", limit_rows=10)
    assert (answer.rows, answer.truncated) == (10, True)
    exact = await desk.query("select * from range(10)", limit_rows=10)
    assert (exact.rows, exact.truncated) == (10, False)


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 666) to '{cold}'",
        "copy (select 666) to 'x.csv'",
        "attach '{cold}.db' as other",
        "install httpfs",
        "load httpfs",
        "select * from '{cold}'",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('/proc/self/environ')",
        "select * from glob('/*')",
        "select * from parquet_metadata('{cold}')",
        "select * from query('copy (select 1) to ''x.csv''')",
        "export database 'x'",
        "pragma database_list",
        "set memory_limit = '100GB'",
        "reset memory_limit",
        "call enable_logging()",
        "create table x as select 1",
        "insert into points values (3, 'x')",
        "drop table points",
        "prepare a as select 1",
        "explain analyze copy (select 1) to '{cold}'",
        "select 1; select 2",
        "select 1; copy (select 1) to '{cold}'",
        "checkpoint",
        "import database '/etc'",
        "select * from 'https://example.org/x.parquet'",
        "not sql at all",
        "select \x00 1",
        "   ",
    ],
)
async def test_nothing_but_reading_the_given_tables_is_possible(
    desk: SqlDesk, cold_file: Path, tmp_path: Path, sql: str
) -> None:
    before = cold_file.read_bytes()
    with pytest.raises(InputError) as refused:
        await desk.query(sql.replace("{cold}", str(cold_file)))
    assert refused.value.field == "sql"
    assert cold_file.read_bytes() == before
    assert not list(tmp_path.rglob("x.csv")) + list(tmp_path.rglob("*.db"))


@pytest.mark.parametrize(
    "bomb",
    [
        "select count(*) from range(1000000) a, range(1000000) b where a.range + b.range = 7",
        "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
        "select list(range) from range(1000000000)",
        "select repeat('x', 2000000000)",
        "select list_reduce(range(300000000), lambda a, b: a + b)",
        "select " + "(" * 5000 + "1" + ")" * 5000,
    ],
)
async def test_a_bomb_ends_within_its_bounds_and_the_next_query_is_answered(desk: SqlDesk, bomb: str) -> None:
    async with asyncio.timeout(20):
        with pytest.raises((InputError, SqlFailedError)):
            await desk.query(bomb)
        assert await rows_of(desk, "select 42") == [[42]]


async def test_queries_share_no_state(desk: SqlDesk) -> None:
    assert await rows_of(desk, "select count(*) from duckdb_tables()") == [[0]]
    assert await rows_of(desk, "select current_setting('enable_external_access')") == [[False]]


async def test_a_child_sees_no_environment_of_the_twin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AID4_SECRET", "canary")
    async with SqlDesk(tmp_path / "s", lambda *_: Tables({}), time_s=5) as desk:
        await rows_of(desk, "select 1")
        pid = desk._idle[0]._process.pid
        environment = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
        assert b"canary" not in environment
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19


async def test_a_child_that_the_kernel_took_while_idle_costs_nobody_a_query(desk: SqlDesk) -> None:
    await rows_of(desk, "select 1")
    desk._idle[0]._process.kill()
    await desk._idle[0]._process.wait()
    assert await rows_of(desk, "select 2") == [[2]]


async def test_no_child_and_no_scratch_is_left_behind(tmp_path: Path) -> None:
    async with SqlDesk(tmp_path / "s", lambda *_: Tables({}), time_s=5) as desk:
        await rows_of(desk, "select 1")
        process = desk._idle[0]._process
    assert process.returncode is not None
    assert not (tmp_path / "s").exists()
