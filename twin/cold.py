"""Cold rows: Parquet files sorted for both questions that are asked of them.

A file covers a span of time and is cut into buckets; within a bucket rows stand by (point, ts, recv), in row groups
of `GROUP_ROWS` that never cross a bucket. So one point's past touches one or two small groups of each bucket, and
the state of all points at a moment touches one bucket, whose start is described by a keyframe in the database.
Groups are chosen by what the files' footers say of them, which stays in memory (twin/footers.py).
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from twin.footers import FOOTERS_KEPT, GROUPS_KEY, Bounds, Footer, Footers

__all__ = ["COLD", "KINDS", "ColdFile", "ColdReader", "ColdRows", "FILE_SCHEMAS", "ROLLUPS", "manifest", "write_file"]

GROUP_ROWS = 8_192  # a group of one point's day at 15 s reads in 0.2 ms; the footer stays 50 B a thousand rows
COLD = "cold"
KINDS = ("readings", "states")
ROLLUPS = {"minutes": 60_000_000, "hours": 3_600_000_000}
TS = pa.timestamp("us", tz="UTC")


def _schema(value: pa.DataType, **more: pa.DataType) -> pa.Schema:
    fields = {"point": pa.uint32(), "ts": TS, "value": value, "quality": pa.uint8(), "recv": TS} | more
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields.items()])


_ROLLUP = _schema(pa.float64(), low=pa.float64(), high=pa.float64(), n=pa.uint64())
FILE_SCHEMAS = {
    "readings": _schema(pa.float64()),
    "states": _schema(pa.string()),
    "minutes": _ROLLUP,
    "hours": _ROLLUP,
}
_PLAIN = ("point", "ts", "value", "quality")


class ColdFile(msgspec.Struct, frozen=True):
    """One line of the manifest. `file` is relative to the data directory; times are half open."""

    id: int
    kind: str
    file: str
    lo_us: int
    hi_us: int
    bucket_us: int
    row_count: int
    bytes: int
    sha256: str


class ColdRows(NamedTuple):
    """Rows read back, in the order of the files; `value` holds float64 or text."""

    point: NDArray[np.uint32]
    ts_us: NDArray[np.int64]
    value: NDArray[Any]
    quality: NDArray[np.uint8]
    recv_us: NDArray[np.int64]


def manifest(
    connection: duckdb.DuckDBPyConnection,
    kind: str | None = None,
    lo_us: int = -(2**63),
    hi_us: int = 2**63 - 1,
) -> list[ColdFile]:
    """The files that count, by start, whose span touches `lo_us..hi_us`."""
    fields = ColdFile.__struct_fields__
    rows = connection.execute(
        f"SELECT {', '.join(fields)} FROM cold_files WHERE (kind = $kind OR $kind IS NULL)"  # noqa: S608
        " AND lo_us <= $hi AND hi_us > $lo ORDER BY lo_us, id",
        {"kind": kind, "lo": lo_us, "hi": hi_us},
    ).fetchall()
    return [ColdFile(*row) for row in rows]


def write_file(path: Path, kind: str, buckets: Iterable[pa.Table]) -> tuple[int, int, str]:
    """Write sorted buckets to a new file, durably; returns rows, bytes and SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new, rows, bounds = path.with_suffix(".new"), 0, Bounds(GROUP_ROWS)
    encodings = {"ts": "DELTA_BINARY_PACKED", "recv": "DELTA_BINARY_PACKED"}
    dictionaries = ["point", "quality", *(["value"] if kind == "states" else [])]
    with pq.ParquetWriter(
        new,
        FILE_SCHEMAS[kind],
        version="2.6",
        data_page_version="2.0",
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionaries,
        column_encoding=encodings,
    ) as writer:
        for bucket in buckets:
            rows += bucket.num_rows
            bounds.add(bucket)
            writer.write_table(bucket.cast(FILE_SCHEMAS[kind]), row_group_size=GROUP_ROWS)
        writer.add_key_value_metadata({GROUPS_KEY: bounds.text()})
    with new.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return rows, path.stat().st_size, digest


