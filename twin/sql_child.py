"""The child process in which users' SQL runs: `python -m twin.sql_child SCRATCH`. It may die; the twin may not.

It reads jobs as JSON lines on standard input and answers with frames (length u32 little endian, bytes): a
header, then the body. What confines it, in this order: a process of its own at the lowest priority with
kernel limits on memory, files and cores; a fresh in-memory DuckDB a query, with no file access, no
extensions and a locked configuration; only SELECT and EXPLAIN; time, memory, spill, row and byte bounds.
Cold Parquet reaches it as a pyarrow dataset, since DuckDB itself may open no file.
"""

import contextlib
import os
import queue
import resource
import struct
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import csv

from wire.limits import (
    SQL_ADDRESS_BYTES_MAX,
    SQL_MEMORY_BYTES_MAX,
    SQL_RESULT_BYTES_MAX,
    SQL_TEMP_BYTES_MAX,
)

__all__ = ["Header", "Job", "RefusedError", "run_job"]

_ALLOWED = {"SELECT", "EXPLAIN"}
_BATCH_ROWS = 4_096
_FRAME = struct.Struct("<I")


class Job(msgspec.Struct, frozen=True):
    """One query: the tables it may see are Arrow files in `snapshot` and, for some, cold Parquet `cold`."""

    sql: str
    limit_rows: int
    format: str  # "json" | "arrow" | "csv" | "parquet"
    tables: dict[str, list[str]]  # table -> Arrow IPC files with its rows, or its newest rows
    cold: dict[str, list[str]] = {}  # table -> Parquet files with its older rows


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """The head of an answer; with `problem` there is no body."""

    body_bytes: int = 0
    rows: int = 0
    truncated: bool = False
    problem: str = ""
    fix: str = ""


class RefusedError(Exception):
    """The query is not run, or did not end well: what is wrong and how to mend it."""

    def __init__(self, problem: str, fix: str = "") -> None:
        self.problem, self.fix = problem, fix
        super().__init__(problem)


def run_job(job: Job, scratch: Path, on_connection: Any = None) -> tuple[Header, bytes]:
    """Run one query in a DuckDB of its own; Refused when it is not allowed, wrong, or over a bound."""
    with contextlib.closing(_connect(scratch)) as connection:
        if on_connection is not None:
            on_connection(connection)
        try:
            _check_statement(connection, job.sql)
            _register(connection, job)
            _lock(connection)
            relation = connection.sql(job.sql)
            if relation is None:
                raise RefusedError("the statement returns nothing", "write a SELECT")
            batches, schema, truncated = _bounded(relation.to_arrow_reader(_BATCH_ROWS), job.limit_rows)
        except duckdb.InterruptException as error:
            raise RefusedError("the query took too long and was stopped", "narrow it by time or point") from error
        except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError) as error:
            raise RefusedError("the query needs too much memory", "narrow it, or aggregate first") from error
        except (duckdb.Error, pa.ArrowException, UnicodeError) as error:
            raise RefusedError(str(error)[:2_000], "see GET /openapi.json, /query, for the tables") from error
    body = _as_json(batches, schema, truncated) if job.format == "json" else _FORMS[job.format](batches, schema)
    if len(body) > SQL_RESULT_BYTES_MAX:
        raise RefusedError("the answer is too large", "ask for fewer rows or columns, or for Arrow")
    return Header(body_bytes=len(body), rows=sum(b.num_rows for b in batches), truncated=truncated), body


def _connect(scratch: Path) -> Any:
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"{SQL_MEMORY_BYTES_MAX // 2**20}MiB",
        "max_temp_directory_size": f"{SQL_TEMP_BYTES_MAX // 2**20}MiB",
        "temp_directory": str(scratch / "spill"),
        "threads": "1",
    }
    connection = duckdb.connect(":memory:", config=options)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    return connection


