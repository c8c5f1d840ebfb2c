"""The plan in the database: schedules and link sources in revisions, and what was live when.

Nothing that was ever live is overwritten: an interval is closed and another begins, so that what was known at any
moment can be read again. Two intervals of one thing never share a moment, whatever the clock does.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from bim.schedule.link_csv import GIVEN_LINKS
from bim.schedule.open import OpenedSchedule
from bim.schedule.passes import DATES
from bim.schedule.reports import REPORTS
from bim.schedule.tables import SCHEMAS, About, Schedule
from twin.lookup import first, number
from twin.store import Store

__all__ = ["LINKS", "Live", "PlanStore", "StoredSchedule", "live", "next_us"]

LINKS = pa.schema([*(field for field in SCHEMAS["element_tasks"] if field.name != "line")])
_KEPT_PREVIEWS = 5  # revisions that were never live; their previews can still be activated
_KEPT_LIVE = 200  # revisions that were: four years of weekly updates
_TABLES = {**{f"schedule_{name}": schema for name, schema in SCHEMAS.items()}, "schedule_network": DATES}
_THEN = "make_timestamptz($known::BIGINT)"
_OPEN = f"known_from <= {_THEN} AND (known_to IS NULL OR known_to > {_THEN})"
_INPUTS = ("plan_activations", "link_decisions")  # what links follow from, beside the model
_KNOWN_SINCE = (*_INPUTS, "task_actuals", "element_links")
_FOREVER_US = 253_402_300_799_000_000  # "as known now": the end of the year 9999


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """One revision; `network` are its computed dates, or `problem` says why there are none."""

    revision: int
    file: str
    format: str
    name: str
    project: str
    sha256: str
    problem: str
    schedule: Schedule
    network: pa.Table

    @classmethod
    def of(cls, revision: int, opened: OpenedSchedule, project: str) -> "StoredSchedule":
        """What was just taken in."""
        about = opened.schedule.about
        known = (about.file, about.format, about.name, project, about.sha256, opened.problem)
        return cls(revision, *known, opened.schedule, opened.network)


@dataclass(frozen=True, slots=True)
class Live:
    """Which revision is, or was, live, and since when."""

    revision: int
    since_us: int


class PlanStore:
    """The plan's tables. Any thread may call; what takes a cursor runs within the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store, self.cursor = store, store.cursor
        self._taking_in = threading.Lock()

    def take_in(self, opened: OpenedSchedule, *, project: str, origin: str) -> int:
        """Store a schedule as a new revision that is not live; all of it or nothing."""
        about = opened.schedule.about
        with self._taking_in, self.cursor() as cursor:
            cursor.execute("BEGIN")
            revision = number(cursor, "SELECT coalesce(max(revision), 0) + 1 FROM schedule_revisions")
            for name, table in opened.schedule.tables.items():
                _insert(cursor, f"schedule_{name}", revision, table)
            _insert(cursor, "schedule_network", revision, opened.network)
            cursor.execute(
                "INSERT INTO schedule_revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    revision, about.file, about.format, about.name, project, about.sha256, origin, datetime.now(UTC),
                    msgspec.json.encode(about).decode(), opened.problem,
                ],
            )  # fmt: skip
            cursor.execute("COMMIT")
            return revision

    def take_links(self, what: str, name: str, sha256: str, *, origin: str, rules: str, rows: pa.Table | None) -> int:
        """Store a link file (`rows` of table GIVEN_LINKS) or rules as a new revision that is not live."""
        with self._taking_in, self.cursor() as cursor:
            cursor.execute("BEGIN")
            revision = number(cursor, "SELECT coalesce(max(revision), 0) + 1 FROM link_sources")
            if rows is not None:
                _insert(cursor, "link_rows", revision, rows)
            cursor.execute(
                "INSERT INTO link_sources VALUES (?, ?, ?, ?, ?, ?, ?)",
                [revision, what, name, sha256, origin, rules, datetime.now(UTC)],
            )
            cursor.execute("COMMIT")
            return revision

    def read(self, revision: int) -> StoredSchedule:
        """One revision; LookupError when it is gone."""
        with self.cursor() as cursor:
            row = first(
                cursor,
                "SELECT file, format, name, project, sha256, problem, about FROM schedule_revisions WHERE revision = ?",
                [revision],
            )
            if row is None:
                raise LookupError(f"schedule revision {revision} is gone")
            tables = {name: _select(cursor, name, schema, revision) for name, schema in _TABLES.items()}
        network = tables.pop("schedule_network")
        plain = {name.removeprefix("schedule_"): table for name, table in tables.items()}
        schedule = Schedule(msgspec.json.decode(row[6], type=About), plain)
        file, kind, name, project, sha256, problem = row[:6]
        return StoredSchedule(revision, file, kind, name, project, sha256, problem, schedule, network)

    def live(self, what: str, known_us: int | None = None) -> Live | None:
        """The revision that is live, or was known to be at a moment."""
        with self.cursor() as cursor:
            return live(cursor, what, known_us)

    def make_live(
        self, cursor: duckdb.DuckDBPyConnection, what: str, revision: int | None, change: int | None
    ) -> int | None:
        """Within the caller's transaction: switch to a revision, None for none. Returns the one before."""
        before, at_us = live(cursor, what), next_us(cursor, self._store.clock.wall_us())
        ended = "UPDATE plan_activations SET known_to = make_timestamptz(?::BIGINT) WHERE what = ? AND known_to IS NULL"
        cursor.execute(ended, [at_us, what]).fetchall()
        if revision is not None:
            begun = "INSERT INTO plan_activations VALUES (?, ?, ?, make_timestamptz(?::BIGINT), NULL)"
            cursor.execute(begun, [what, revision, change, at_us]).fetchall()
        return before.revision if before else None

    def has(self, what: str, revision: int) -> bool:
        """Whether a revision of a schedule or of links is still kept."""
        table = "schedule_revisions" if what == "schedule" else "link_sources"
        with self.cursor() as cursor:
            return first(cursor, f"SELECT 1 FROM {table} WHERE revision = ?", [revision]) is not None  # noqa: S608

    def brought(self, what: str, origin: str) -> str | None:
        """The digest of the newest schedule or link source that came this way and was once live."""
        table = "schedule_revisions" if what == "schedule" else "link_sources"
        sql = f"""
            SELECT s.sha256 FROM {table} s JOIN plan_activations a ON a.revision = s.revision AND a.what = $what
            WHERE s.origin = $origin ORDER BY a.known_from DESC LIMIT 1
        """  # noqa: S608  (names of ours)
        with self.cursor() as cursor:
            rows = cursor.execute(sql, {"what": what, "origin": origin}).fetchall()
        return str(rows[0][0]) if rows else None

    def rules(self, revision: int) -> str:
        """The text of a revision of rules."""
        with self.cursor() as cursor:
            row = first(cursor, "SELECT rules FROM link_sources WHERE revision = ?", [revision])
        return str(row[0]) if row else ""

    def given_links(self, revision: int) -> pa.Table:
        """The rows of a link file (table GIVEN_LINKS)."""
        with self.cursor() as cursor:
            return _select(cursor, "link_rows", GIVEN_LINKS, revision)

    def decisions(self, known_us: int | None = None) -> dict[tuple[str, str], bool]:
        """What people decided: (element, task as named) -> linked or not."""
        with self.cursor() as cursor:
            sql = f"SELECT element, task, linked FROM link_decisions WHERE {_OPEN} ORDER BY known_from"  # noqa: S608
            rows = cursor.execute(sql, _known(known_us)).fetchall()
        return {(element, task): linked for element, task, linked in rows}

    def actuals(self, known_us: int | None = None) -> pa.Table:
        """What people reported (table REPORTS), the task as it was named."""
        with self.cursor() as cursor:
            sql = f"SELECT task, start, finish, percent FROM task_actuals WHERE {_OPEN} ORDER BY task"  # noqa: S608
            return _table(cursor, sql, _known(known_us)).cast(REPORTS)

    def links(self, known_us: int | None = None) -> pa.Table:
        """The links as they followed from everything at a moment (table LINKS)."""
        with self.cursor() as cursor:
            sql = f"SELECT {', '.join(LINKS.names)} FROM element_links WHERE {_OPEN} ORDER BY element, task"  # noqa: S608
            return _table(cursor, sql, _known(known_us)).cast(LINKS)

    def stamps(self, known_us: int | None = None) -> tuple[int, ...]:
        """When links and reports last changed before a moment: two moments with equal stamps know the same."""
        with self.cursor() as cursor:
            return tuple(_stamp(cursor, (name,), known_us) for name in ("element_links", "task_actuals"))

    def inputs_us(self) -> int:
        """When what links follow from last changed; no two states of it have one such moment."""
        with self.cursor() as cursor:
            return _stamp(cursor, _INPUTS)

    def forget_old(self) -> None:
        """Delete revisions beyond the bounds, and that they were ever live; what is live always stays."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for what, table, parts in (
                (("schedule",), "schedule_revisions", tuple(_TABLES)),
                (("link_file", "link_rules"), "link_sources", ("link_rows",)),
            ):
                _forget(connection, what, table, parts)
            known = "SELECT min(known_from) FROM plan_activations WHERE what = 'schedule'"
            connection.execute(f"DELETE FROM element_links WHERE known_to <= ({known})").fetchall()  # noqa: S608

        self._store.writer.run(work)


def live(cursor: duckdb.DuckDBPyConnection, what: str, known_us: int | None = None) -> Live | None:
    """As PlanStore.live, within a transaction."""
    sql = f"SELECT revision, epoch_us(known_from) FROM plan_activations WHERE what = $what AND {_OPEN}"  # noqa: S608
    rows = cursor.execute(sql, {"what": what, **_known(known_us)}).fetchall()
    return Live(int(rows[0][0]), int(rows[0][1])) if rows else None


def _known(known_us: int | None) -> dict[str, int]:
    return {"known": _FOREVER_US if known_us is None else known_us}


def _insert(cursor: duckdb.DuckDBPyConnection, name: str, revision: int, table: pa.Table) -> None:
    cursor.register("incoming", table)
    cursor.execute(f"INSERT INTO {name} BY NAME SELECT {revision}::UINTEGER AS revision, * FROM incoming")  # noqa: S608
    cursor.unregister("incoming")


def _select(cursor: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, revision: int) -> pa.Table:
    columns = ", ".join(f'"{column}"' for column in schema.names)
    sql = f"SELECT {columns} FROM {name} WHERE revision = {int(revision)}"  # noqa: S608  (names of ours, a number)
    return cursor.sql(sql).to_arrow_table().cast(schema)


def _table(cursor: duckdb.DuckDBPyConnection, sql: str, values: dict[str, int]) -> pa.Table:
    found: pa.Table = cursor.sql(sql, params=values).to_arrow_table()
    return found


def next_us(cursor: duckdb.DuckDBPyConnection, wall_us: int) -> int:
    """The moment of a new change of the plan: now, or after the newest one if the clock was set back."""
    return max(wall_us, _stamp(cursor, _KNOWN_SINCE) + 1)


def _stamp(cursor: duckdb.DuckDBPyConnection, tables: Sequence[str], known_us: int | None = None) -> int:
    """The newest beginning or end in these tables, at or before a moment."""
    parts = [f"SELECT {end} AS t FROM {name}" for name in tables for end in ("known_from", "known_to")]  # noqa: S608
    sql = f"SELECT coalesce(epoch_us(max(t)), 0) FROM ({' UNION ALL '.join(parts)}) WHERE t <= {_THEN}"  # noqa: S608
    return int(cursor.execute(sql, _known(known_us)).fetchall()[0][0])


def _forget(connection: duckdb.DuckDBPyConnection, what: Sequence[str], table: str, parts: Sequence[str]) -> None:
    lived = (
        "SELECT revision, max(known_from) AS last, bool_or(known_to IS NULL) AS live FROM plan_activations"
        " WHERE what IN (SELECT unnest(?)) GROUP BY revision"
    )
    rows: list[Any] = connection.execute(
        f"SELECT r.revision, a.last IS NOT NULL, coalesce(a.live, false) FROM {table} r LEFT JOIN ({lived}) a"  # noqa: S608
        " ON a.revision = r.revision ORDER BY coalesce(a.live, false) DESC, a.last DESC NULLS LAST, r.revision DESC",
        [list(what)],
    ).fetchall()
    used, unused = [row[0] for row in rows if row[1]], [row[0] for row in rows if not row[1]]
    kept = used[:_KEPT_LIVE] + unused[:_KEPT_PREVIEWS]
    for name in (*parts, table):
        connection.execute(f"DELETE FROM {name} WHERE revision NOT IN (SELECT unnest(?))", [kept]).fetchall()  # noqa: S608
    gone = "DELETE FROM plan_activations WHERE what IN (SELECT unnest(?)) AND revision NOT IN (SELECT unnest(?))"
    connection.execute(gone, [list(what), kept]).fetchall()
