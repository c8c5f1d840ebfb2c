"""What users' SQL may see: recent rows and catalogue tables as Arrow, cold files by path, all of one moment."""

import threading
from pathlib import Path

import duckdb

from twin.cold import manifest
from twin.lookup import number
from twin.sql import Tables
from twin.sql_recent import RecentRows, write_rows
from twin.store import Store
from wire.limits import SQL_RECENT_ROWS_MAX

__all__ = ["SqlTables", "table_columns"]

_WHOLE = {
    "points": "SELECT *, node || '/' || device || '/' || metric AS key FROM points",
    "elements": "SELECT * FROM elements",
    "psets": "SELECT * FROM psets",
    "bindings": "SELECT * FROM bindings",
    "tasks": "SELECT * FROM tasks",
    "task_links": "SELECT * FROM task_links",
    "element_tasks": "SELECT * FROM element_tasks",
    "schedule_revisions": "SELECT * FROM schedules",
    "events": "SELECT * FROM events",
    "poses": "SELECT * FROM poses",
    "flights": "SELECT * FROM flights",
    "flight_positions": "SELECT p.* FROM flight_positions p JOIN flights f ON f.id = p.flight",
    "photos": "SELECT * EXCLUDE (known_to) FROM photos WHERE known_to IS NULL",
    "scans": "SELECT * EXCLUDE (known_to, result) FROM scans WHERE known_to IS NULL",
    "verdicts": "SELECT * FROM verdicts",
    "nodes": "SELECT * FROM nodes",
    "gaps": "SELECT * FROM gaps",
    "changes": 'SELECT id, kind, state, note, "by", "at" FROM changes',
    "audit": "SELECT * FROM audit",
    "commands": "SELECT * FROM commands",
    "alarms": "SELECT * EXCLUDE (body) FROM alarms",
    "alarm_journal": "SELECT * FROM alarm_journal",
    "scores": "SELECT * FROM scores",
}


def table_columns(cursor: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str]]]:
    """Columns of every table that users' SQL may see, as (name, type)."""
    timed = {kind: f"SELECT point, ts, value, quality, recv FROM {kind}_warm" for kind in ("readings", "states")}  # noqa: S608
    found = {}
    for name, select in (_WHOLE | timed).items():
        rows = cursor.execute(f"DESCRIBE {select}").fetchall()
        found[name] = [(str(row[0]), str(row[1])) for row in rows]
    return found


class SqlTables:
    """Callable with a query's text and a folder; writes only the tables that the text can mean, of one moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()  # snapshots in order, so that what is kept only grows
        self._recent = {kind: RecentRows(kind) for kind in ("readings", "states")}

    def __call__(self, sql: str, folder: Path) -> Tables:
        """The tables of one query. A text that calls query() or query_table() may mean any."""
        text = sql.lower()
        everything = "query" in text
        with self._turn, self._store.snapshot() as cursor:
            files = {
                name: [_write(cursor, select, folder / f"{name}.arrow", wanted=everything or name in text)]
                for name, select in _WHOLE.items()
            }
            for kind, recent in self._recent.items():
                if everything or kind in text:
                    files[kind] = recent.files(cursor, folder.parent / "recent", folder)
                else:
                    empty = f"SELECT point, ts, value, quality, recv FROM {kind}_warm"  # noqa: S608
                    files[kind] = [_write(cursor, empty, folder / f"{kind}.arrow", wanted=False)]
            cold = {
                kind: [self._store.data_dir / file.file for file in manifest(cursor, kind)] for kind in self._recent
            }
        return Tables(files, cold)


def _write(cursor: duckdb.DuckDBPyConnection, select: str, path: Path, *, wanted: bool) -> Path:
    """All rows, or the newest of a very long table; without rows when the query does not name the table."""
    if not wanted:
        select = f"{select} LIMIT 0"
    elif (rows := number(cursor, f"SELECT count(*) FROM ({select})")) > SQL_RECENT_ROWS_MAX:  # noqa: S608  (a text of ours)
        select = f"{select} OFFSET {rows - SQL_RECENT_ROWS_MAX}"  # rows lie in the order in which they came
    write_rows(cursor, select, path)
    return path