class ColdReader:
    """Reads rows of points or of moments from cold files; keeps footers. For any thread.

    `missing` are files known to be gone, which are passed over; any other that cannot be read raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.missing: frozenset[str] = frozenset()
        self._footers = Footers(folder)
        self._pool = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="cold reader")

    def close(self) -> None:
        """Stop the reading threads."""
        self._pool.shutdown(cancel_futures=True)

    def warm(self, files: Sequence[ColdFile]) -> None:
        """Read the footers of the newest files in the background, so that the first question need not."""
        for file in sorted(self._present(files), key=lambda file: file.hi_us, reverse=True)[:FOOTERS_KEPT]:
            self._pool.submit(self._footers.of, file.file)

    def points(
        self,
        files: Sequence[ColdFile],
        points: NDArray[np.uint32],
        start_us: int,
        end_us: int,
        *,
        recv: bool = False,
    ) -> list[ColdRows]:
        """Rows of these points (ascending) in `start_us <= ts < end_us`, a part a file; `recv` only if asked."""

        def read(file: ColdFile) -> ColdRows | None:
            found = self._of_points(file, points, start_us, end_us, (*_PLAIN, "recv") if recv else _PLAIN)
            return _rows(*found, recv) if found else None

        return [rows for rows in self._pool.map(read, self._present(files)) if rows is not None and len(rows.point)]

    def rollups(
        self, files: Sequence[ColdFile], points: NDArray[np.uint32], start_us: int, end_us: int, *, mean: bool
    ) -> list[ColdRows]:
        """What is left of older readings: their means, or the lowest and the highest of each step."""
        parts = []
        for file in self._present(files):
            found = self._of_points(file, points, start_us, end_us, (*_PLAIN, "low", "high"))
            if found is None:
                continue
            kept = found[0].take(pa.array(found[1]))
            columns = ("value",) if mean else ("low", "high")
            for at, name in enumerate(columns):
                ts = _micros(kept, "ts") + at * ROLLUPS[file.kind] // 2
                nothing = np.zeros(kept.num_rows, np.int64)
                parts.append(ColdRows(_numpy(kept, "point"), ts, _numpy(kept, name), _numpy(kept, "quality"), nothing))
        return parts

    def count(
        self, files: Sequence[ColdFile], points: NDArray[np.uint32], start_us: int, end_us: int, enough: int
    ) -> int:
        """How many rows these points have: a quick upper bound when that is at most `enough`, else exactly."""
        chosen = [
            (file, self._chosen(self._footers.of(file.file), points, start_us, end_us)) for file in self._present(files)
        ]
        bound = sum(int(groups.sum()) for _, groups in chosen) * GROUP_ROWS
        if bound <= enough:
            return bound
        found = (self._of_points(file, points, start_us, end_us, ("point", "ts")) for file, _ in chosen)
        return sum(len(rows) for _, rows in filter(None, found))

    def extent_us(self, file: ColdFile) -> tuple[int, int]:
        """First and last time in a file."""
        footer = self._footers.of(file.file)
        return int(footer.ts_min.min()), int(footer.ts_max.max())

    def latest(
        self, files: Sequence[ColdFile], lo_us: int, at_us: int, *, known_at_us: int | None = None
    ) -> list[ColdRows]:
        """The last row of every point in `lo_us <= ts <= at_us`, a part a bucket; later parts do not always win."""

        def read(job: tuple[ColdFile, NDArray[np.bool_]]) -> ColdRows | None:
            file, groups = job
            table = self._groups(file, self._footers.of(file.file), groups, (*_PLAIN, "recv"))
            if table is None:
                return None
            point, ts = _numpy(table, "point"), _micros(table, "ts")
            inside = (ts >= lo_us) & (ts <= at_us)
            if known_at_us is not None:
                inside &= _micros(table, "recv") <= known_at_us
            rows = np.flatnonzero(inside)
            kept = point[rows]
            return _rows(table, rows[np.append(kept[1:] != kept[:-1], True)] if len(rows) else rows, True)

        jobs = []
        for file in self._present(files):
            footer = self._footers.of(file.file)
            touched = (footer.ts_max >= lo_us) & (footer.ts_min <= at_us)
            halves = np.array_split(np.flatnonzero(touched), 2 if touched.sum() > 16 else 1)
            for half in halves:
                groups = np.zeros(len(touched), bool)
                groups[half] = True
                jobs.append((file, groups))
        return [rows for rows in self._pool.map(read, jobs) if rows is not None and len(rows.point)]

    def table(self, file: ColdFile) -> pa.Table:
        """A whole file."""
        return pq.read_table(self._folder / file.file, memory_map=True)

    def _present(self, files: Sequence[ColdFile]) -> list[ColdFile]:
        return [file for file in files if file.file not in self.missing]

    def _of_points(
        self,
        file: ColdFile,
        points: NDArray[np.uint32],
        start_us: int,
        end_us: int,
        columns: Sequence[str],
    ) -> tuple[pa.Table, NDArray[np.intp]] | None:
        """The groups that may hold these points in this range, and which of their rows do."""
        footer = self._footers.of(file.file)
        table = self._groups(file, footer, self._chosen(footer, points, start_us, end_us), columns)
        if table is None:
            return None
        point, ts = _numpy(table, "point"), _micros(table, "ts")
        mine = point == points[0] if len(points) == 1 else np.isin(point, points)
        return table, np.flatnonzero(mine & (ts >= start_us) & (ts < end_us))

    @staticmethod
    def _chosen(footer: Footer, points: NDArray[np.uint32], start_us: int, end_us: int) -> NDArray[np.bool_]:
        first = np.searchsorted(points, footer.point_min, side="left")
        last = np.searchsorted(points, footer.point_max, side="right")
        return (first < last) & (footer.ts_max >= start_us) & (footer.ts_min < end_us)

    def _groups(
        self, file: ColdFile, footer: Footer, groups: NDArray[np.bool_], columns: Sequence[str]
    ) -> pa.Table | None:
        chosen = np.flatnonzero(groups).tolist()
        if not chosen:
            return None
        with pq.ParquetFile(self._folder / file.file, metadata=footer.metadata, memory_map=True) as opened:
            return opened.read_row_groups(chosen, columns=list(columns), use_threads=False)


def _rows(table: pa.Table, rows: NDArray[np.int64], recv: bool) -> ColdRows:
    text = table.schema.field("value").type != pa.float64()
    if text:
        value = table.column("value").take(pa.array(rows)).to_numpy(zero_copy_only=False)
    else:
        value = _numpy(table, "value")[rows]
    recv_us = _micros(table, "recv")[rows] if recv else np.zeros(len(rows), np.int64)
    return ColdRows(
        _numpy(table, "point")[rows], _micros(table, "ts")[rows], value, _numpy(table, "quality")[rows], recv_us
    )


def _numpy(table: pa.Table, name: str) -> NDArray[Any]:
    column: NDArray[Any] = table.column(name).to_numpy()
    return column


def _micros(table: pa.Table, name: str) -> NDArray[np.int64]:
    return table.column(name).cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
