"""The past of points: every row of a range, or as many as a chart can show without hiding a peak."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxDownsampler

from twin.cold import ROLLUPS, ColdReader, ColdRows, manifest
from wire.quality import NOT_A_NUMBER, UNUSABLE

__all__ = ["Agg", "Series", "count", "downsample", "read"]

Agg = Literal["minmax", "avg", "raw"]


class Series(NamedTuple):
    """One point's past, by ascending time. `values` are float64, or str for a state."""

    point: int
    ts_us: NDArray[np.int64]
    values: NDArray[Any]
    quality: NDArray[np.uint8]
    source_rows: int
    downsampled: bool


def read(
    cursor: duckdb.DuckDBPyConnection,
    reader: ColdReader,
    kind: str,
    points: Sequence[int],
    start_us: int,
    end_us: int,
    known_at_us: int | None = None,
    *,
    mean: bool = False,
) -> dict[int, Series]:
    """All rows of these points with `start_us <= ts < end_us`; the caller holds a transaction open.

    Where retention has rolled readings up, their means (`mean`) or lows and highs stand for them.
    """
    ids = np.unique(np.asarray(points, np.uint32))
    parts = [_warm(cursor, kind, ids, start_us, end_us)]
    files = manifest(cursor, None, start_us, end_us - 1)
    raw = [file for file in files if file.kind == kind]
    parts += reader.points(raw, ids, start_us, end_us, recv=known_at_us is not None)
    if kind == "readings":
        rolled = [file for file in files if file.kind in ROLLUPS]
        parts += reader.rollups(rolled, ids, start_us, end_us, mean=mean)
    rows = ColdRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if known_at_us is not None:
        rows = _take(rows, rows.recv_us <= known_at_us)
    return {int(point): _series(int(point), rows, len(ids) == 1) for point in ids}


def count(
    cursor: duckdb.DuckDBPyConnection,
    reader: ColdReader,
    kind: str,
    points: Sequence[int],
    start_us: int,
    end_us: int,
    enough: int,
) -> int:
    """How many rows `read` would return: an upper bound if that is at most `enough`, else the number."""
    ids = np.unique(np.asarray(points, np.uint32))
    row = cursor.execute(
        f"SELECT count(*) FROM {kind}_warm WHERE point IN (SELECT unnest(?))"  # noqa: S608
        " AND ts >= make_timestamptz(?::BIGINT) AND ts < make_timestamptz(?::BIGINT)",
        [ids.tolist(), start_us, end_us],
    ).fetchone()
    warm = int(row[0]) if row else 0
    return warm + reader.count(manifest(cursor, kind, start_us, end_us - 1), ids, start_us, end_us, enough - warm)


def downsample(series: Series, start_us: int, end_us: int, width: int | None, agg: Agg) -> Series:
    """At most two rows (minmax) or one (avg, states) for each of `width` buckets; NaN and infinity are left out.

    The lowest and the highest value of every bucket are among the rows, at their own times.
    """
    if agg == "raw" or width is None:
        return series
    if series.values.dtype == object:
        return _thin_text(series, start_us, end_us, width)
    usable = (series.quality & (UNUSABLE if agg == "avg" else NOT_A_NUMBER)) == 0
    usable &= np.isfinite(series.values)
    rows = series if usable.all() else _chosen(series, np.flatnonzero(usable))
    if agg == "avg":
        return _average(rows, start_us, end_us, width)
    if len(rows.ts_us) <= 2 * width:
        return rows
    chosen = MinMaxDownsampler().downsample(  # type: ignore[no-untyped-call]
        rows.ts_us, np.ascontiguousarray(rows.values), n_out=2 * width
    )
    return _chosen(rows, np.asarray(chosen, np.intp))._replace(downsampled=True)


def _average(series: Series, start_us: int, end_us: int, width: int) -> Series:
    """Mean of each bucket, at the bucket's middle; empty buckets give no row."""
    if not len(series.ts_us):
        return series
    bucket = _bucket(series.ts_us, start_us, end_us, width)
    counts = np.bincount(bucket, minlength=width)
    sums = np.bincount(bucket, weights=series.values, minlength=width)
    filled = np.flatnonzero(counts)
    middle = start_us + ((2 * filled + 1) * ((end_us - start_us) / (2 * width))).astype(np.int64)
    mean = sums[filled] / counts[filled]
    return Series(series.point, middle, mean, np.zeros(len(filled), np.uint8), series.source_rows, True)


def _thin_text(series: Series, start_us: int, end_us: int, width: int) -> Series:
    """First the changes only; if those are still too many, the last state of each bucket."""
    if len(series.ts_us) <= 2 * width:
        return series
    value = series.values
    changes = np.flatnonzero(np.append(True, value[1:] != value[:-1]))
    if len(changes) > 2 * width:
        bucket = _bucket(series.ts_us, start_us, end_us, width)
        changes = np.flatnonzero(np.append(bucket[1:] != bucket[:-1], True))
    return _chosen(series, changes)._replace(downsampled=True)


def _bucket(ts_us: NDArray[np.int64], start_us: int, end_us: int, width: int) -> NDArray[np.intp]:
    share = (ts_us - start_us) / max(1, end_us - start_us)
    return (share * width).astype(np.intp).clip(0, width - 1)


def _chosen(series: Series, rows: NDArray[np.intp]) -> Series:
    return series._replace(ts_us=series.ts_us[rows], values=series.values[rows], quality=series.quality[rows])


def _series(point: int, rows: ColdRows, only: bool) -> Series:
    mine = rows if only else _take(rows, rows.point == point)
    ts = mine.ts_us
    if not (ts[1:] >= ts[:-1]).all():
        mine = _take(mine, np.lexsort((mine.recv_us, ts)))
    return Series(point, mine.ts_us, mine.value, mine.quality, len(ts), False)


def _warm(
    cursor: duckdb.DuckDBPyConnection, kind: str, ids: NDArray[np.uint32], start_us: int, end_us: int
) -> ColdRows:
    wanted = "point = ?" if len(ids) == 1 else "point IN (SELECT unnest(?))"
    found = cursor.execute(
        f"SELECT point, epoch_us(ts) AS ts, value, quality, epoch_us(recv) AS recv FROM {kind}_warm"  # noqa: S608
        f" WHERE {wanted} AND ts >= make_timestamptz(?::BIGINT) AND ts < make_timestamptz(?::BIGINT)",
        [int(ids[0]) if len(ids) == 1 else ids.tolist(), start_us, end_us],
    ).fetchnumpy()
    return ColdRows(found["point"], found["ts"], found["value"], found["quality"], found["recv"])


def _take(rows: ColdRows, which: NDArray[Any]) -> ColdRows:
    return ColdRows(*(column[which] for column in rows))
