"""A twin with three days of nine points behind it, in the last two hours of which a device went wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from twin.absorb import Absorber, Batch
from twin.core import Twin
from twin.reconcile import Reconciler
from twin.siteconfig import site_from_dict
from twin.store import Store
from wire.catalogue import Point, to_batch
from wire.clock import SystemClock
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema

POINTS = [
    Point(id=n, device=device, metric=metric, unit="1", point_class=metric, period_s=30.0)
    for n, (device, metric) in enumerate((d, m) for d in ("a", "b", "c") for m in ("heat", "flow", "load"))
]
STEP_US = 30_000_000
PATIENCE_S = 120


class Feed:
    """Plays an agent: hands records to the twin as its ingest would."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.seq = twin, 0
        self._absorber = Absorber(twin.site.name, Reconciler(boot=1), twin.store.points, twin.store.state)
        self._absorber.on_rows = twin.scoring.leave

    def catalogue(self) -> None:
        self._take(to_batch(POINTS), CATALOGUE, cls=CLASS_CONTROL)
        self.twin.refresh()

    def readings(self, start_us: int, values: NDArray[np.float64]) -> None:
        """Rows of all points, half a minute apart."""
        ts = np.repeat(start_us + np.arange(len(values)) * STEP_US, len(POINTS))
        point = np.tile(np.arange(len(POINTS), dtype=np.uint32), len(values))
        for low in range(0, len(ts), 36_000):
            cut = slice(low, low + 36_000)
            columns = [
                pa.array(point[cut]), pa.array(ts[cut]).view(pa.timestamp("us", tz="UTC")),
                pa.array(values.ravel()[cut]), pa.array(np.zeros(len(ts[cut]), np.uint8)),
            ]  # fmt: skip
            self._take(pa.RecordBatch.from_arrays(columns, schema=schema(READINGS)), READINGS)

    def _take(self, batch: pa.RecordBatch, schema_id: int, **stamp: Any) -> None:
        self.seq += 1
        made = Stamp(epoch=b"\x07" * 16, generation=1, boot=1, clock_us=0, mono_us=0, **stamp)
        work = Batch(["gw"], [pack(batch, schema_id=schema_id, stamp=made, seq=self.seq)])
        work.recv_us = self.twin.clock.wall_us()
        submit = self.twin.store.writer.submit
        submit(lambda connection: self._absorber.absorb(connection, work), then=self._absorber.committed).result(60)


def normal(rows: int, seed: int = 1) -> NDArray[np.float64]:
    """What the nine points usually say."""
    rng = np.random.default_rng(seed)
    return 20 + 3 * np.sin(2 * np.pi * np.arange(rows)[:, None] / 2_880) + rng.normal(0, 0.3, (rows, len(POINTS)))


async def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives once it gives something."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := condition()):
            await asyncio.sleep(0.05)
    return found


class Scored:
    """A twin that scores, its agent, and how to wait for it."""

    normal, until, step_us = staticmethod(normal), staticmethod(until), STEP_US

    def __init__(self, twin: Twin, feed: Feed) -> None:
        self.twin, self.feed = twin, feed


@pytest.fixture
async def scored(tmp_path: Path) -> AsyncIterator[Scored]:
    """A twin that scores; `b/heat` has stood nine too high for two hours."""
    with Store.open(tmp_path / "twin", site="lab", clock=SystemClock()) as store:
        async with Twin(store, site_from_dict({"name": "lab"}, file="test")) as opened:
            feed = Feed(opened)
            feed.catalogue()
            values = normal(3 * 2_880)
            values[-240:, 3] += 9
            start_us = (time.time_ns() // 1_000 - len(values) * STEP_US) // STEP_US * STEP_US
            await asyncio.to_thread(feed.readings, start_us, values)
            scoring = asyncio.create_task(opened.scoring.run())
            yield Scored(opened, feed)
            scoring.cancel()
            await asyncio.wait([scoring])
