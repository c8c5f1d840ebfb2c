"""From decoded records to rows with global ids: mapping, flags, and the inserts. Vectorised over whole batches."""

from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twin.points import Lookup
from twin.state import Rows
from wire.errors import RecordError
from wire.limits import TIME_AHEAD_S_MAX
from wire.packed import Columns
from wire.quality import NOT_A_NUMBER, OUT_OF_RANGE, TIME_SUSPECT

__all__ = ["TS", "flagged", "insert_others", "insert_readings", "mapped", "others_mapped", "text_rows"]

TS = pa.timestamp("us", tz="UTC")
TS_US_MIN, TS_US_MAX = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999, as people write
TABLES = {"states": "states_warm", "events": "events", "poses": "poses"}


class Part(NamedTuple):
    """Neighbouring rows of one catalogue generation."""

    start: int
    stop: int
    lookup: Lookup


def mapped(columns: Columns, parts: list[Part]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Global ids (0 where the catalogue does not name the point) and qualities with the range flag set."""
    ids = np.empty(len(columns.point), np.uint32)
    quality = columns.quality
    for start, stop, lookup in parts:
        local = columns.point[start:stop]
        found = lookup.to_global(local)
        ids[start:stop] = found
        if lookup.limited and found.all():
            low, high = lookup.limits(local)
            value = columns.value[start:stop]
            outside = (value < low) | (value > high)
            if outside.any():
                quality = quality if quality.flags.writeable else quality.copy()
                quality[start:stop][outside & np.isfinite(value)] |= OUT_OF_RANGE
    return ids, quality


def flagged(columns: Columns, ids: NDArray[np.uint32], quality: NDArray[np.uint8], recv_us: int) -> Rows:
    """Readings with what is wrong about them said in their quality; nothing is dropped."""
    value, ts = columns.value, columns.ts
    finite = np.isfinite(value)
    if not finite.all():
        quality = quality.copy()
        quality[~finite] |= NOT_A_NUMBER
    ts, quality = _flag_times(ts, quality, recv_us)
    return Rows(ids, ts, value, quality, recv_us)


def others_mapped(batch: pa.RecordBatch, lookup: Lookup, node: str, recv_us: int) -> pa.Table:
    """States, events or poses with global ids and legal times; RecordError when a point is unknown."""
    table = pa.Table.from_batches([batch])
    point = table.column("point").combine_chunks()
    found = lookup.to_global(point.fill_null(0).to_numpy(zero_copy_only=False))
    missing = (found == 0) & ~point.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        raise RecordError("body", f"{missing.sum()} rows of points that the catalogue does not name")
    ids = pa.array(found, mask=point.is_null().to_numpy(zero_copy_only=False))
    ts = table.column("ts").combine_chunks().view(pa.int64()).to_numpy(zero_copy_only=False)
    named = table.schema.get_field_index
    table = table.set_column(named("point"), "point", ids)
    if "quality" in table.column_names:
        quality = table.column("quality").combine_chunks().to_numpy(zero_copy_only=False)
        ts, quality = _flag_times(ts, quality, recv_us)
        table = table.set_column(named("quality"), "quality", pa.array(quality))
    else:
        table = table.append_column("node", pa.array([node] * table.num_rows, pa.string()))
    return table.set_column(named("ts"), "ts", pa.array(ts.clip(TS_US_MIN, TS_US_MAX)).view(TS))


def text_rows(table: pa.Table, recv_us: int) -> Rows:
    """States as the live state takes them."""
    return Rows(
        _numpy(table, "point"),
        table.column("ts").combine_chunks().view(pa.int64()).to_numpy(zero_copy_only=False),
        np.full(table.num_rows, np.nan),
        _numpy(table, "quality"),
        recv_us,
        table.column("value").to_numpy(zero_copy_only=False),
    )


def insert_readings(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Insert without copying the columns; the receive time is one constant."""
    arrow = pa.table(
        [pa.array(rows.point), pa.array(rows.ts_us).view(TS), pa.array(rows.value), pa.array(rows.quality)],
        names=["point", "ts", "value", "quality"],
    )
    assert arrow.num_rows == len(rows.point)
    connection.execute(
        "INSERT INTO readings_warm SELECT point, ts, value, quality, make_timestamptz(?::BIGINT) FROM arrow",
        [rows.recv_us],
    )


def insert_others(connection: duckdb.DuckDBPyConnection, kind: str, rows: pa.Table, recv_us: int) -> None:
    """Insert states, events or poses."""
    assert rows.num_rows
    connection.execute(
        f"INSERT INTO {TABLES[kind]} BY NAME SELECT *, make_timestamptz(?::BIGINT) AS recv FROM rows",  # noqa: S608
        [recv_us],
    )


def _flag_times(
    ts: NDArray[np.int64], quality: NDArray[np.uint8], recv_us: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    ahead_us = recv_us + TIME_AHEAD_S_MAX * 1_000_000
    if len(ts) and (ts.max() > ahead_us or ts.min() < TS_US_MIN):
        quality = quality.copy()
        quality[(ts > ahead_us) | (ts < TS_US_MIN)] |= TIME_SUSPECT
        ts = ts.clip(TS_US_MIN, TS_US_MAX)
    return ts, quality


def _numpy(table: pa.Table, name: str) -> NDArray[Any]:
    column: NDArray[Any] = table.column(name).combine_chunks().to_numpy(zero_copy_only=False)
    return column
