"""The one thread that writes to the database: runs each piece of work in a transaction of its own."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Self, TypeVar

import duckdb

from twin.database import Database
from wire.errors import Aid4Error

__all__ = ["StoreUnavailableError", "Writer"]

T = TypeVar("T")
Work = Callable[[duckdb.DuckDBPyConnection], T]
_STORAGE = (  # what these say is about the disk or the instance, not about the work
    duckdb.FatalException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.InternalException,
    duckdb.ConnectionException,
)


class _CommitError(duckdb.IOException):
    """A commit failed, whatever DuckDB calls it: a full disk comes as a TransactionException."""


class StoreUnavailableError(Aid4Error):
    """The disk or the database failed; whether the transaction is durable is not known, so read it back."""


class Writer:
    """Owns the writing connection. `submit` from any thread; results come as futures.

    When DuckDB gives up (a disk full at a checkpoint kills the instance although the commit is durable), the
    database is opened anew. After every failure of the storage the `on_doubt` callbacks run in the writer's
    thread: what they mirror of the database must be read again. `degraded` says why nothing can be written now.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.degraded: str | None = None
        self.on_doubt: list[Callable[[], None]] = []
        self.reopened = 0
        self._dead = False
        self._jobs: SimpleQueue[tuple[Work[Any], Callable[[Any], None] | None, bool, Future[Any]] | None]
        self._jobs = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="twin writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Finish what was submitted, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def submit(self, work: Work[T], *, then: Callable[[T], None] | None = None, writes: bool = True) -> "Future[T]":
        """Run `work` in one transaction and commit; after the commit run `then` with its result, same thread.

        The future raises StoreUnavailableError when the storage failed, else whatever `work` raised; both were
        rolled back. Work that writes nothing says so, for its success proves nothing about the disk.
        """
        future: Future[T] = Future()
        self._jobs.put((work, then, writes, future))
        return future

    def run(self, work: Work[T]) -> T:
        """Submit and wait."""
        return self.submit(work).result()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, then, writes, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = self._transact(work)
                if then is not None:
                    then(result)
            except BaseException as error:  # noqa: BLE001 - every outcome belongs to the one who submitted
                future.set_exception(error)
            else:
                if writes:
                    self.degraded = None
                future.set_result(result)

    def _transact(self, work: Work[T]) -> T:
        try:
            if self._dead:
                self._revive()
            connection = self.database.connection
            connection.execute("BEGIN")
            result = work(connection)
            _commit(connection)
        except _STORAGE as error:
            self.degraded = _first_line(error)
            self._recover()
            raise StoreUnavailableError(self.degraded) from error
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                self.database.connection.execute("ROLLBACK")
            raise
        return result

    def _recover(self) -> None:
        """Roll back if there is anything left to roll back; open anew if the instance is dead."""
        try:
            with contextlib.suppress(duckdb.TransactionException):
                self.database.connection.execute("ROLLBACK")
            self.database.connection.execute("SELECT count(*) FROM meta").fetchall()
        except (duckdb.Error, Aid4Error):
            self._dead = True
        with contextlib.suppress(duckdb.Error, Aid4Error):
            if self._dead:
                self._revive()
            else:
                self._doubt()

    def _revive(self) -> None:
        self.database.reopen()
        self.reopened += 1
        self._doubt()
        self._dead = False

    def _doubt(self) -> None:
        for callback in self.on_doubt:
            callback()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]


def _commit(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("COMMIT")
    except duckdb.TransactionException as error:
        raise _CommitError(str(error)) from error
