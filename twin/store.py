"""The store: warm rows in DuckDB, cold rows in Parquet, latest values in memory; one writer, many readers."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twin import asof, backup, compaction, history, ledger, quarantine, views
from twin.cold import COLD, KINDS, ColdFile, ColdReader, manifest
from twin.database import Database
from twin.hot import HotFrames
from twin.points import PointTable
from twin.retention import Policies, Retention
from twin.rows import TS_US_MAX
from twin.state import NO_TIME, LiveState, StateTable
from twin.writer import Writer
from wire.clock import Clock, SystemClock
from wire.limits import TIME_AHEAD_S_MAX

__all__ = ["Store"]

DROPPED_KEPT_S = 300.0  # a file that compaction replaced stays so long for readers that still use it
TABLES_PERIOD_US = 3_600_000_000  # between two looks of retention at events, poses, gaps and keyframes
RECENT_ROWS_MAX = 5_000_000  # of one snapshot for users' SQL: 150 MB


class Store:
    """All that the twin keeps. A context manager; reading methods may be called from any thread.

    `state` and `points` mirror the database in memory. Every read runs in one transaction of a cursor of its own,
    so it sees each row once, however compaction moves it meanwhile. `missing` names cold files that somebody removed.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        site: str,
        clock: Clock | None = None,
        policies: Policies | None = None,
        **settings: Any,
    ) -> None:
        self.data_dir, self.site, self.clock = Path(data_dir).resolve(), site, clock or SystemClock()
        self.database = Database(self.data_dir, settings=settings)
        self.writer = Writer(self.database)
        self.points = PointTable()
        self.state = LiveState()
        self.hot = {kind: HotFrames(kind, self.state, self.clock) for kind in KINDS}
        self.missing: list[str] = []
        self._reader = ColdReader(self.data_dir)
        self._retention = Retention(self._reader, self.data_dir, policies or Policies())
        self._compacting = threading.Lock()
        self._dropped: list[tuple[float, Path]] = []
        self._warm_cuts_us: dict[str, int] = {}
        self._tables_us = 0  # when retention looked at tables last
        self._stack = ExitStack()

    @classmethod
    def open(cls, data_dir: Path, *, site: str, clock: Clock | None = None, **options: Any) -> "Store":
        """A store in this folder, made on first use; enter it. StoreLockedError when another twin has it."""
        return cls(data_dir, site=site, clock=clock, **options)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            connection = stack.enter_context(self.database).connection
            connection.execute("BEGIN")
            ledger.merge(connection, self.site)
            views.refresh(connection, self.data_dir)
            connection.execute("COMMIT")
            self.missing = views.missing_files(connection, self.data_dir)
            self._reader.missing = frozenset(self.missing)
            self._report(connection)
            self._remove_orphans(connection)
            stack.callback(self._reader.close)
            self._reader.warm(manifest(connection))
            self._mirror()
            self.writer.on_doubt.append(self._mirror)
            stack.enter_context(self.writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for entry in self._dropped:  # nobody reads them any more
            entry[1].unlink(missing_ok=True)

    # Reading

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one reader in one thread; close it."""
        return self.database.cursor()

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees one moment of the database until the block ends."""
        with self.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")

    def history(
        self,
        point_ids: Sequence[int],
        start_us: int,
        end_us: int,
        *,
        width: int | None = None,
        agg: history.Agg = "minmax",
        known_at_us: int | None = None,
    ) -> list[history.Series]:
        """The past of points, in the order asked: raw, or downsampled to `width` buckets (see `twin.history`)."""
        found: dict[int, history.Series] = {}
        with self.snapshot() as cursor:
            for kind, ids in self._by_kind(point_ids).items():
                found |= history.read(cursor, self._reader, kind, ids, start_us, end_us, known_at_us, mean=agg == "avg")
        return [history.downsample(found[point], start_us, end_us, width, agg) for point in point_ids]

    def count_rows(self, point_ids: Sequence[int], start_us: int, end_us: int, *, enough: int) -> int:
        """How many rows points have in a range: a quick upper bound if that is at most `enough`, else exactly."""
        with self.snapshot() as cursor:
            return sum(history.count(cursor, self._reader, kind, point_ids, start_us, end_us, enough) for kind in KINDS)

    def state_at(
        self, at_us: int, *, known_at_us: int | None = None, point_ids: Sequence[int] | None = None
    ) -> StateTable:
        """The last value of every point at or before a moment, as far as it was known at `known_at_us`."""
        wanted = None if point_ids is None else np.unique(np.asarray(point_ids, np.uint32))
        soon_us = self.clock.wall_us() + TIME_AHEAD_S_MAX * 1_000_000
        if known_at_us is None and self.state.exact and self.state.time_us_max <= at_us <= soon_us:
            return self.state.snapshot(wanted)
        table, _ = self._moment(at_us, known_at_us)
        if wanted is not None:
            table = table.take(np.isin(table.point, wanted))
        return table

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
        """Events of a time range, newest first; times as `ts_us`."""
        with self.cursor() as cursor:
            found = cursor.execute(
                "SELECT epoch_us(ts) AS ts_us, node, device, kind, severity, point, message, detail FROM events"
                " WHERE ts >= make_timestamptz(?::BIGINT) AND ts < make_timestamptz(?::BIGINT)"
                " ORDER BY ts DESC, recv DESC LIMIT ?",
                [start_us, end_us, limit],
            )
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def counts(self) -> dict[str, int]:
        """Rows kept: `readings`, `states`, `events`, `poses`, `points`, `devices`, `nodes`, `gaps`, `quarantine`."""
        with self.snapshot() as cursor:
            tables = ("readings_warm", "states_warm", "events", "poses", "gaps", "quarantine")
            sums = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
            row = cursor.execute(f"SELECT {sums}").fetchone()
            assert row is not None
            found = {table.removesuffix("_warm"): n for table, n in zip(tables, row, strict=True)}
            for file in manifest(cursor):
                found[file.kind] = found.get(file.kind, 0) + file.row_count
        rows = self.points.all()
        found["points"], found["devices"] = len(rows), len({(row.node, row.device) for row in rows})
        found["nodes"] = len({row.node for row in rows})
        return found

    def time_span(self) -> tuple[int, int] | None:
        """First and last time (µs) of any reading or state; None when there is none."""
        with self.snapshot() as cursor:
            files = [file for file in manifest(cursor) if file.file not in self.missing]
            ends = []
            for kind in KINDS:
                sql = f"SELECT epoch_us(min(ts)), epoch_us(max(ts)) FROM {kind}_warm"  # noqa: S608
                ends += [row for row in cursor.execute(sql).fetchall() if row[0] is not None]
        for file in files:  # by start; only those that can widen the span are looked into
            if not ends or file.lo_us < min(lo for lo, _ in ends):
                ends.append(self._reader.extent_us(file))
        for file in sorted(files, key=lambda file: file.hi_us, reverse=True):
            if file.hi_us > max(hi for _, hi in ends):
                ends.append(self._reader.extent_us(file))
        if not ends:
            return None
        return min(lo for lo, _ in ends), max(hi for _, hi in ends)

    def recent(self, kind: str = "readings") -> tuple[pa.Table, list[Path]]:
        """For users' SQL: the warm rows (the newest RECENT_ROWS_MAX) and the cold files, of one moment."""
        with self.snapshot() as cursor:
            files = [self.data_dir / file.file for file in manifest(cursor, kind)]
            row = cursor.execute(f"SELECT count(*) FROM {kind}_warm").fetchone()  # noqa: S608
            skip = max(0, (row[0] if row else 0) - RECENT_ROWS_MAX)
            table = cursor.sql(
                f"SELECT point, ts, value, quality, recv FROM {kind}_warm OFFSET {skip}"  # noqa: S608
            ).to_arrow_table()
        return table, [path for path in files if path.exists()]

    def cold_files(self, kind: str = "readings") -> list[Path]:
        """The Parquet files that count."""
        with self.cursor() as cursor:
            return [self.data_dir / file.file for file in manifest(cursor, kind)]

    # Tending

    def tend(self) -> None:
        """What is to be done every minute: compaction, retention, removal of files nobody reads any more."""
        self.compact()
        self.apply_retention(self.clock.wall_us())
        self._unlink()

    def keep_hot(self) -> int:
        """What is to be done every second: keep the state of moments of the last minutes at hand."""
        return sum(frames.extend(self.snapshot, self._reader) for frames in self.hot.values())

    def compact(self, *, force: bool = False) -> list[ColdFile]:
        """Move closed spans of warm rows into cold files; with `force` all of them, and join small files."""
        made: list[ColdFile] = []
        with self._compacting, self.cursor() as cursor:
            for kind in KINDS:
                warm = compaction.slots(cursor, kind)
                for job in compaction.plan(kind, warm, self.clock.wall_us(), force=force):
                    made += self._compact(cursor, job)
                if force:
                    for job in compaction.plan_joins(kind, manifest(cursor, kind)):
                        made += self._compact(cursor, job)
        return made

    def apply_retention(self, now_us: int) -> int:
        """Drop or roll up what the policies no longer keep; returns how many files were dropped."""
        points = self.points.all()
        with self._compacting, self.cursor() as cursor:
            for kind in KINDS:
                cut_us = self._retention.warm_cut_us(kind, points, now_us)
                if cut_us is not None and cut_us > self._warm_cuts_us.get(kind, NO_TIME):
                    for job in compaction.plan_before(kind, compaction.slots(cursor, kind), cut_us):
                        self._compact(cursor, job)
                    self._warm_cuts_us[kind] = cut_us
            dropped = self._retention.apply(cursor, points, now_us, self._refresh)
            if abs(now_us - self._tables_us) >= TABLES_PERIOD_US:
                self._retention.apply_to_tables(cursor, now_us)
                self._tables_us = now_us
        self._drop(dropped)
        return len(dropped)

    def backup(self, target: Path) -> backup.Summary:
        """A consistent copy into a new folder while everything goes on."""
        with self._compacting:
            return backup.backup(self, target)

    def _compact(self, cursor: duckdb.DuckDBPyConnection, job: compaction.Job) -> list[ColdFile]:
        def moved(connection: duckdb.DuckDBPyConnection, lasts: asof.Candidates) -> None:
            self.hot[job.kind].moved(job.lo_us, job.hi_us, lasts)
            self._refresh(connection)

        file = compaction.run(cursor, self._reader, self.data_dir, job, moved)
        self._drop(list(job.joins))
        return [file] if file else []

    def _refresh(self, connection: duckdb.DuckDBPyConnection) -> None:
        views.refresh(connection, self.data_dir)

    def _drop(self, files: Sequence[ColdFile]) -> None:
        now_s = self.clock.monotonic_s()
        self._dropped += [(now_s, self.data_dir / file.file) for file in files]

    def _unlink(self) -> None:
        ripe_s = self.clock.monotonic_s() - DROPPED_KEPT_S
        for _, path in [entry for entry in self._dropped if entry[0] <= ripe_s]:
            path.unlink(missing_ok=True)
        self._dropped = [entry for entry in self._dropped if entry[0] > ripe_s]

    def _report(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise an event for what was found broken at this start."""
        found = [("store.file_missing", f"the cold file {name} is gone") for name in self.missing]
        if wal := self.database.broken_wal:
            found.append(("store.log_broken", f"the write-ahead log could not be replayed; it is kept as {wal}"))
        for kind, message in found:
            connection.execute(
                "INSERT INTO events SELECT '', make_timestamptz($us::BIGINT), 'twin', $kind, 3, NULL, $message, '{}',"
                " make_timestamptz($us::BIGINT)",
                {"us": self.clock.wall_us(), "kind": kind, "message": message},
            )

    def _remove_orphans(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Files that no committed transaction lists: a compaction that died, or a newer past before a restore."""
        listed = {self.data_dir / file.file for file in manifest(connection)}
        for path in (self.data_dir / COLD).rglob("*.*"):
            if path not in listed:
                path.unlink()

    def _mirror(self) -> None:
        """Read points and latest values; what is stamped more than a day ahead cannot be a latest value."""
        self.points.load(self.database.connection)
        at_us = self.clock.wall_us() + TIME_AHEAD_S_MAX * 1_000_000
        self.state.load(*self._moment(at_us, None, states_too=True))

    def _moment(
        self, at_us: int, known_at_us: int | None, *, states_too: bool = False
    ) -> tuple[StateTable, NDArray[np.int64]]:
        at_us = min(at_us, TS_US_MAX)
        with self.snapshot() as cursor:
            readings = self._kind_moment(cursor, "readings", at_us, known_at_us)
            states = asof.newest([])
            if states_too or self.state.has_text:
                states = self._kind_moment(cursor, "states", at_us, known_at_us)
        return asof.join_states(readings, states)

    def _kind_moment(
        self, cursor: duckdb.DuckDBPyConnection, kind: str, at_us: int, known_at_us: int | None
    ) -> asof.Candidates:
        return asof.moment(cursor, self._reader, kind, at_us, known_at_us, hot=self.hot[kind].before)

    def _by_kind(self, point_ids: Sequence[int]) -> dict[str, list[int]]:
        """Points by the kind of file that their rows are in; what is unknown has none and is looked for anyway."""
        found: dict[str, list[int]] = {}
        for point in point_ids:
            row = self.points.by_id.get(point)
            found.setdefault("states" if row is not None and row.kind == "state" else "readings", []).append(point)
        return found
