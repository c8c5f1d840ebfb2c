"""Rows that people set and clear, each true from one moment of knowledge to another; all of a change at once."""

from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from bim.schedule.reports import REPORTS
from twin.errors import ConflictError
from twin.plan_store import next_us

__all__ = ["ACTUALS", "DECISIONS", "KeptRows"]

_MOMENT = "make_timestamptz(?::BIGINT)"


class KeptRows:
    """One table with known_from, known_to and change, its rows known by `keys`."""

    def __init__(self, table: str, keys: tuple[str, ...], schema: pa.Schema) -> None:
        self._table, self._keys, self._schema = table, keys, schema
        self._same = " AND ".join(f"n.{key} = l.{key}" for key in keys)
        self._names = ", ".join(schema.names)

    def put(
        self, cursor: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], clear: list[dict[str, Any]], *,
        change: int | None, wall_us: int,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Within a transaction: these rows hold from now on, those cleared no longer. Returns the ones before."""
        at_us = next_us(cursor, wall_us)
        touched = self._keys_of([*rows, *clear])
        cursor.register("touched", touched)
        where = f"l.known_to IS NULL AND EXISTS (FROM touched n WHERE {self._same})"
        before: pa.Table = cursor.sql(
            f"SELECT {self._names}, change FROM {self._table} l WHERE {where}"  # noqa: S608  (names of ours)
        ).to_arrow_table()
        cursor.execute(f"UPDATE {self._table} l SET known_to = {_MOMENT} WHERE {where}", [at_us]).fetchall()  # noqa: S608
        cursor.unregister("touched")
        if rows:
            given = pa.Table.from_pylist([self._typed(row) for row in rows], schema=self._schema)
            changes = [row.get("change", change) for row in rows]
            given = given.append_column("change", pa.array(changes, pa.uint32()))
            cursor.register("given", given)
            cursor.execute(
                f"INSERT INTO {self._table} BY NAME SELECT *, {_MOMENT} AS known_from, NULL AS known_to FROM given",  # noqa: S608
                [at_us],
            ).fetchall()
            cursor.unregister("given")
        return list(before.to_pylist())

    def check_newest(self, cursor: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], change: int) -> None:
        """Conflict when a later change stands on one of these rows."""
        cursor.register("touched", self._keys_of(rows))
        later = cursor.execute(
            f"SELECT max(l.change) FROM {self._table} l WHERE l.known_to IS NULL AND l.change > ?"  # noqa: S608
            f" AND EXISTS (FROM touched n WHERE {self._same})",
            [change],
        ).fetchall()[0][0]
        cursor.unregister("touched")
        if later is not None:
            raise ConflictError(f"change {later} came after and stands on it", fix=f"revert {later} first")

    def _typed(self, row: dict[str, Any]) -> dict[str, Any]:
        """Times that went through JSON are texts."""
        times = [field.name for field in self._schema if pa.types.is_timestamp(field.type)]
        parsed = {name: datetime.fromisoformat(row[name]) for name in times if isinstance(row.get(name), str)}
        return {**row, **parsed}

    def _keys_of(self, rows: list[dict[str, Any]]) -> pa.Table:
        return pa.table({key: pa.array([row[key] for row in rows], pa.string()) for key in self._keys})


_DECISION = pa.schema([("element", pa.string()), ("task", pa.string()), ("linked", pa.bool_())])
DECISIONS = KeptRows("link_decisions", ("element", "task"), _DECISION)
ACTUALS = KeptRows("task_actuals", ("task",), REPORTS)
