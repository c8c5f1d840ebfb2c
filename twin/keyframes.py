"""The state of every point at the start of each cold bucket, so that no question has to look further back.

Keyframes live in the database and change in the transaction that moves the rows. Those of a new file roll forward
from bucket to bucket; those that exist already and lie after its rows are patched where the rows are newer.
"""

import duckdb
import numpy as np
import pyarrow as pa

from twin.asof import Candidates, moment, newest
from twin.cold import FILE_SCHEMAS, TS, ColdReader, manifest

__all__ = ["Roller"]


class Roller:
    """Collects the keyframes of one new file, bucket by bucket; `write` puts them into the caller's transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, reader: ColdReader, kind: str, lo_us: int) -> None:
        self._cursor, self._reader, self._kind = cursor, reader, kind
        self._alone = not manifest(cursor, kind, lo_us)  # no other file has rows that belong between
        self._made: list[tuple[int, Candidates]] = []
        self._last = newest([])  # of the last bucket, the last row of every point
        self.lasts = newest([])  # of all buckets
        self._first_us, self._end_us = 2**63 - 1, -(2**63)
        sql = "SELECT DISTINCT at_us FROM keyframes WHERE kind = ? AND at_us >= ? ORDER BY 1"
        found = cursor.execute(sql, [kind, lo_us])
        self._existing = [at_us for (at_us,) in found.fetchall()]

    def bucket(self, lo_us: int, hi_us: int, rows: pa.Table) -> None:
        """A bucket that starts at `lo_us`, its rows sorted by point and time."""
        if lo_us not in self._existing:
            if self._made and self._alone:
                state = newest([self._made[-1][1], self._last])
            else:
                state = moment(self._cursor, self._reader, self._kind, lo_us - 1)
            self._made.append((lo_us, state))
        self._last = _lasts(rows)
        self.lasts = newest([self.lasts, self._last])
        self._first_us, self._end_us = min(self._first_us, lo_us), hi_us

    def write(self) -> None:
        """Insert the new keyframes and mend the existing ones; the manifest has the new file by now."""
        for at_us, state in self._made:
            self._insert(at_us, state)
        for at_us in self._existing:
            if self._first_us < at_us < self._end_us:
                state = moment(self._cursor, self._reader, self._kind, at_us - 1)
                self._cursor.execute("DELETE FROM keyframes WHERE kind = ? AND at_us = ?", [self._kind, at_us])
                self._insert(at_us, state)
            elif at_us >= self._end_us and not self._patch(at_us, self.lasts):
                break  # this and every later keyframe has something newer for each of these points

    def _patch(self, at_us: int, late: Candidates) -> bool:
        found = self._cursor.execute(
            "SELECT point, epoch_us(ts) AS ts, epoch_us(recv) AS recv FROM keyframes WHERE kind = ? AND at_us = ?",
            [self._kind, at_us],
        ).fetchnumpy()
        size = int(max(late.point.max(initial=0), found["point"].max(initial=0))) + 1
        ts, recv = np.full(size, np.iinfo(np.int64).min), np.full(size, np.iinfo(np.int64).min)
        ts[found["point"]], recv[found["point"]] = found["ts"], found["recv"]
        theirs = ts[late.point]
        newer = (late.ts_us > theirs) | ((late.ts_us == theirs) & (late.recv_us > recv[late.point]))
        if not newer.any():
            return False
        late = Candidates(*(column[newer] for column in late))
        replaced = pa.table({"id": late.point})  # not `points`: a table of the database has that name
        assert replaced.num_rows
        self._cursor.execute(
            "DELETE FROM keyframes WHERE kind = ? AND at_us = ? AND point IN (SELECT replaced.id FROM replaced)",
            [self._kind, at_us],
        )
        self._insert(at_us, late)
        return True

    def _insert(self, at_us: int, state: Candidates) -> None:
        if not len(state.point):  # the moment before all data: an empty keyframe is one that is not there
            return
        value = pa.array(state.value, FILE_SCHEMAS[self._kind].field("value").type)
        frame = pa.table(
            {
                "point": state.point,
                "ts": pa.array(state.ts_us).view(TS),
                "value" if self._kind == "readings" else "text": value,
                "quality": state.quality,
                "recv": pa.array(state.recv_us).view(TS),
            }
        )
        assert frame.num_rows
        self._cursor.execute(
            "INSERT INTO keyframes BY NAME SELECT ? AS kind, ?::BIGINT AS at_us, * FROM frame", [self._kind, at_us]
        )


def _lasts(rows: pa.Table) -> Candidates:
    """The last row of every point of a sorted bucket."""
    point = rows.column("point").to_numpy()
    last = np.flatnonzero(np.append(point[1:] != point[:-1], True)) if len(point) else np.empty(0, np.intp)
    kept = rows.take(pa.array(last))
    return Candidates(
        point[last],
        kept.column("ts").cast(pa.int64()).to_numpy(),
        kept.column("value").to_numpy(zero_copy_only=False) if len(last) else np.empty(0, object),
        kept.column("quality").to_numpy(),
        kept.column("recv").cast(pa.int64()).to_numpy(),
    )
