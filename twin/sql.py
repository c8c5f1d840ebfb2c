"""Users' SQL: hands each query to a confined child process, bounds its time, and recycles the children."""

import asyncio
import contextlib
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from twin.sql_child import Header, Job
from wire.errors import Aid4Error, InputError
from wire.limits import (
    SQL_CHARS_MAX,
    SQL_CHILD_JOBS_MAX,
    SQL_CHILDREN_MAX,
    SQL_RESULT_BYTES_MAX,
    SQL_ROWS_DEFAULT,
    SQL_ROWS_MAX,
    SQL_TIME_S_MAX,
    SQL_WAITING_MAX,
)

__all__ = ["Answer", "SqlBusyError", "SqlDesk", "SqlFailedError", "Tables"]

_FRAME = struct.Struct("<I")
_PACKAGE = str(Path(__file__).resolve().parents[1])
_GRACE_S = 1.0  # from interrupt to kill
_START_S = 20.0  # a child loads DuckDB and Arrow on a busy gateway


@dataclass(frozen=True, slots=True)
class Tables:
    """What a query may see: Arrow IPC files by table, and for some the Parquet files with older rows."""

    files: dict[str, list[Path]]
    cold: dict[str, list[Path]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's result, encoded as asked."""

    body: bytes
    rows: int
    truncated: bool


class SqlBusyError(Aid4Error):
    """Too many queries are in line; nothing was run."""


class SqlFailedError(Aid4Error):
    """The child died under the query, which is therefore held to be the cause."""


class SqlDesk:
    """An async context manager that answers queries.

    `tables` is called in a thread, once a query, with its text and a folder in which to put the Arrow files.

    `counts` holds asked, failed, killed and refused, ever growing.
    """

    def __init__(self, scratch: Path, tables: Callable[[str, Path], Tables], *, time_s: float = SQL_TIME_S_MAX) -> None:
        self._scratch, self._tables, self._time_s = scratch.resolve(), tables, time_s
        self._idle: list[_Child] = []
        self._turns = asyncio.Semaphore(SQL_CHILDREN_MAX)
        self._in_line = 0
        self.counts = {"asked": 0, "failed": 0, "killed": 0, "refused": 0}

    async def __aenter__(self) -> Self:
        shutil.rmtree(self._scratch, ignore_errors=True)  # left by a twin that was killed
        self._scratch.mkdir(parents=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in self._idle:
            await child.kill()
        self._idle.clear()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def running(self) -> int:
        """Queries that run or wait in line."""
        return self._in_line

    async def query(self, sql: str, *, limit_rows: int = SQL_ROWS_DEFAULT, form: str = "json") -> Answer:
        """Run one SELECT or EXPLAIN. InputError when it is wrong, SqlBusyError, SqlFailedError."""
        if not sql.strip() or len(sql) > SQL_CHARS_MAX:
            raise InputError(f"an SQL text has 1 to {SQL_CHARS_MAX} characters", field="sql", fix="shorten it")
        if not 0 < limit_rows <= SQL_ROWS_MAX:
            raise InputError(f"1 to {SQL_ROWS_MAX} rows", field="limit_rows", fix=f"give at most {SQL_ROWS_MAX}")
        if self._in_line >= SQL_WAITING_MAX:
            self.counts["refused"] += 1
            raise SqlBusyError(f"{SQL_WAITING_MAX} queries are in line; ask again in a moment")
        self.counts["asked"] += 1
        self._in_line += 1
        try:
            async with self._turns:
                return await self._run(sql, limit_rows, form)
        except (InputError, SqlFailedError):
            self.counts["failed"] += 1
            raise
        finally:
            self._in_line -= 1

    async def _run(self, sql: str, limit_rows: int, form: str) -> Answer:
        folder = Path(tempfile.mkdtemp(prefix="query-", dir=self._scratch))
        try:
            tables = await asyncio.to_thread(self._tables, sql, folder)
            job = Job(
                sql=sql,
                limit_rows=limit_rows,
                format=form,
                tables={name: [str(path) for path in paths] for name, paths in tables.files.items()},
                cold={name: [str(path.resolve()) for path in paths] for name, paths in tables.cold.items()},
            )
            async with self._borrow() as child:
                header, body = await child.ask(job, self._time_s)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if header.problem:
            raise InputError(header.problem, field="sql", fix=header.fix)
        return Answer(body=body, rows=header.rows, truncated=header.truncated)

    @contextlib.asynccontextmanager
    async def _borrow(self) -> AsyncIterator["_Child"]:
        """A child for one query; it goes back only when it is unharmed and not worn out."""
        self._idle = [child for child in self._idle if child.alive]
        child = self._idle.pop() if self._idle else await _Child.start(self._scratch)
        keep = False
        try:
            yield child
            keep = child.jobs < SQL_CHILD_JOBS_MAX
        except SqlFailedError:
            self.counts["killed"] += 1
            raise
        finally:
            if keep:
                self._idle.append(child)
            else:
                await child.kill()


class _Child:
    """One `python -m twin.sql_child`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.jobs = 0

    @classmethod
    async def start(cls, scratch: Path) -> "_Child":
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": _PACKAGE, "HOME": str(scratch)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "twin.sql_child", str(scratch),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment, cwd=scratch, limit=2**20,
        )  # fmt: skip
        child = cls(process)
        try:
            async with asyncio.timeout(_START_S):
                await child._read()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await child.kill()
            raise SqlFailedError("the process for queries does not start") from error
        return child

    @property
    def alive(self) -> bool:
        """Whether it still runs; the kernel may have taken it for its memory."""
        return self._process.returncode is None

    async def ask(self, job: Job, time_s: float) -> tuple[Header, bytes]:
        """Run one job; SqlFailed when the child had to be killed or died."""
        self.jobs += 1
        self._write(msgspec.json.encode(job) + b"\n")
        answer = asyncio.create_task(self._read(), name="sql.answer")
        try:
            done, _ = await asyncio.wait({answer}, timeout=time_s)
            if not done:
                self._write(b"interrupt\n")
                done, _ = await asyncio.wait({answer}, timeout=_GRACE_S)
            if not done:
                raise SqlFailedError(f"the query ran longer than {time_s:g} s and its process was killed")
            return answer.result()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise SqlFailedError("the process died under the query, most likely out of memory") from error
        finally:
            answer.cancel()

    async def kill(self) -> None:
        """End it now, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    async def _read(self) -> tuple[Header, bytes]:
        assert self._process.stdout is not None
        out = self._process.stdout
        size = _FRAME.unpack(await out.readexactly(_FRAME.size))[0]
        if size > 1_000_000:
            raise SqlFailedError("the process for queries speaks nonsense")
        header = msgspec.json.decode(await out.readexactly(size), type=Header)
        if header.body_bytes > SQL_RESULT_BYTES_MAX:
            raise SqlFailedError("the process for queries speaks nonsense")
        return header, await out.readexactly(header.body_bytes) if header.body_bytes else b""
