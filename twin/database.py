"""The twin's one DuckDB file: created safely, opened by one process, migrated step by step."""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import time
import weakref
from importlib import resources
from pathlib import Path
from typing import IO, Any, Self

import duckdb

from wire.errors import Aid4Error, UserError

__all__ = ["FILE", "SETTINGS", "Database", "StoreLockedError", "build", "migrations"]

FILE = "twin.duckdb"
_OPEN_TRIAL_S = 300.0  # replay of a full 256 MB write-ahead log takes under a second; a sick disk far longer
SETTINGS: dict[str, Any] = {
    "checkpoint_threshold": "256MB",  # at the default of 16 MiB one commit in twenty waits for a checkpoint
    "memory_limit": "512MB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "true",
}


class StoreLockedError(UserError):
    """Another twin has this database open."""


class Database:
    """The connection that writes, its cursors for readers, and the lock. Use as a context manager.

    `broken_wal` names a write-ahead log that could not be replayed and was put aside; what it held was
    acknowledged, so the agents are asked for it again by the ranges that are missing.
    """

    def __init__(self, folder: Path, *, settings: dict[str, Any] | None = None) -> None:
        self.folder, self.path = folder, folder / FILE
        self.settings = SETTINGS | (settings or {})
        self.broken_wal: Path | None = None
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._lock: IO[str] | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder / "lock")
        try:
            if not self.path.exists():
                build(self.path, self.settings)
            self._try_in_child()
            self._connect()
            _migrate(self.connection)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection that writes; only the writer's thread uses it."""
        if self._connection is None:
            raise Aid4Error("the database is closed")
        return self._connection

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one reader; it sees whole transactions only."""
        cursor = self.connection.cursor()
        self._cursors.add(cursor)
        return cursor

    def reopen(self) -> None:
        """Start over on the same file after DuckDB gave up (a full disk at a checkpoint); cursors are closed."""
        self._disconnect()
        self._connect()

    def close(self) -> None:
        """Close everything and give up the lock."""
        self._disconnect()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _connect(self) -> None:
        self._connection = duckdb.connect(str(self.path), config=self.settings)
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")

    def _disconnect(self) -> None:
        for cursor in [*self._cursors, self._connection]:
            if cursor is not None:
                with contextlib.suppress(duckdb.Error):
                    cursor.close()
        self._cursors = weakref.WeakSet()
        self._connection = None

    def _try_in_child(self) -> None:
        """Replay the write-ahead log in a child first: a broken one can abort the process, not only raise."""
        wal = self.path.with_name(self.path.name + ".wal")
        if not wal.exists() or wal.stat().st_size == 0:
            return
        trial = "import duckdb,sys; duckdb.connect(sys.argv[1]).execute('SELECT count(*) FROM meta').fetchall()"
        child = subprocess.run(
            [sys.executable, "-c", trial, str(self.path)], capture_output=True, text=True, timeout=_OPEN_TRIAL_S
        )
        if child.returncode == 0:
            return
        if "lock" in child.stderr.lower():
            raise StoreLockedError("another process has the database open", file=str(self.path))
        self.broken_wal = wal.with_name(f"{wal.name}.broken-{time.time_ns()}")
        wal.rename(self.broken_wal)
        _sync(self.folder)


def build(path: Path, settings: dict[str, Any] | None = None) -> None:
    """Make an empty database whole before it gets its name: a power cut meanwhile leaves no broken one."""
    new = path.with_suffix(".new")
    for leftover in (new, new.with_name(new.name + ".wal")):
        leftover.unlink(missing_ok=True)
    with duckdb.connect(str(new), config=settings or SETTINGS) as connection:
        _migrate(connection)
        connection.execute("CHECKPOINT")
    _sync(new)
    new.rename(path)
    _sync(path.parent)


def migrations() -> list[tuple[int, str]]:
    """All migrations as (number, SQL), ascending; number N makes schema N of schema N − 1."""
    entries = resources.files("twin").joinpath("migrations").iterdir()
    named = [(re.fullmatch(r"(\d{4})_\w+\.sql", entry.name), entry) for entry in entries]
    return sorted((int(match[1]), entry.read_text("utf-8")) for match, entry in named if match)


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the schema up to date, each step in a transaction; refuse a database of a newer program."""
    steps = migrations()
    version = _version(connection)
    if version > steps[-1][0]:
        fix = "use the version of aid4 that wrote it, or a newer one"
        raise UserError(f"database schema {version} is newer than this program's {steps[-1][0]}", fix=fix)
    for number, sql in (step for step in steps if step[0] > version):
        connection.execute("BEGIN")
        connection.execute(sql)
        connection.execute("DELETE FROM meta WHERE key = 'schema'")
        connection.execute("INSERT INTO meta VALUES ('schema', ?)", [str(number)])
        connection.execute("COMMIT")


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    tables = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'meta'").fetchall()
    rows = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchall() if tables else []
    return int(rows[0][0]) if rows else 0


def _locked(path: Path) -> IO[str]:
    """Take the folder's lock or say who has it; the kernel frees it when the process dies."""
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise StoreLockedError(
            f"another twin (process {owner}) has this data directory open",
            file=str(path.parent),
            fix="stop it, or give this one its own --data-dir",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
