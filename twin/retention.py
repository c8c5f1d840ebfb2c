"""How long rows stay: raw, then minutes, then hours, by class of point. Whole files change, in one transaction each.

A rollup row stands for the usable readings of one point in one minute or hour: `value` (mean), `low`, `high`, `n`.
At any time a reading is in exactly one of raw, minutes and hours. Rows that compaction has not moved yet are moved
first (`warm_cut_us` says up to when). Events, poses and gaps go by their own days. Keyframes stay while any row of
their bucket does; after `keyframe_days` one a day is left, so the state of any moment is known to within a day.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from twin.cold import COLD, ColdFile, ColdReader, manifest, write_file
from twin.points import PointRow
from wire.quality import UNUSABLE

__all__ = ["Policies", "Policy", "Retention"]

DAY_US = 86_400_000_000
_NEXT = {"readings": "minutes", "minutes": "hours", "hours": None, "states": None}
_ROLL = """
    SELECT point, time_bucket(INTERVAL {step}, ts) AS ts, sum(value * n) / sum(n) AS value,
        0::UTINYINT AS quality, max(recv) AS recv, min(low) AS low, max(high) AS high, sum(n)::UBIGINT AS n
    FROM ({source}) WHERE quality & {unusable} = 0 GROUP BY ALL ORDER BY point, ts
"""
_SOURCE = {
    "readings": "SELECT point, ts, value, quality, recv, value AS low, value AS high, 1 AS n FROM old",
    "minutes": "FROM old",
}
_Days = Annotated[float, Meta(gt=0)] | None
_STEP = {"minutes": "1 minute", "hours": "1 hour"}


_THIN = """
    at_us < {cut_us} AND (kind, at_us) NOT IN (
        SELECT (kind, min(at_us)) FROM keyframes WHERE at_us < {cut_us} GROUP BY kind, floor(at_us / {day_us})
    ) AND NOT EXISTS (
        FROM cold_files f WHERE f.kind = keyframes.kind AND f.lo_us <= at_us AND f.hi_us > at_us
    )
"""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days to keep; None means for ever. What is no longer kept raw becomes minutes, and those become hours."""

    raw_days: _Days = None
    minute_days: _Days = None
    hour_days: _Days = None

    def days(self, kind: str) -> float | None:
        """How long rows of a kind of file stay."""
        return {"minutes": self.minute_days, "hours": self.hour_days}.get(kind, self.raw_days)


class Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy of each class of point, and of all others; and of what is no reading. By default all stays."""

    default: Policy = msgspec.field(default_factory=Policy)  # a shared instance would leak the module at exit
    by_class: dict[str, Policy] = {}
    event_days: _Days = None
    pose_days: _Days = None
    flight_days: _Days = None  # flights with their tracks and photos; see twin/drones_retention.py
    scan_days: _Days = None  # clouds and evidence of scans; what they say of elements stays
    upload_days: _Days = None  # the files that people sent; what was found in them stays
    gap_days: _Days = None
    keyframe_days: Annotated[float, Meta(gt=0)] = 30.0

    def of(self, point_class: str) -> Policy:
        """The policy of one class."""
        return self.by_class.get(point_class, self.default)


class Retention:
    """Applies the policies to cold files; remembers what it has looked at, so that each file is read once a change."""

    def __init__(self, reader: ColdReader, folder: Path, policies: Policies) -> None:
        self._reader, self._folder, self._policies = reader, folder, policies
        self._done: dict[int, int] = {}  # file id → how many points had expired when it was last read

    def apply(
        self,
        cursor: duckdb.DuckDBPyConnection,
        points: Sequence[PointRow],
        now_us: int,
        refresh: Callable[[duckdb.DuckDBPyConnection], None],
    ) -> list[ColdFile]:
        """Drop or roll up what is older than its policy; returns the files that no longer count."""
        dropped: list[ColdFile] = []
        grouped: dict[str, list[int]] = {}
        for point in points:
            grouped.setdefault(point.point_class, []).append(point.id)
        classes = {name: np.array(ids, np.uint32) for name, ids in grouped.items()}
        todo = manifest(cursor)
        while todo:  # what was rolled up may be too old for that as well
            before = len(dropped)
            for file in todo:
                expired = self._expired(file, classes, now_us)
                if self._done.get(file.id, 0) == len(expired):
                    continue
                if self._replace(cursor, file, expired, refresh):
                    dropped.append(file)
                else:
                    self._done[file.id] = len(expired)
            todo = manifest(cursor) if len(dropped) > before else []
        return dropped

    def warm_cut_us(self, kind: str, points: Sequence[PointRow], now_us: int) -> int | None:
        """Up to when warm rows are to be moved into files, for those to be dropped or rolled up; None: none are.

        It advances by a tenth of the shortest policy, by a day at least: so a file a day at most is made for it.
        """
        classes = {point.point_class for point in points}
        limits = [days for name in classes if (days := self._policies.of(name).days(kind)) is not None]
        if not limits:
            return None
        step_us = max(1, int(min(limits) / 10)) * DAY_US
        return int(now_us - min(limits) * DAY_US) // step_us * step_us

    def apply_to_tables(self, cursor: duckdb.DuckDBPyConnection, now_us: int) -> dict[str, int]:
        """Drop old events, poses, gaps and keyframes; returns how many rows of each.

        The days of a row count from when it happened or when it arrived, whichever was later.
        """
        days = {"events": self._policies.event_days, "poses": self._policies.pose_days, "gaps": self._policies.gap_days}
        gone = {}
        for table, kept in days.items():
            if kept is not None:
                newest = "recv" if table == "gaps" else "greatest(ts, recv)"
                where = f"{newest} < make_timestamptz({int(now_us - kept * DAY_US)}::BIGINT)"
                gone[table] = _delete(cursor, table, where)
        cut_us = int(now_us - self._policies.keyframe_days * DAY_US)
        gone["keyframes"] = _delete(cursor, "keyframes", _THIN.format(cut_us=cut_us, day_us=DAY_US))
        return gone

    def _expired(self, file: ColdFile, classes: Mapping[str, NDArray[np.uint32]], now_us: int) -> NDArray[np.uint32]:
        gone = [np.empty(0, np.uint32)]
        for name, ids in classes.items():
            days = self._policies.of(name).days(file.kind)
            if days is not None and file.hi_us <= now_us - days * DAY_US:
                gone.append(ids)
        return np.concatenate(gone)

    def _replace(
        self,
        cursor: duckdb.DuckDBPyConnection,
        file: ColdFile,
        expired: NDArray[np.uint32],
        refresh: Callable[[duckdb.DuckDBPyConnection], None],
    ) -> bool:
        """Put what stays of a file, and the rollup of what goes, in its place; False when nothing of it goes."""
        table = self._reader.table(file)
        goes = np.isin(table.column("point").to_numpy(), expired)
        if not goes.any():
            return False
        cursor.execute("BEGIN")
        made: list[Path] = []
        try:
            cursor.execute("DELETE FROM cold_files WHERE id = ?", [file.id])
            if not goes.all():
                made.append(self._write(cursor, file, file.kind, table.filter(pa.array(~goes))))
            if kind := _NEXT[file.kind]:
                old = table.filter(pa.array(goes))
                assert old.num_rows
                sql = _ROLL.format(step=_STEP[kind], source=_SOURCE[file.kind], unusable=UNUSABLE)
                rolled = cursor.sql(sql).to_arrow_table()
                if rolled.num_rows:
                    made.append(self._write(cursor, file, kind, rolled))
            refresh(cursor)
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            for path in made:
                path.unlink(missing_ok=True)
            raise
        return True

    def _write(self, cursor: duckdb.DuckDBPyConnection, file: ColdFile, kind: str, table: pa.Table) -> Path:
        number = cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM cold_files").fetchone()
        assert number is not None
        identity = max(number[0], file.id + 1)
        name = Path(COLD) / kind / f"{Path(file.file).name.split('-')[0]}-{identity:08d}.parquet"
        rows, size, digest = write_file(self._folder / name, kind, [table])
        cursor.execute(
            "INSERT INTO cold_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
            [identity, kind, str(name), file.lo_us, file.hi_us, file.bucket_us, rows, size, digest],
        )
        return self._folder / name


def _delete(cursor: duckdb.DuckDBPyConnection, table: str, where: str) -> int:
    """Delete in a transaction of its own, if there is anything to delete."""
    row = cursor.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()  # noqa: S608
    if row is None or not row[0]:
        return 0
    cursor.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608
    return int(row[0])
