"""Explore: answers in four forms, a query that ends when nobody waits for it, what SQL may name, saved queries."""

import asyncio
import csv
import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twin.access.roles import Grant, Person

SQL = "SELECT i, 'a,\"b' AS text, [i, i + 1] AS pair FROM range(3) AS t(i)"
SLOW = "SELECT count(*) FROM range(10000000000) AS a(i) WHERE sqrt(i) * sqrt(i + 1) < 0"


async def ask(park: Any, sql: str, media: str) -> httpx.Response:
    answer: httpx.Response = await park.client.post("/api/v1/query", json={"sql": sql}, headers={"Accept": media})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(media)
    return answer


async def test_one_query_gives_the_same_rows_in_every_form(empty: Any) -> None:
    rows = (await ask(empty, SQL, "application/json")).json()["rows"]
    arrow = pa.ipc.open_stream((await ask(empty, SQL, "application/vnd.apache.arrow.stream")).content).read_all()
    parquet = pq.read_table(io.BytesIO((await ask(empty, SQL, "application/vnd.apache.parquet")).content))
    text = list(csv.reader(io.StringIO((await ask(empty, SQL, "text/csv")).text)))
    assert rows == [[row["i"], row["text"], row["pair"]] for row in arrow.to_pylist()]
    assert arrow.to_pylist() == parquet.to_pylist()
    assert text[0] == ["i", "text", "pair"]
    assert text[1:] == [[str(one) for one in row] for row in rows]


async def test_a_query_ends_when_whoever_asked_goes_away(empty: Any) -> None:
    async with httpx.AsyncClient(base_url=empty.url, timeout=60) as client:
        asked = asyncio.create_task(client.post("/api/v1/query", json={"sql": SLOW}))
        async with asyncio.timeout(60):
            while not empty.twin.sql.running:
                await asyncio.sleep(0.02)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    async with asyncio.timeout(60):
        while empty.twin.sql.running:
            await asyncio.sleep(0.02)
    assert (await empty.post("/query", {"sql": "SELECT 1"}, 200))["rows"] == [[1]]


async def test_what_sql_may_name_is_told_with_its_columns(empty: Any) -> None:
    tables = {
        one["name"]: [column["name"] for column in one["columns"]]
        for one in (await empty.get("/query/tables"))["items"]
    }
    assert {"readings", "points", "alarms", "audit"} <= tables.keys()
    assert tables["readings"] == ["point", "ts", "value", "quality", "recv"]
    assert not [name for name in tables if name.startswith("access_")]
    for name, columns in tables.items():
        quoted = ", ".join(f'"{column}"' for column in columns)
        await empty.post("/query", {"sql": f"SELECT {quoted} FROM {name} LIMIT 1"}, 200)


async def test_a_saved_query_is_its_owners_until_it_is_shared(empty: Any) -> None:
    people = empty.twin.people
    people.add("root", [Grant("admin")], by="local")
    bearers = {}
    for name in ("ben", "eva"):
        account = people.add(name, [Grant("operator")], by="root")
        bearers[name] = {
            "Authorization": f"Bearer {people.make_token(Person(name, 'session', account.grants), 't', ['ask'], 1)[1]}"
        }

    async def call(who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        answer: httpx.Response = await empty.client.request(method, f"/api/v1{path}", json=body, headers=bearers[who])
        return answer

    made = await call("ben", "POST", "/queries", {"name": "late", "sql": "SELECT 1"})
    assert made.status_code == 201, made.text
    path = f"/queries/{made.json()['id']}"
    assert (await call("eva", "GET", "/queries")).json()["items"] == []
    assert (await call("eva", "DELETE", path)).status_code == 404
    shared = {"name": "late", "sql": "SELECT 2", "shared": True}
    assert (await call("ben", "POST", path, shared)).json()["sql"] == "SELECT 2"
    [seen] = (await call("eva", "GET", "/queries")).json()["items"]
    assert (seen["owner"], seen["sql"]) == ("ben", "SELECT 2")
    assert (await call("eva", "POST", path, shared)).status_code == 404, "shared is to be read"
    assert (await call("ben", "DELETE", path)).json()["items"] == []


@pytest.mark.parametrize(
    "body", [{"name": " ", "sql": "x"}, {"name": "x"}, {"name": "x", "sql": ""}, {"name": "x" * 200, "sql": "x"}]
)
async def test_a_query_without_name_or_text_is_not_saved(empty: Any, body: Any) -> None:
    await empty.post("/queries", body, 400)
