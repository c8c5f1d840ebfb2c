"""One row of a query. DuckDB 2 keeps a connection busy until a result is read to its end, which fetchone does not."""

from collections.abc import Sequence
from typing import Any

import duckdb

__all__ = ["first", "number"]


def first(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row, None when there is none."""
    rows = connection.execute(sql, list(values)).fetchall()
    return tuple(rows[0]) if rows else None


def number(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> int:
    """The one whole number that a query always gives, as count(*) does."""
    row = first(connection, sql, values)
    assert row is not None
    return int(row[0])
