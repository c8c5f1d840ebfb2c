"""Queries that people keep: their own, and those that they share."""

from datetime import UTC, datetime
from typing import Annotated, Final

import duckdb
import msgspec
from msgspec import Meta

from twin.errors import ConflictError, NotFoundError
from twin.lookup import first, number
from twin.store import Store
from twin.times import iso
from wire.errors import InputError
from wire.limits import SQL_CHARS_MAX

__all__ = ["QueryText", "SavedQueries", "SavedQuery"]

KEPT_MAX: Final = 2_000  # of all people together
_COLUMNS: Final = 'id, name, sql, chart, owner, shared, epoch_us("changed")'


class QueryText(msgspec.Struct, forbid_unknown_fields=True):
    """What a person saves; `chart` says how the page draws it."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    sql: Annotated[str, Meta(min_length=1, max_length=SQL_CHARS_MAX)]
    chart: Annotated[str, Meta(max_length=500)] = ""
    shared: bool = False


class SavedQuery(msgspec.Struct):
    """One of them."""

    id: int
    name: str
    sql: str
    chart: str
    owner: str
    shared: bool
    changed: str | None


class SavedQueries:
    """The table `saved_queries`. What is somebody's own, only that person and admins see and change."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def seen_by(self, name: str) -> list[SavedQuery]:
        """Those of a person and those that are shared, by name."""
        select = f"SELECT {_COLUMNS} FROM saved_queries WHERE owner = ? OR shared ORDER BY name, id"  # noqa: S608
        with self._store.cursor() as cursor:
            return [_shown(row) for row in cursor.execute(select, [name]).fetchall()]

    def add(self, text: QueryText, owner: str) -> SavedQuery:
        """Keep a new one."""
        if not text.name.strip():
            raise InputError("a saved query has a name", field="name", fix="give it one")

        def work(connection: duckdb.DuckDBPyConnection) -> SavedQuery:
            if number(connection, "SELECT count(*) FROM saved_queries") >= KEPT_MAX:
                raise ConflictError(f"{KEPT_MAX} queries are kept", field="name", fix="delete one that nobody needs")
            ident = number(connection, "SELECT coalesce(max(id), 0) + 1 FROM saved_queries")
            return _write(connection, ident, text, owner)

        return self._store.writer.run(work)

    def change(self, ident: int, text: QueryText, by: str, *, is_admin: bool) -> SavedQuery:
        """Replace one's own."""

        def work(connection: duckdb.DuckDBPyConnection) -> SavedQuery:
            owner = _owner(connection, ident, by, is_admin)
            connection.execute("DELETE FROM saved_queries WHERE id = ?", [ident])
            return _write(connection, ident, text, owner)

        return self._store.writer.run(work)

    def drop(self, ident: int, by: str, *, is_admin: bool) -> None:
        """Delete one's own."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            _owner(connection, ident, by, is_admin)
            connection.execute("DELETE FROM saved_queries WHERE id = ?", [ident])

        self._store.writer.run(work)


def _write(connection: duckdb.DuckDBPyConnection, ident: int, text: QueryText, owner: str) -> SavedQuery:
    values = [ident, text.name.strip(), text.sql, text.chart, owner, text.shared, datetime.now(UTC)]
    connection.execute("INSERT INTO saved_queries VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    row = first(connection, f"SELECT {_COLUMNS} FROM saved_queries WHERE id = ?", [ident])  # noqa: S608
    assert row is not None
    return _shown(row)


def _owner(connection: duckdb.DuckDBPyConnection, ident: int, by: str, is_admin: bool) -> str:
    row = first(connection, "SELECT owner, shared FROM saved_queries WHERE id = ?", [ident])
    if row is None or not (row[0] == by or (row[1] and is_admin)):
        fix = "GET /api/v1/queries lists yours"
        raise NotFoundError(f"you have no saved query {ident}", field="id", fix=fix)
    return str(row[0])


def _shown(row: tuple[object, ...]) -> SavedQuery:
    *values, changed_us = row
    return SavedQuery(*values, iso(changed_us))  # type: ignore[arg-type, call-arg]
