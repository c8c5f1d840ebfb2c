"""Scores kept: as points `<metric>-score` of the same device, for charts, and as rows of the table `scores`, for SQL.

Kept is what is worth it: a stream gets its score point with the first score of one decade, and from then on what
changed by half a decade while it is not calm, with a heartbeat of a quarter of an hour.
"""

from collections.abc import Callable
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from twin.directory import Directory
from twin.points import Draft
from twin.rows import TS, insert_readings
from twin.scoring_rules import SCORE_CLASS
from twin.state import Rows
from twin.store import Store
from wire.catalogue import Point
from wire.limits import NAME_CHARS_MAX

__all__ = ["MADE_BY", "SUFFIX", "ScoreBook"]

SUFFIX: Final = "-score"
MADE_BY: Final = {"made_by": "twin"}  # meta of points that no agent declared
_NOTABLE, _CHANGE = 1.0, 0.5
_BEAT_US = 900_000_000
_KEEP_US = 90 * 86_400_000_000
_SWEEP_US = 86_400_000_000


class ScoreBook:
    """`keep` a table of `inference.runtime.SCORES`; used by one thread."""

    def __init__(self, store: Store, directory: Callable[[], Directory]) -> None:
        self._store, self._directory = store, directory
        self._last = np.zeros(1)
        self._last_us = np.zeros(1, np.int64)
        self._has = np.zeros(1, bool)  # the stream has a score point
        self._score_point = np.zeros(1, np.uint32)
        self._swept_us = 0
        self.kept = 0

    def keep(self, table: pa.RecordBatch) -> None:
        """Write what is worth it in one transaction of the writer; returns at once."""
        chosen = self._choose(table)
        if chosen is None:
            return
        views = self._directory().by_id
        points = table["point"].to_numpy(zero_copy_only=False)[chosen]
        known = np.array([point in views for point in points.tolist()], bool)
        rows = table.take(pa.array(chosen[known]))
        if not rows.num_rows:
            return
        store, clock = self._store, self._store.clock

        def work(connection: duckdb.DuckDBPyConnection) -> tuple[Draft, Rows]:
            draft = store.points.draft(store.site)
            ids = self._place(draft, rows["point"].to_numpy(zero_copy_only=False))
            recv_us = clock.wall_us()
            ts_us = rows["ts"].view("int64").to_numpy(zero_copy_only=False)
            made = Rows(ids, ts_us, rows["score"].to_numpy(zero_copy_only=False), np.zeros(len(ids), np.uint8), recv_us)
            store.state.arriving(recv_us)
            draft.write(connection)
            insert_readings(connection, made)
            _insert_scores(connection, rows)
            if recv_us - self._swept_us > _SWEEP_US:
                self._swept_us = recv_us
                connection.execute("DELETE FROM scores WHERE ts < make_timestamptz(?::BIGINT)", [recv_us - _KEEP_US])
            return draft, made

        def committed(done: tuple[Draft, Rows]) -> None:
            draft, made = done
            if draft.rows:
                store.points.take(draft.rows)
            store.state.update(made)
            self.kept += len(made.point)

        store.writer.submit(work, then=committed)

    def _choose(self, table: pa.RecordBatch) -> NDArray[np.intp] | None:
        """Rows to keep, in the order of time."""
        if not table.num_rows:
            return None
        points = table["point"].to_numpy(zero_copy_only=False)
        score = table["score"].to_numpy(zero_copy_only=False)
        ts_us = table["ts"].view("int64").to_numpy(zero_copy_only=False)
        alarm = table["alarm"].to_numpy(zero_copy_only=False)
        self._grow(int(points.max()))
        stirred = np.maximum(score, self._last[points]) >= _NOTABLE
        worth = stirred & (~self._has[points] | (np.abs(score - self._last[points]) >= _CHANGE))
        worth |= alarm & ~self._has[points]
        due = self._has[points] & (self._last[points] >= _NOTABLE) & (ts_us - self._last_us[points] >= _BEAT_US)
        chosen = np.flatnonzero(worth | due | _explained(table))
        self._last[points[chosen]], self._last_us[points[chosen]] = score[chosen], ts_us[chosen]
        self._has[points[chosen]] = True
        return chosen if len(chosen) else None

    def _place(self, draft: Draft, points: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Ids of the score points of these points, made where there are none; in the writer's thread."""
        for point in np.unique(points[self._score_point[points] == 0]).tolist():
            row = self._store.points.by_id[point]
            metric = row.metric[: NAME_CHARS_MAX - len(SUFFIX)] + SUFFIX
            made = Point(
                id=0, device=row.device, metric=metric, unit="1", point_class=SCORE_CLASS, label=f"{row.label} score".strip(),
                element_hint=row.element_hint, space_hint=row.space_hint, meta=dict(MADE_BY),
            )  # fmt: skip
            found = draft.enter(row.node, [made], newest=False)
            self._score_point[point] = int(found.to_global(np.zeros(1, np.uint32))[0])
        ids: NDArray[np.uint32] = self._score_point[points]
        return ids

    def _grow(self, top: int) -> None:
        if top < len(self._last):
            return
        for name in ("_last", "_last_us", "_has", "_score_point"):
            old = getattr(self, name)
            new: NDArray[Any] = np.zeros(2 * (top + 1), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def _explained(table: pa.RecordBatch) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = table["channels"].is_valid().to_numpy(zero_copy_only=False)
    return found


def _insert_scores(connection: duckdb.DuckDBPyConnection, rows: pa.RecordBatch) -> None:
    explained = [
        "" if channels is None else f'{{"channels":{channels},"nearest":{_span(begin, end)}}}'
        for channels, begin, end in zip(
            *(rows[name].to_pylist() for name in ("channels", "nearest_from", "nearest_to")), strict=True
        )
    ]
    new_scores = pa.table(
        {
            "point": rows["point"], "ts": rows["ts"].cast(TS), "score": rows["score"], "alarm": rows["alarm"],
            "explanation": explained,
        }
    )  # fmt: skip
    assert new_scores.num_rows
    connection.execute("INSERT INTO scores BY NAME SELECT * FROM new_scores")


def _span(begin: Any, end: Any) -> str:
    return "null" if begin is None else f'["{begin.isoformat()}","{end.isoformat()}"]'
