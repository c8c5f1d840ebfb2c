"""What DuckDB alone takes: the best commit rate of Arrow batches into the twin's own table with its own settings."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from twin.database import Database

__all__ = ["COMMIT_ROWS", "insert_limit"]

COMMIT_ROWS = (10_000, 100_000, 200_000, 1_000_000)
_TS = pa.timestamp("us", tz="UTC")


def insert_limit(seconds: float, sizes: Sequence[int] = COMMIT_ROWS) -> dict[int, float]:
    """Rows per second for commits of each size, each measured for `seconds` into a database of its own."""
    found = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="aid4-limit-") as folder, Database(Path(folder)) as base:
            found[rows] = _rate(base, rows, seconds)
    return found


def _rate(base: Database, rows: int, seconds: float) -> float:
    batch = _batch(rows)
    connection = base.connection
    connection.register("batch", batch)
    connection.execute("INSERT INTO readings_warm SELECT * FROM batch")  # the first one pays for the plan
    inserted, began_s = 0, time.perf_counter()
    while (spent_s := time.perf_counter() - began_s) < seconds:
        connection.execute("INSERT INTO readings_warm SELECT * FROM batch")
        inserted += rows
    return inserted / spent_s


def _batch(rows: int) -> pa.Table:
    """Readings as the flood makes them: a thousand points in turn, a microsecond apart, two decimals."""
    rng = np.random.default_rng(7)
    ts = 1_750_000_000_000_000 + np.arange(rows, dtype=np.int64)
    return pa.table(
        {
            "point": pa.array((np.arange(rows) % 1_000).astype(np.uint32)),
            "ts": pa.array(ts).view(_TS),
            "value": pa.array(np.round(20 + rng.normal(scale=0.1, size=rows).cumsum(), 2)),
            "quality": pa.array(np.zeros(rows, np.uint8)),
            "recv": pa.array(np.full(rows, ts[-1])).view(_TS),
        }
    )
