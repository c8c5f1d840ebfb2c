"""Scoring in the twin: readings to a child process, scores back as points and rows, episodes as alarms.

Ingest leaves its committed readings here and goes on; nothing that the child does can hold it up. The child is
`twin.scoring_child`; `inference.runtime.host` keeps it alive.
"""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from inference.diagnosis import Graph
from inference.runtime.frames import ModelFile, Open, Watch
from inference.runtime.host import Answer, Host
from twin.alarms.desk import AlarmDesk
from twin.diagnosis import Diagnosis
from twin.directory import Directory
from twin.rows import TS
from twin.scoring_alarms import CLASS, ScoreAlarms, blamed
from twin.scoring_history import ScoringHistory
from twin.scoring_past import PastCame
from twin.scoring_rules import Detectors, streams_of
from twin.scoring_store import ScoreBook
from twin.state import Rows
from twin.store import Store
from wire.errors import Aid4Error
from wire.schemas import READINGS, schema

__all__ = ["ScoringDesk"]

MODULE: Final = "twin.scoring_child"
_LINKS_MAX: Final = 5_000
_LOOK_S: Final = 1.0
_STATE = "state.npz"


class ScoringDesk:
    """`leave` is called by ingest after each commit, `run` until cancelled. `models` gives the bundles in force."""

    def __init__(
        self,
        store: Store,
        *,
        alarms: AlarmDesk,
        directory: Callable[[], Directory],
        diagnosis: Diagnosis,
        models: Callable[[], list[ModelFile]] = list,
        module: str = MODULE,
    ) -> None:
        self._store, self._alarms, self._directory, self._diagnosis = store, alarms, directory, diagnosis
        self.models, self._module = models, module
        self._scores = ScoreBook(store, directory)
        self._episodes: ScoreAlarms | None = None
        self._host: Host | None = None
        self._watched = np.zeros(1, bool)
        self._keys: set[str] = set()
        self._made_of: Directory | None = None
        self._model_files: list[ModelFile] = []
        self._came = PastCame(store.clock)
        self.failures = 0

    @property
    def detectors(self) -> Detectors:
        """The site's `[detectors]`."""
        return self._alarms.rules.detectors

    @property
    def problem(self) -> str:
        """Why nothing is scored now; empty when it is."""
        if not self.detectors.enabled:
            return "switched off in [detectors]"
        return self._host.problem if self._host is not None else "starting"

    @property
    def pid(self) -> int | None:
        """Of the living child."""
        return self._host.pid if self._host is not None else None

    def figures(self) -> dict[str, int]:
        """Counters of child and scorer, for /metrics."""
        if self._host is None:
            return {}
        host = self._host
        own = {"kept": self._scores.kept, "regimes": self._episodes.regimes if self._episodes else 0}
        return {**host.figures, **host.counts, **own, "rss_bytes": host.rss_bytes}

    def status(self) -> dict[str, Any]:
        """For people: whether it works, what it watches, how long a tick took."""
        host, figures = self._host, self.figures()
        return {
            "problem": self.problem or None,
            "budget_per_day": self.detectors.budget_per_day,
            "streams": figures.get("streams", 0),
            "models": figures.get("models", 0),
            "open": figures.get("open", 0),
            "pasts": self._came.learned,
            "restarts": max(figures.get("starts", 0) - 1, 0),
            "tick_s": round(host.tick_s, 3) if host else 0.0,
            "notes": host.notes if host else [],
        }

    def leave(self, rows: Rows) -> None:
        """Readings that were committed; quick, called by the writer's thread."""
        host = self._host
        if host is None or rows.text is not None or not len(rows.point):
            return
        mine = self._watched.take(rows.point, mode="clip") & (rows.point < len(self._watched))
        mine &= ~self._came.take(rows)
        if mine.any():
            host.leave(_batch(rows, mine), rows.recv_us)

    def verdict(self, alarm_id: int, by: str, *, accepted: bool, note: str = "") -> None:
        """An operator says whether a detector's alarm was worth it; the threshold of its streams moves, within bounds.

        ConflictError for an alarm of another source, NotFoundError."""
        alarm = self._alarms.book.get(alarm_id)
        keys = blamed(alarm)
        if self._host is not None:
            self._host.feedback(keys, accepted=accepted)
        said = "worth it" if accepted else "false alarm"
        self._alarms.comment([alarm_id], by, f"verdict: {said}. {note}".strip())
        if not alarm.acknowledged:
            with contextlib.suppress(Aid4Error):  # somebody else was quicker
                self._alarms.acknowledge([alarm_id], by, note)

    @property
    def _state(self) -> Path:
        return self._store.data_dir / "scoring" / _STATE

    async def run(self) -> None:
        """Score until cancelled; a site that changes its detectors gets a new child, which keeps what it learned. One
        learns anew when a past has come in."""
        while True:
            detectors = self.detectors
            keeper = (
                asyncio.create_task(self._keep(detectors), name="twin.scoring.child") if detectors.enabled else None
            )
            try:
                while self.detectors == detectors and (keeper is None or not keeper.done()):
                    await asyncio.sleep(_LOOK_S)
                    if self._came.settled():
                        break
            finally:
                self._host = None
                if keeper is not None:
                    keeper.cancel()
                    await asyncio.wait([keeper])
            if self._came.settled():
                self._came.forget()
                self._state.unlink(missing_ok=True)
            if keeper is not None and not keeper.cancelled() and keeper.exception() is not None:
                raise keeper.exception() or AssertionError

    async def _keep(self, detectors: Detectors) -> None:
        clock = self._store.clock
        self._keys, self._made_of, self._model_files = set(), None, []
        self._episodes = ScoreAlarms(
            self._alarms.book,
            directory=self._directory,
            diagnosis=self._diagnosis,
            meaning=lambda: self._alarms.rules.class_of(CLASS),
        )
        self._host = Host(
            self._module,
            lambda: Open(settings=detectors.settings(), state=str(self._state.resolve())),
            clock=clock,
            watched=self._watch,
            heard=self._heard,
            history=ScoringHistory(self._store, clock, lambda: detectors.row_s),
        )
        await self._host.run()

    def _watch(self, first: bool) -> Watch | None:
        """What is new since the last look: streams of new points, links of the plant, models."""
        directory, models = self._directory(), self.models()
        if not first and directory is self._made_of and models == self._model_files:
            return None
        known = set() if first else self._keys
        streams = streams_of(directory.views, self.detectors)
        watched = np.zeros(max((one.id for one in streams), default=0) + 1, bool)
        watched[[one.id for one in streams]] = True
        fresh = [one for one in streams if one.key not in known]
        self._watched, self._keys = watched, known | {one.key for one in fresh}
        self._made_of, self._model_files = directory, models
        return Watch(streams=fresh, links=_links(self._diagnosis.graph), models=models)

    async def _heard(self, answer: Answer) -> None:
        try:
            await asyncio.to_thread(self._take, answer)
        except (Aid4Error, duckdb.Error) as error:
            self.failures += 1
            if self._host is not None:
                self._host.notes.append(f"scores were not kept: {error}"[:300])

    def _take(self, answer: Answer) -> None:
        if answer.table is not None:
            self._scores.keep(answer.table)
        if self._episodes is not None:
            reports = self._episodes.take(answer.events, afresh=answer.caught_up)
            if reports:
                self._alarms.report(reports)


def _batch(rows: Rows, mine: NDArray[np.bool_]) -> pa.RecordBatch:
    at = np.flatnonzero(mine)
    columns = [pa.array(rows.point[at]), pa.array(rows.ts_us[at]).view(TS), pa.array(rows.value[at])]
    return pa.RecordBatch.from_arrays([*columns, pa.array(rows.quality[at])], schema=schema(READINGS))


def _links(graph: Graph) -> list[tuple[str, str]]:
    """Devices whose assets feed each other."""
    devices: dict[str, set[str]] = {}

    def of(asset: str) -> set[str]:
        if asset not in devices:
            devices[asset] = {point.rpartition("/")[0] for point in graph.points_of(asset)}
        return devices[asset]

    pairs = {
        (one, other)
        for edge in graph.edges
        if edge.kind == "feeds"
        for one, other in product(of(edge.source), of(edge.target))
        if one != other
    }
    return sorted(pairs)[:_LINKS_MAX]
