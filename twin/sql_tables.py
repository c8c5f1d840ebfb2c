"""What users' SQL may see: recent rows and catalogue tables as Arrow, cold files by path, all of one moment."""

from pathlib import Path

import duckdb
import pyarrow as pa

from twin.cold import manifest
from twin.lookup import number
from twin.sql import Tables
from twin.store import Store
from wire.limits import SQL_RECENT_ROWS_MAX

__all__ = ["SqlTables"]

_WARM = {
    "readings": "SELECT point, ts, value, quality, recv FROM readings_warm",
    "states": "SELECT point, ts, value, quality, recv FROM states_warm",
}
_WHOLE = {
    "points": "SELECT *, node || '/' || device || '/' || metric AS key FROM points",
    "elements": "SELECT * FROM elements",
    "psets": "SELECT * FROM psets",
    "bindings": "SELECT * FROM bindings",
    "events": "SELECT * FROM events",
    "poses": "SELECT * FROM poses",
    "nodes": "SELECT * FROM nodes",
    "gaps": "SELECT * FROM gaps",
    "changes": 'SELECT id, kind, state, note, "by", "at" FROM changes',
    "audit": "SELECT * FROM audit",
    "commands": "SELECT * FROM commands",
}


class SqlTables:
    """Callable with a query's text; reads only the tables that the text can mean, in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, sql: str) -> Tables:
        """The tables of one query. A text that calls query() or query_table() may mean any."""
        text = sql.lower()
        everything = "query" in text
        with self._store.cursor() as cursor:
            cursor.execute("BEGIN")
            arrow = {
                name: _read(cursor, select, wanted=everything or name in text)
                for name, select in (_WARM | _WHOLE).items()
            }
            cold = {name: self._cold(cursor, name) for name in _WARM}
            cursor.execute("ROLLBACK")
        return Tables(arrow, cold)

    def _cold(self, cursor: duckdb.DuckDBPyConnection, kind: str) -> list[Path]:
        return [self._store.data_dir / file.file for file in manifest(cursor, kind)]


def _read(cursor: duckdb.DuckDBPyConnection, select: str, *, wanted: bool) -> pa.Table:
    """All rows, or the newest of a very long table; without rows when the query does not name the table."""
    if not wanted:
        return cursor.sql(f"{select} LIMIT 0").to_arrow_table()
    counted = number(cursor, f"SELECT count(*) FROM ({select})")  # noqa: S608  (a text of ours)
    if counted > SQL_RECENT_ROWS_MAX and "ts" in select:
        select = f"{select} ORDER BY ts DESC LIMIT {SQL_RECENT_ROWS_MAX}"
    return cursor.sql(select).to_arrow_table()
