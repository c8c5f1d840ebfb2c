"""Scoring on a gateway: the same readings score as in the twin, scores go up as points, a light agent stays light."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge.catalogue import NodeCatalogue
from edge.config import AgentConfig, ScoringConfig, load, problems
from edge.scoring import SOURCE, EdgeScoring
from edge.sources import Batch
from inference.runtime import Scorer, Settings
from inference.runtime.choice import stream_of
from wire.catalogue import Point
from wire.clock import ManualClock
from wire.schemas import EVENTS, READINGS, schema

T0 = 1_780_876_800_000_000
STEP_US = 30_000_000
PATIENCE_S = 120
POINTS = [
    Point(id=n, device=device, metric=metric, point_class=metric, period_s=30.0)
    for n, (device, metric) in enumerate((d, m) for d in ("a", "b") for m in ("heat", "flow"))
]


class Taken:
    """Stands where the agent's batcher stands: gives readings to the tap and keeps what is put."""

    def __init__(self) -> None:
        self.catalogue = NodeCatalogue()
        self.catalogue.learn("field", POINTS)
        self.tap: Callable[[str, pa.RecordBatch], None] | None = None
        self.put_batches: list[tuple[list[Point], Batch]] = []

    async def put(self, source: str, points: Sequence[Point], batch: Batch) -> None:
        assert source == SOURCE
        self.put_batches.append((list(points), batch))

    def rows(self, schema_id: int) -> list[dict[str, Any]]:
        """Everything put of one schema, with the points' keys."""
        found = []
        for points, batch in self.put_batches:
            if batch.schema_id == schema_id:
                for row in batch.rows.to_pylist():
                    found.append(row | {"key": points[row["point"]].key if row["point"] is not None else ""})
        return found


def readings(values: np.ndarray[Any, Any], start: int) -> pa.RecordBatch:
    ts = np.repeat(T0 + (start + np.arange(len(values))) * STEP_US, len(POINTS))
    columns = [
        pa.array(np.tile(np.arange(len(POINTS), dtype=np.uint32), len(values))),
        pa.array(ts).view(pa.timestamp("us", tz="UTC")),
        pa.array(values.ravel()), pa.array(np.zeros(len(ts), np.uint8)),
    ]  # fmt: skip
    return pa.RecordBatch.from_arrays(columns, schema=schema(READINGS))


def signal_of(rows: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(5)
    values = 20 + 3 * np.sin(2 * np.pi * np.arange(rows)[:, None] / 2_880) + rng.normal(0, 0.3, (rows, len(POINTS)))
    values[-300:, 2] += 9
    return np.asarray(values)


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


async def test_a_gateway_scores_the_same_readings_as_the_twin_within_1e_6_and_survives_its_child(
    tmp_path: Path,
) -> None:
    values = signal_of(3 * 2_880)
    scorer = Scorer(Settings())
    scorer.watch([one for point in POINTS if (one := stream_of(point, "gw")) is not None])
    expected: dict[tuple[str, int], float] = {}
    for low in range(0, len(values), 500):
        batch = readings(values[low : low + 500], low)
        ts_us = batch["ts"].view(pa.int64()).to_numpy(zero_copy_only=False)
        scorer.push(ts_us, *(batch[name].to_numpy(zero_copy_only=False) for name in ("point", "value")))
        table = scorer.tick(T0 + (low + len(batch) // 4) * STEP_US + 2_000_000)
        for row in table.to_pylist():
            expected[POINTS[row["point"]].key + "-score", row["ts"]] = row["score"]

    taken, clock = Taken(), ManualClock(wall_us=T0)
    config = AgentConfig(site="s", node="gw", scoring=ScoringConfig(), file=tmp_path / "edge.toml")
    scoring = EdgeScoring(config, taken, clock)  # type: ignore[arg-type]
    scoring.host._period_s = 0.02
    running = asyncio.create_task(scoring.run())
    try:
        await until(lambda: not scoring.host.problem)
        for low in range(0, len(values), 288):
            part = values[low : low + 288]
            assert taken.tap is not None
            taken.tap("field", readings(part, low))
            clock.advance((T0 + (low + len(part)) * STEP_US + 2_000_000 - clock.wall_us()) / 1e6)
            done = scoring.host.counts["ticks"] + 2
            await until(lambda done=done: scoring.host.counts["ticks"] >= done)
        scores = taken.rows(READINGS)
        assert {row["key"] for row in scores} >= {"b/heat-score"}
        assert len(scores) > 3
        for row in scores:
            assert row["value"] == pytest.approx(expected[row["key"], row["ts"]], abs=1e-6)
        events = taken.rows(EVENTS)
        assert [event["device"] for event in events if event["kind"] == "anomaly.opened"][-1] == "b"
        assert scoring.figures()["scoring_streams"] == 4
        first = scoring.host.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: scoring.host.pid not in (None, first) and not scoring.host.problem)
        assert scoring.figures()["scoring_restarts"] == 1
    finally:
        running.cancel()
        await asyncio.wait([running])


def test_an_agent_without_scoring_loads_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('site = "s"\nnode = "gw"\n')
    code = (
        "import sys; from pathlib import Path; from edge.config import load; from edge.agent import Agent;"
        "from wire.clock import SystemClock; Agent(load(Path(sys.argv[1])), SystemClock());"
        "print([m for m in sys.modules if m.split('.')[0] in ('onnxruntime', 'inference')])"
    )
    found = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_table_is_checked_to_the_field(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('site = "s"\nnode = "gw"\n[scoring]\nbudget_per_day = 0.1\n')
    scoring = load(file).scoring
    assert scoring is not None
    assert scoring.budget_per_day == 0.1
    file.write_text('site = "s"\nnode = "gw"\n[scoring]\nbudget_per_dy = 0.1\n')
    assert [(one.field, one.fix) for one in problems(file)] == [
        ("scoring.budget_per_dy", "did you mean 'budget_per_day'?")
    ]
