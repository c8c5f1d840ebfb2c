"""Scores kept: as points `<metric>-score` of the same device, for charts, and as rows of the table `scores`, for SQL.

`inference.runtime.worth` says which are worth it. Where an agent scores itself and sends its scores as points of its
own, nothing is written beside them.
"""

from collections.abc import Callable
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from inference.runtime.worth import SCORE_CLASS, SUFFIX, Worth
from twin.directory import Directory
from twin.points import Draft
from twin.rows import TS, insert_readings
from twin.state import Rows
from twin.store import Store
from wire.catalogue import Point
from wire.limits import NAME_CHARS_MAX

__all__ = ["MADE_BY", "ScoreBook"]

MADE_BY: Final = {"made_by": "twin"}  # meta of points that no agent declared
_KEEP_US = 90 * 86_400_000_000
_SWEEP_US = 86_400_000_000


class ScoreBook:
    """`keep` a table of `inference.runtime.SCORES`; used by one thread."""

    def __init__(self, store: Store, directory: Callable[[], Directory]) -> None:
        self._store, self._directory = store, directory
        self._worth = Worth()
        self._score_point: dict[int, int] = {}  # of a point; 0: its agent sends scores itself
        self._swept_us = 0
        self.kept = 0

    def keep(self, table: pa.RecordBatch) -> None:
        """Write what is worth it in one transaction of the writer; returns at once."""
        chosen = self._worth.choose(table)
        views = self._directory().by_id
        points = table["point"].to_numpy(zero_copy_only=False)[chosen]
        known = np.array([point in views for point in points.tolist()], bool)
        rows = table.take(pa.array(chosen[known]))
        if not rows.num_rows:
            return
        store, clock = self._store, self._store.clock

        def work(connection: duckdb.DuckDBPyConnection) -> tuple[Draft, Rows, dict[int, int]]:
            draft = store.points.draft(store.site)
            placed = self._place(draft, set(rows["point"].to_pylist()))
            ids = np.array([placed[point] for point in rows["point"].to_pylist()], np.uint32)
            recv_us = clock.wall_us()
            ts_us = rows["ts"].view("int64").to_numpy(zero_copy_only=False)
            own = ids > 0
            score = rows["score"].to_numpy(zero_copy_only=False)[own]
            made = Rows(ids[own], ts_us[own], score, np.zeros(len(score), np.uint8), recv_us)
            store.state.arriving(recv_us)
            draft.write(connection)
            if own.any():
                insert_readings(connection, made)
            _insert_scores(connection, rows)
            if recv_us - self._swept_us > _SWEEP_US:
                self._swept_us = recv_us
                connection.execute("DELETE FROM scores WHERE ts < make_timestamptz(?::BIGINT)", [recv_us - _KEEP_US])
            return draft, made, placed

        def committed(done: tuple[Draft, Rows, dict[int, int]]) -> None:
            draft, made, placed = done
            self._score_point |= placed
            if draft.rows:
                store.points.take(draft.rows)
            store.state.update(made)
            self.kept += len(made.point)

        store.writer.submit(work, then=committed)

    def _place(self, draft: Draft, points: set[int]) -> dict[int, int]:
        """The score point of each point, made where there is none; 0 where its agent has one."""
        placed = {point: self._score_point[point] for point in points & self._score_point.keys()}
        for point in sorted(points - placed.keys()):
            row = self._store.points.by_id[point]
            metric = row.metric[: NAME_CHARS_MAX - len(SUFFIX)] + SUFFIX
            known = self._store.points.by_key.get(f"{row.node}/{row.device}/{metric}")
            if known is not None and known.meta.get("made_by") != MADE_BY["made_by"]:
                placed[point] = 0
                continue
            made = Point(
                id=0, device=row.device, metric=metric, unit="1", point_class=SCORE_CLASS,
                label=f"{row.label} score".strip(), element_hint=row.element_hint, space_hint=row.space_hint,
                meta=dict(MADE_BY),
            )  # fmt: skip
            found = draft.enter(row.node, [made], newest=False)
            placed[point] = int(found.to_global(np.zeros(1, np.uint32))[0])
        return placed


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
