"""History to take along as one Parquet file."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


async def test_history_as_parquet_names_points_and_units_and_keeps_numbers_and_texts(park: Any) -> None:
    """The same rows as the raw JSON, readable without asking the twin what point 1 is."""
    raw = (await park.get("/history", point=[1, 3], agg="raw"))["series"]
    answer = await park.client.get(
        "/api/v1/history", params=[("point", 1), ("point", 3), ("agg", "raw"), ("format", "parquet")]
    )
    assert answer.status_code == 200, answer.text
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.schema.field("ts").type == pa.timestamp("us", "UTC")
    keys = table["point"].to_pylist()
    assert set(keys) == {"gw/meter/power", "gw/ahu/mode"}
    rows = table.to_pylist()
    power = [row for row in rows if row["point"] == "gw/meter/power"]
    assert [row["value"] for row in power] == raw[0]["v"]
    assert [round(row["ts"].timestamp() * 1_000, 3) for row in power] == raw[0]["t"]
    assert {(row["unit"], row["text"]) for row in power} == {(raw[0]["unit"], None)}
    assert [(row["text"], row["value"]) for row in rows if row["point"] == "gw/ahu/mode"] == [
        (v, None) for v in raw[1]["v"]
    ]


async def test_a_range_without_readings_is_an_empty_parquet_file(park: Any) -> None:
    times = {"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"}
    answer = await park.client.get("/api/v1/history", params={"point": 1, "agg": "raw", "format": "parquet"} | times)
    table = pq.read_table(io.BytesIO(answer.content))
    assert (table.num_rows, table.column_names) == (0, ["point", "unit", "ts", "value", "text", "quality"])