def _lock(connection: Any) -> None:
    """After this the connection can reach no file and change no setting."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _check_statement(connection: Any, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise RefusedError(f"one statement a query, this text has {len(statements)}", "send them one by one")
    kind = statements[0].type.name
    if kind not in _ALLOWED:
        raise RefusedError(f"{kind} is not allowed here", "only SELECT and EXPLAIN read, and nothing may write")


def _register(connection: Any, job: Job) -> None:
    for name, paths in job.tables.items():
        table = pa.concat_tables(pa.ipc.open_file(pa.memory_map(path)).read_all() for path in paths)
        cold = job.cold.get(name)
        if not cold:
            connection.register(name, table)
            continue
        connection.register(f"{name}_recent", table)
        connection.register(f"{name}_cold", ds.dataset(cold, format="parquet", schema=table.schema))
        connection.execute(
            f'CREATE VIEW "{name}" AS FROM "{name}_cold" UNION ALL FROM "{name}_recent"'  # names are ours
        )


def _bounded(reader: Any, limit_rows: int) -> tuple[list[Any], Any, bool]:
    """Read at most `limit_rows` rows and the byte bound; True when there would have been more."""
    batches: list[Any] = []
    rows = size = 0
    for batch in reader:
        if rows + batch.num_rows > limit_rows:
            batches.append(batch.slice(0, limit_rows - rows))
            return batches, reader.schema, True
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if size > SQL_RESULT_BYTES_MAX:
            raise RefusedError(f"the answer is larger than {SQL_RESULT_BYTES_MAX // 2**20} MiB", "ask for fewer rows")
    return batches, reader.schema, False


def _as_arrow(batches: list[Any], schema: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _as_csv(batches: list[Any], schema: Any) -> bytes:
    """With a header row; lists and structs as their text."""
    table, sink = pa.Table.from_batches(batches, schema), pa.BufferOutputStream()
    for at, column in enumerate(table.schema):
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            texts = [None if value is None else str(value) for value in table.column(at).to_pylist()]
            table = table.set_column(at, column.name, pa.array(texts, pa.string()))
    csv.write_csv(table, sink)
    return bytes(sink.getvalue())


def _as_parquet(batches: list[Any], schema: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches(batches, schema), sink, compression="zstd")
    return bytes(sink.getvalue())


_FORMS = {"arrow": _as_arrow, "csv": _as_csv, "parquet": _as_parquet}


def _as_json(batches: list[Any], schema: Any, truncated: bool) -> bytes:
    """Columns, rows and whether there were more. NaN and the infinities become null: msgspec's own rule."""
    rows: list[Any] = []
    for batch in batches:
        rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    columns = [{"name": field.name, "type": str(field.type)} for field in schema]
    return msgspec.json.encode(
        {"columns": columns, "rows": rows, "truncated": truncated},
        enc_hook=str,  # what JSON has no form for is shown as its text
    )


def _confine() -> None:
    """The kernel's bounds on this process, and the lowest priority."""
    os.nice(19)
    for kind, bound in (
        (resource.RLIMIT_AS, SQL_ADDRESS_BYTES_MAX),
        (resource.RLIMIT_FSIZE, SQL_TEMP_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 4_096),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))
    with contextlib.suppress(OSError):  # only Linux has it; then the kernel takes this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


class _Desk:
    """Takes jobs from standard input while one runs, so that an interrupt is heard."""

    def __init__(self, source: BinaryIO) -> None:
        self.jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.connection: Any = None
        threading.Thread(target=self._listen, args=(source,), name="sql.listen", daemon=True).start()

    def _listen(self, source: BinaryIO) -> None:
        for line in source:
            if line == b"interrupt\n":
                with contextlib.suppress(duckdb.Error):
                    if self.connection is not None:
                        self.connection.interrupt()
            else:
                self.jobs.put(line)
        os._exit(0)  # the twin is gone


def main() -> None:
    """Serve jobs until standard input ends."""
    scratch = Path(sys.argv[1])
    _confine()
    desk = _Desk(sys.stdin.buffer)
    out = sys.stdout.buffer

    def announce(connection: Any) -> None:
        desk.connection = connection

    _send(out, msgspec.json.encode(Header()))  # ready
    while True:
        job = msgspec.json.decode(desk.jobs.get(), type=Job)
        try:
            header, body = run_job(job, scratch, announce)
        except RefusedError as error:
            header, body = Header(problem=error.problem, fix=error.fix), b""
        finally:
            desk.connection = None
        _send(out, msgspec.json.encode(header))
        out.write(body)
        out.flush()


def _send(out: BinaryIO, data: bytes) -> None:
    out.write(_FRAME.pack(len(data)) + data)
    out.flush()


if __name__ == "__main__":
    main()
