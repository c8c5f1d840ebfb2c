"""Revisions of the building model in the database: taken in, made live and brought back in one transaction each."""

import hashlib
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from bim.georeference import Georeference
from bim.revisions.match import Matching
from bim.tables import ELEMENTS, PSETS, RELATIONS
from twin.lookup import first, number
from twin.model import Model, ModelInfo
from twin.model_names import read_aliases, write_matches
from twin.store import Store

__all__ = ["ModelTables", "Models", "file_sha256"]

_KEPT = 5  # revisions beside the live one that stay, so that a revert finds them


class ModelTables(msgspec.Struct, frozen=True):
    """What the child process of `bim` made of one file."""

    file: str
    schema: str
    sha256: str
    elements: pa.Table
    psets: pa.Table
    relations: pa.Table
    warnings: list[str]
    georeference: Georeference = Georeference()
    parts: list[dict[str, Any]] = []


class Models:
    """The model tables. Any thread may call; new revisions are taken in one after the other."""

    def __init__(self, store: Store) -> None:
        self._store, self._cursor = store, store.cursor
        self._taking_in = threading.Lock()

    def active_revision(self) -> int | None:
        """The number of the live revision."""
        with self._cursor() as cursor:
            row = first(cursor, "SELECT revision FROM model_revisions WHERE active")
            return int(row[0]) if row else None

    def active(self) -> Model:
        """The live model, empty when there is none."""
        with self._cursor() as cursor:
            row = first(cursor, "SELECT revision FROM model_revisions WHERE active")
            return self._read(cursor, int(row[0])) if row else Model()

    def read(self, revision: int) -> Model:
        """One revision, live or not."""
        with self._cursor() as cursor:
            return self._read(cursor, revision)

    def take_in(self, tables: ModelTables, *, against: Model | None = None, matching: Matching | None = None) -> int:
        """Store the tables as a new revision that is not live, and how its ids follow from those of another revision;
        all of it or nothing."""
        with self._taking_in, self._cursor() as cursor:
            cursor.execute("BEGIN")
            revision = number(cursor, "SELECT coalesce(max(revision), 0) + 1 FROM model_revisions")
            for name, table, schema in (
                ("model_elements", tables.elements, ELEMENTS),
                ("model_psets", tables.psets, PSETS),
                ("model_relations", tables.relations, RELATIONS),
            ):
                cursor.register("incoming", table.select(schema.names))
                cursor.execute(f"INSERT INTO {name} BY NAME SELECT {revision}::UINTEGER AS revision, * FROM incoming")  # noqa: S608  (names of ours, a number)
                cursor.unregister("incoming")
            cursor.execute(
                "INSERT INTO model_revisions (revision, file, schema, sha256, loaded, active, warnings, georeference,"
                " parts) VALUES (?, ?, ?, ?, ?, false, ?, ?, ?)",
                [
                    revision, tables.file, tables.schema, tables.sha256, datetime.now(UTC),
                    *map(_json, (tables.warnings, tables.georeference, tables.parts)),
                ],
            )  # fmt: skip
            if against is not None and against.info is not None and matching is not None:
                pairs = [(pair.old, pair.new, pair.how, pair.confidence) for pair in matching.reguided]
                write_matches(cursor, (against.info.revision, revision), pairs)
            cursor.execute("COMMIT")
            return revision

    def make_live(self, cursor: duckdb.DuckDBPyConnection, revision: int | None) -> int | None:
        """Within the caller's transaction: switch to a revision, None for none. Returns the one before."""
        row = first(cursor, "SELECT revision FROM model_revisions WHERE active")
        cursor.execute("UPDATE model_revisions SET active = false WHERE active")
        if revision is not None:
            cursor.execute("UPDATE model_revisions SET active = true WHERE revision = ?", [revision])
        return int(row[0]) if row else None

    def forget_old(self) -> None:
        """Delete revisions beyond the newest few; the live one always stays."""
        keep = f"SELECT revision FROM model_revisions ORDER BY active DESC, revision DESC LIMIT {_KEPT + 1}"  # noqa: S608  (a number)

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            kept = [row[0] for row in connection.execute(keep).fetchall()]
            for table in ("model_elements", "model_psets", "model_relations", "model_revisions"):
                connection.execute(f"DELETE FROM {table} WHERE revision NOT IN (SELECT unnest(?))", [kept]).fetchall()  # noqa: S608  (fixed names)

        self._store.writer.run(work)

    def has(self, revision: int) -> bool:
        """Whether a revision is still kept."""
        with self._cursor() as cursor:
            return first(cursor, "SELECT 1 FROM model_revisions WHERE revision = ?", [revision]) is not None

    def relations(self, revision: int | None = None) -> pa.Table:
        """The relations (table RELATIONS) of a revision, of the live one by default."""
        names = ", ".join(RELATIONS.names)
        with self._cursor() as cursor:
            row = (
                first(cursor, "SELECT revision FROM model_revisions WHERE active") if revision is None else (revision,)
            )
            sql = f"SELECT {names} FROM model_relations WHERE revision = {int(row[0]) if row else -1}"  # noqa: S608
            return cursor.sql(sql).to_arrow_table().cast(RELATIONS)

    def properties(self, element: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Of the live model: kind ("property" | "quantity") -> set -> name -> value."""
        found: dict[str, dict[str, dict[str, Any]]] = {"property": {}, "quantity": {}}
        with self._cursor() as cursor:
            rows = cursor.execute(
                "SELECT kind, pset, name, value, number FROM psets WHERE element = ?", [element]
            ).fetchall()
        for kind, pset, name, value, amount in rows:
            found.setdefault(kind, {}).setdefault(pset, {})[name] = value if amount is None else amount
        return found

    def _read(self, cursor: duckdb.DuckDBPyConnection, revision: int) -> Model:
        stored = "SELECT file, schema, sha256, georeference FROM model_revisions WHERE revision = ?"
        row = first(cursor, stored, [revision])
        if row is None:
            raise LookupError(f"model revision {revision} is gone")
        stated = msgspec.json.decode(row[3], type=Georeference)
        names = ", ".join(ELEMENTS.names)
        table = cursor.sql(
            f"SELECT {names} FROM model_elements WHERE revision = {revision} ORDER BY step"  # noqa: S608  (names of ours, a number)
        ).to_arrow_table()
        file, schema, sha256 = row[:3]
        info = ModelInfo(revision, file, schema, sha256, stated)
        return Model(info, table.cast(ELEMENTS), read_aliases(cursor, revision))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
