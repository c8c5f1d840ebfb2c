"""What a node tells of its models, from the counters of its scorer, counted since each began to run as it does."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from inference.registry.client import Running
from wire.messages import ModelFigures

__all__ = ["FiguresKeeper", "ScorerFacts"]


class ScorerFacts(NamedTuple):
    """Of a scorer and its process. `figures` has `model/<id>/<part>/<version>/<what>` of each loaded file."""

    alive: bool
    crashes: int
    tick_s: float
    figures: Mapping[str, int]
    problems: tuple[str, ...] = ()


State = Literal["waiting", "idle", "loading", "running", "refused", "failed"]


class _Base(NamedTuple):
    mode: str
    rows: int
    crashes: int
    episodes: int


class FiguresKeeper:
    """`take` now and then; a model whose mode changes is counted anew. Ticks are told as their largest of late."""

    def __init__(self) -> None:
        self._base: dict[str, _Base] = {}
        self._tick_ms = 0.0

    def take(self, running: Running, facts: ScorerFacts | None, row_s: float = 60.0) -> dict[str, ModelFigures]:
        """By `id/version`; without a scorer every model is idle."""
        found: dict[str, ModelFigures] = {}
        if facts is not None:
            self._tick_ms = max(facts.tick_s * 1e3, 0.98 * self._tick_ms)
        for one in running.models:
            key = f"{one.id}/{one.version}"
            found[key] = (
                ModelFigures(one.version, one.mode, "idle", "this node does not score")
                if facts is None
                else self._of(key, one.version, one.mode, facts, row_s)
            )
        self._base = {key: base for key, base in self._base.items() if key in found}
        return found

    def _of(self, key: str, version: str, mode: str, facts: ScorerFacts, row_s: float) -> ModelFigures:
        parts = [
            tuple(name.split("/")[1:]) for name in facts.figures if name.startswith(f"model/{key.partition('/')[0]}/")
        ]
        mine = [p for p in parts if p[-2] == version]
        own = {what: [facts.figures["model/" + "/".join(p)] for p in mine if p[-1] == what] for what in _WHAT}
        rows, episodes = sum(own["rows"]), sum(own["episodes"])
        base = self._base.get(key)
        if base is None or base.mode != mode or rows < base.rows or facts.crashes < base.crashes:
            base = self._base[key] = _Base(mode, rows if base else 0, facts.crashes, episodes if base else 0)
        problem = next((text for text in facts.problems if key.partition("/")[0] in text), "")
        loaded = bool(mine)
        state: State = "running" if facts.alive and loaded else "failed" if problem else "loading"
        medians = own["median_milli"]
        return ModelFigures(
            version, mode, state, problem,
            rows=rows - base.rows, tick_ms_p99=round(self._tick_ms, 3), crashes=facts.crashes - base.crashes,
            episodes=episodes - base.episodes, stream_days=(rows - base.rows) * row_s / 86_400.0,
            score_median=sum(medians) / len(medians) / 1e3 if medians else None,
        )  # fmt: skip


_WHAT = ("rows", "episodes", "median_milli")
