"""Scoring on the gateway: readings of this agent's sources to a child process, its scores back as points and events.

```toml
[scoring]                             # without this table nothing of it is loaded
budget_per_day = 0.02                 # false-alarm episodes a stream may have in a day
# row_s = 60.0
# bundles = ["models/ahu-1.onnx"]     # trained models; without any, streams learn as they go
# classes_off = ["wind_speed"]
# points_off = ["*/lab/*"]
```
The child runs the twin's own scorer, so the same readings score the same on both. It may die: sources and uplink never
notice, and it goes on from its state in the spool's folder.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from edge.sources import Batch
from inference.runtime.choice import stream_of
from inference.runtime.episodes import Event
from inference.runtime.frames import ModelFile, Open, Watch
from inference.runtime.host import Answer, Host
from inference.runtime.settings import Settings
from inference.runtime.worth import SCORE_CLASS, SUFFIX, Worth
from wire.catalogue import Point
from wire.limits import NAME_CHARS_MAX
from wire.schemas import EVENTS, READINGS, schema

if TYPE_CHECKING:
    from edge.batcher import Batcher
    from edge.config import AgentConfig
    from inference.registry.figures import ScorerFacts
    from wire.clock import Clock

__all__ = ["SOURCE", "EdgeScoring"]

log = logging.getLogger("aid4.edge.scoring")
SOURCE: Final = "scoring"  # what its points come from; no [[source]] may have this name
MODULE: Final = "edge.scoring_child"
_SEVERITY: Final = {"opened": 2, "closed": 0, "regime": 1}
_TS = pa.timestamp("us", tz="UTC")
Put = Callable[[str, Sequence[Point], Batch], Awaitable[None]]


class EdgeScoring:
    """`run` until cancelled. `models` gives bundles that were rolled out, beside those of the configuration."""

    def __init__(
        self,
        config: "AgentConfig",
        batcher: "Batcher",
        clock: "Clock",
        *,
        models: Callable[[], list[ModelFile]] = list,
        module: str = MODULE,
    ) -> None:
        assert config.scoring is not None
        self._config, self._scoring, self._batcher, self._clock = config, config.scoring, batcher, clock
        self._rolled_out = models
        self._points: list[Point] = []  # scores, in the order of their first value
        self._place: dict[int, int] = {}  # of a stream's final id -> its score's place in `_points`
        self._worth = Worth()
        self._known, self._files = 0, list[ModelFile]()
        state = config.spool_dir / "scoring" / "state.npz"
        settings = Settings(budget_per_day=self._scoring.budget_per_day, row_s=self._scoring.row_s)
        self.host = Host(
            module,
            lambda: Open(settings=settings, state=str(state.resolve())),
            clock=clock,
            watched=self._watch,
            heard=self._heard,
        )
        batcher.tap = self._tap

    async def run(self) -> None:
        """Keep the child alive until cancelled."""
        await self.host.run()

    def facts(self) -> "ScorerFacts | None":
        """For the roll-out of models."""
        from inference.registry.figures import ScorerFacts

        host = self.host
        if host.pid is None:
            return None
        return ScorerFacts(not host.problem, host.counts["failures"], host.tick_s, host.figures, tuple(host.notes))

    def figures(self) -> dict[str, float | int | str]:
        """For up/health."""
        host = self.host
        found: dict[str, float | int | str] = {
            "scoring_streams": host.figures.get("streams", 0),
            "scoring_rss_bytes": host.rss_bytes,
            "scoring_restarts": max(host.counts["starts"] - 1, 0),
        }
        return found | ({"scoring_problem": host.problem} if host.problem else {})

    def _tap(self, source: str, rows: pa.RecordBatch) -> None:
        """Readings that are on their way to the spool, with their final ids."""
        if source != SOURCE:
            self.host.leave(rows, self._clock.wall_us())

    def _watch(self, first: bool) -> Watch | None:
        """Points that are new to the child, and the models in force."""
        points, files = self._batcher.catalogue.points, self._models()
        start = 0 if first else self._known
        if not first and start == len(points) and files == self._files:
            return None
        self._known, self._files = len(points), files
        off = {"classes_off": self._scoring.classes_off, "points_off": self._scoring.points_off}
        found = (stream_of(point, self._config.node, **off) for point in points[start:])
        return Watch(streams=[stream for stream in found if stream is not None], models=files)

    def _models(self) -> list[ModelFile]:
        named = [self._config.path(name) for name in self._scoring.bundles]
        return [ModelFile(path=str(path), id=path.stem) for path in named] + self._rolled_out()

    async def _heard(self, answer: Answer) -> None:
        if answer.table is not None:
            await self._send_scores(answer.table)
        events = [event for event in answer.events if event.kind in _SEVERITY]
        if events:
            await self._batcher.put(SOURCE, self._points, Batch(EVENTS, _events(events)))

    async def _send_scores(self, table: pa.RecordBatch) -> None:
        chosen = self._worth.choose(table)
        if not len(chosen):
            return
        rows = table.take(pa.array(chosen))
        places = np.array([self._score_of(point) for point in rows["point"].to_pylist()], np.uint32)
        columns = [pa.array(places), rows["ts"], rows["score"], pa.array(np.zeros(len(places), np.uint8))]
        made = pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))
        await self._batcher.put(SOURCE, self._points, Batch(READINGS, made))

    def _score_of(self, point_id: int) -> int:
        """The place of a point's score among our points; a new one is declared with its first value."""
        if point_id not in self._place:
            point = self._batcher.catalogue.points[point_id]
            made = Point(
                id=len(self._points), device=point.device, metric=point.metric[: NAME_CHARS_MAX - len(SUFFIX)] + SUFFIX,
                unit="1", point_class=SCORE_CLASS, label=f"{point.label} score".strip(),
                element_hint=point.element_hint, space_hint=point.space_hint, meta={"made_by": "edge"},
            )  # fmt: skip
            self._place[point_id] = made.id
            self._points.append(made)
        return self._place[point_id]


def _events(events: Sequence[Event]) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        "ts": pa.array([event.ts_us for event in events], pa.int64()).view(_TS),
        "device": [event.asset.partition("/")[2] for event in events],
        "kind": [f"anomaly.{event.kind}" for event in events],
        "severity": [_SEVERITY[event.kind] for event in events],
        "point": [None] * len(events),
        "message": [_message(event) for event in events],
        "detail": [msgspec.json.encode(event).decode() for event in events],
    }
    return pa.RecordBatch.from_pydict(columns, schema=schema(EVENTS))


def _message(event: Event) -> str:
    if event.kind == "regime":
        return "a new normal is learned"
    what = ", ".join(channel.key.rsplit("/", 1)[-1] for channel in event.channels[:3])
    return f"unusual: {what}" if event.kind == "opened" else "as usual again"
