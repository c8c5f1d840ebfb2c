"""The store: warm rows in DuckDB, cold rows in Parquet, latest values in memory; one writer, many readers."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import duckdb

from twin import ledger, quarantine
from twin.database import Database
from twin.points import PointTable
from twin.state import LiveState
from twin.writer import Writer
from wire.clock import Clock, SystemClock

__all__ = ["Store"]


class Store:
    """All that the twin keeps. A context manager; reading methods may be called from any thread.

    `state` and `points` mirror the database in memory. Every read runs in one transaction of its own cursor, so it
    sees each row once, however compaction moves it meanwhile.
    """

    def __init__(self, data_dir: Path, *, site: str, clock: Clock | None = None, **settings: Any) -> None:
        self.data_dir, self.site, self.clock = data_dir, site, clock or SystemClock()
        self.database = Database(data_dir, settings=settings)
        self.writer = Writer(self.database)
        self.points = PointTable()
        self.state = LiveState()
        self._stack = ExitStack()

    @classmethod
    def open(cls, data_dir: Path, *, site: str, clock: Clock | None = None, **settings: Any) -> "Store":
        """A store in this folder, made on first use; enter it. StoreLockedError when another twin has it."""
        return cls(data_dir, site=site, clock=clock, **settings)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            database = stack.enter_context(self.database)
            connection = database.connection
            connection.execute("BEGIN")
            ledger.merge(connection, self.site)
            connection.execute("COMMIT")
            self.points.load(connection)
            stack.enter_context(self.writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one reader in one thread; close it."""
        return self.database.cursor()

    def nodes(self) -> list[str]:
        """Names of all nodes that were ever heard."""
        with self.cursor() as cursor:
            rows = cursor.execute("SELECT DISTINCT node FROM nodes WHERE site = ? ORDER BY 1", [self.site])
            return [name for (name,) in rows.fetchall()]

    def quarantined(self, limit: int = 1_000) -> list[dict[str, object]]:
        """The newest records that could not be read, without their bodies."""
        with self.cursor() as cursor:
            return quarantine.rows(cursor, limit=limit)

    def events(self, start_us: int, end_us: int, *, limit: int = 1_000) -> list[dict[str, object]]:
        """Events of a time range, newest first."""
        with self.cursor() as cursor:
            found = cursor.execute(
                "SELECT epoch_us(ts) AS ts_us, node, device, kind, severity, point, message, detail FROM events"
                " WHERE ts >= make_timestamptz(?::BIGINT) AND ts < make_timestamptz(?::BIGINT)"
                " ORDER BY ts DESC, recv DESC LIMIT ?",
                [start_us, end_us, limit],
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def tend(self) -> None:
        """What is to be done every minute."""
