"""Moves warm rows into cold files, span by span, in one transaction each.

`plan` is pure: it looks at how many warm rows lie in each slot of time and chooses spans that are over, quiet and
worth a file: the smallest span of `SPANS_US` with `FILE_ROWS` rows. So a busy park gets a file every ten minutes,
a thousand points at five minutes one a day, and years of sparse history a few, never thousands of tiny ones.
Files never change. Late rows wait in the database until there are enough of them for a file of their own; files of
one span may overlap, and readers take all of them. Small files are joined when asked (`aid4 twin compact`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twin import keyframes
from twin.asof import Candidates
from twin.cold import COLD, ColdFile, ColdReader, write_file

__all__ = ["Job", "Slots", "plan", "plan_before", "plan_joins", "run", "slots"]

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
SLOT_US = 10 * MINUTE_US
EPOCH_US = 3_000 * 256 * DAY_US  # added before dividing, since SQL truncates and times before 1970 must floor
SPANS_US = (SLOT_US, HOUR_US, 4 * HOUR_US, DAY_US, 8 * DAY_US, 32 * DAY_US, 256 * DAY_US)  # each divides the next
BUCKETS_US = (1_000_000, 5_000_000, 15_000_000, MINUTE_US, 5 * MINUTE_US, *SPANS_US)  # each divides the next
FILE_ROWS = 1_000_000  # below, a span waits in the database or for a longer span
BUCKET_ROWS_MAX = 600_000  # what the state of a moment has to read: 10 ms
OVER_US = 5 * MINUTE_US  # after a span's end, for what is on its way
QUIET_US = 30_000_000  # a backlog that still streams in is not cut into files


@dataclass(frozen=True, slots=True)
class Slots:
    """Warm rows by slot of SLOT_US: its number, rows, newest arrival. Ascending."""

    slot: NDArray[np.int64]
    rows: NDArray[np.int64]
    recv_us: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Job:
    """Write the warm rows of `lo_us..hi_us`, and the rows of the files to join, into one file."""

    kind: str
    lo_us: int
    hi_us: int
    bucket_us: int
    joins: tuple[ColdFile, ...] = ()


def plan(kind: str, warm: Slots, now_us: int, *, force: bool = False) -> list[Job]:
    """Spans to write now. With `force` everything goes, however little and however new."""
    jobs: list[Job] = []
    todo = np.ones(len(warm.slot), bool) if force else warm.recv_us <= now_us - QUIET_US
    for span_us in SPANS_US:
        last_chance = force and span_us == SPANS_US[-1]
        for mine in _spans(warm, todo, span_us):
            rows = int(warm.rows[mine].sum())
            number = int(warm.slot[mine[0]]) * SLOT_US // span_us
            lo_us, hi_us = number * span_us, (number + 1) * span_us
            ready = rows >= FILE_ROWS and hi_us + OVER_US <= now_us
            if last_chance and not ready:
                lo_us, hi_us = int(warm.slot[mine[0]]) * SLOT_US, (int(warm.slot[mine[-1]]) + 1) * SLOT_US
            elif not ready:
                continue
            jobs.append(Job(kind, lo_us, hi_us, _bucket(warm.slot[mine], warm.rows[mine])))
            todo[mine] = False
    return sorted(jobs, key=lambda job: job.lo_us)


def plan_before(kind: str, warm: Slots, cut_us: int) -> list[Job]:
    """Everything older than a moment goes into files, however little, for retention to look at."""
    old = (warm.slot + 1) * SLOT_US <= cut_us
    return plan(kind, Slots(warm.slot[old], warm.rows[old], warm.recv_us[old]), cut_us, force=True)


def _spans(warm: Slots, todo: NDArray[np.bool_], span_us: int) -> list[NDArray[np.intp]]:
    """Positions of the slots to do, span by span; only spans with enough rows, unless it is the longest."""
    at = np.flatnonzero(todo)
    if not len(at):
        return []
    number = warm.slot[at] * SLOT_US // span_us
    starts = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
    rows = np.add.reduceat(warm.rows[at], starts)
    parts = np.split(at, starts[1:])
    return [parts[n] for n in np.flatnonzero((rows >= FILE_ROWS) | (span_us == SPANS_US[-1]))]


def plan_joins(kind: str, files: Sequence[ColdFile]) -> list[Job]:
    """Neighbouring small files become one: runs of files that together stay below twice FILE_ROWS."""
    jobs: list[Job] = []
    run_: list[ColdFile] = []

    def close() -> None:
        if len(run_) > 1:
            lo_us, hi_us = min(f.lo_us for f in run_), max(f.hi_us for f in run_)
            jobs.append(Job(kind, lo_us, hi_us, min(f.bucket_us for f in run_), tuple(run_)))
        run_.clear()

    for file in sorted(files, key=lambda file: (file.lo_us, file.id)):
        if file.row_count >= FILE_ROWS or sum(f.row_count for f in run_) + file.row_count > 2 * FILE_ROWS:
            close()
        if file.row_count < FILE_ROWS:
            run_.append(file)
    close()
    return jobs


def slots(cursor: duckdb.DuckDBPyConnection, kind: str) -> Slots:
    """Count the warm rows."""
    found = cursor.execute(
        f"SELECT {_floor(SLOT_US)} AS slot, count(*) AS n, epoch_us(max(recv)) AS recv"  # noqa: S608
        f" FROM {kind}_warm GROUP BY 1 ORDER BY 1"
    ).fetchnumpy()
    slot = np.asarray(found["slot"], np.int64)
    return Slots(slot, np.asarray(found["n"], np.int64), np.asarray(found["recv"], np.int64))


def run(
    cursor: duckdb.DuckDBPyConnection,
    reader: ColdReader,
    folder: Path,
    job: Job,
    moved: Callable[[duckdb.DuckDBPyConnection, Candidates], None],
) -> ColdFile | None:
    """Carry out one job. A reader sees the rows in the database before the commit and in the file after it.

    Before the commit `moved` gets the newest of the moved rows of each point.

    Only the rows of this transaction's snapshot move: what arrives meanwhile stays in the database. When it fails,
    the transaction is rolled back and the file, which nothing lists, removed.
    """
    cursor.execute("BEGIN")
    path = None
    try:
        number = cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM cold_files").fetchone()
        assert number is not None
        path = _path(job, number[0])
        frames = keyframes.Roller(cursor, reader, job.kind, job.lo_us)
        rows, size, digest = write_file(folder / path, job.kind, _buckets(cursor, reader, job, frames))
        if rows == 0:
            cursor.execute("ROLLBACK")
            (folder / path).unlink()
            return None
        file = ColdFile(number[0], job.kind, str(path), job.lo_us, job.hi_us, job.bucket_us, rows, size, digest)
        _swap(cursor, job, file)
        frames.write()
        moved(cursor, frames.lasts)
        cursor.execute("COMMIT")
    except BaseException:
        _undo(cursor, folder / path if path else None)
        raise
    return file


def _buckets(
    cursor: duckdb.DuckDBPyConnection, reader: ColdReader, job: Job, frames: "keyframes.Roller"
) -> Iterator[pa.Table]:
    """The job's rows, bucket by bucket in file order; each bucket's start gets its keyframe on the way."""
    old = pa.concat_tables([reader.table(file) for file in job.joins]) if job.joins else None
    used = cursor.execute(
        f"SELECT DISTINCT {_floor(job.bucket_us)} FROM {job.kind}_warm"  # noqa: S608
        " WHERE ts >= make_timestamptz(?::BIGINT) AND ts < make_timestamptz(?::BIGINT)",
        [job.lo_us, job.hi_us],
    ).fetchall()
    numbers = {number for (number,) in used}
    if old is not None:
        numbers |= set(np.unique(old.column("ts").cast(pa.int64()).to_numpy() // job.bucket_us).tolist())
    for number in sorted(numbers):
        lo_us = max(number * job.bucket_us, job.lo_us)
        hi_us = min((number + 1) * job.bucket_us, job.hi_us)
        source = f"SELECT point, ts, value, quality, recv FROM {job.kind}_warm"  # noqa: S608
        if old is not None:
            source += " UNION ALL SELECT point, ts, value, quality, recv FROM old"
        bucket = cursor.sql(
            f"SELECT * FROM ({source}) WHERE ts >= make_timestamptz({lo_us}::BIGINT)"  # noqa: S608
            f" AND ts < make_timestamptz({hi_us}::BIGINT) ORDER BY point, ts, recv"
        ).to_arrow_table()
        frames.bucket(lo_us, hi_us, bucket)
        yield bucket


def _swap(cursor: duckdb.DuckDBPyConnection, job: Job, file: ColdFile) -> None:
    cursor.execute(
        f"DELETE FROM {job.kind}_warm WHERE ts >= make_timestamptz(?::BIGINT)"  # noqa: S608
        " AND ts < make_timestamptz(?::BIGINT)",
        [job.lo_us, job.hi_us],
    )
    if job.joins:
        cursor.execute("DELETE FROM cold_files WHERE id IN (SELECT unnest(?))", [[old.id for old in job.joins]])
    cursor.execute(
        "INSERT INTO cold_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
        [
            file.id, file.kind, file.file, file.lo_us, file.hi_us, file.bucket_us, file.row_count, file.bytes,
            file.sha256,
        ],
    )  # fmt: skip


def _undo(cursor: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return  # the instance is dead and the outcome unknown: the next start removes what the manifest lacks
    if path is not None:
        path.unlink(missing_ok=True)
        path.with_suffix(".new").unlink(missing_ok=True)


def _floor(step_us: int) -> str:
    return f"(epoch_us(ts) + {EPOCH_US}) // {step_us} - {EPOCH_US // step_us}"


def _path(job: Job, number: int) -> Path:
    start = np.datetime64(job.lo_us, "us").astype("datetime64[m]")
    name = str(start).replace(":", "").replace("-", "")
    return Path(COLD) / job.kind / f"{name}-{number:08d}.parquet"


def _bucket(slot: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
    """The longest bucket whose fullest one the state of a moment can afford to read."""
    for bucket_us in reversed(BUCKETS_US):
        number = slot * SLOT_US // bucket_us
        starts = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
        share = min(1.0, bucket_us / SLOT_US)  # of a slot, whose rows are taken to come evenly
        if np.add.reduceat(rows, starts).max() * share <= BUCKET_ROWS_MAX:
            return bucket_us
    return BUCKETS_US[0]
