"""The twin that `aid4 bench ui` looks at: a history of thirty days, and thousands of points that change live.

    python -m aid4.bench.ui_twin DATA_DIR HISTORY_ROWS POINTS READINGS_A_SECOND

Prints its URL, then feeds itself until SIGTERM as its ingest would: packed records, one transaction each 30 ms. The
point `live/probe/ms` changes about every 0.7 s; its value is the moment of the change in ms since 1970, modulo
PROBE_MODULO, so that whoever sees it knows how old it is.
"""

import asyncio
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from aid4.bench.query import START_US, History, write_history
from twin.absorb import Absorber, Batch
from twin.core import Twin
from twin.reconcile import Reconciler
from twin.server import TwinConfig, serve
from twin.siteconfig import SiteConfig
from twin.store import Store
from wire.catalogue import Point, to_batch
from wire.clock import ManualClock
from wire.records import CLASS_CONTROL, Stamp, pack
from wire.schemas import CATALOGUE, READINGS, schema

__all__ = ["HISTORY_FULL_ROWS", "NODE", "PROBE_KEY", "PROBE_MODULO"]

HISTORY_FULL_ROWS = 103_000_000
NODE = "live"
PROBE_KEY = f"{NODE}/probe/ms"
PROBE_MODULO = 100_000_000
_COMMIT_S = 0.03
_CHANGE_S = (0.5, 0.9)  # between two changes of the probe
_DAYS = 30
_SEED = 7
_TS = pa.timestamp("us", tz="UTC")


class Feed:
    """Hands live records to the twin; `points` take turns, the probe is one more."""

    def __init__(self, twin: Twin, points: int) -> None:
        self._twin, self._points, self._seq = twin, points, 0
        self._epoch = time.time_ns().to_bytes(16, "big")
        self._absorber = Absorber(twin.site.name, Reconciler(boot=2), twin.store.points, twin.store.state)
        self._rng = np.random.default_rng(_SEED)
        self._next = 0

    def catalogue(self) -> None:
        """All points, the probe last."""
        made = [
            Point(id=at, device=f"rack-{at // 100}", metric=f"m{at % 100}", unit="Cel", low=0, high=100, period_s=60.0)
            for at in range(self._points)
        ]
        probe = Point(id=self._points, device="probe", metric="ms", period_s=60.0)
        self._take(to_batch([*made, probe]), CATALOGUE, cls=CLASS_CONTROL)
        self._twin.refresh()

    def readings(self, rows: int, *, change: bool) -> None:
        """So many readings of now; with `change` the probe says that it is now."""
        ids = (self._next + np.arange(rows)) % self._points
        self._next = int(ids[-1]) + 1 if rows else self._next
        values = np.round(20 + self._rng.normal(scale=2.0, size=rows), 2)
        now_ms = time.time_ns() // 1_000_000
        if change:
            ids, values = np.append(ids, self._points), np.append(values, float(now_ms % PROBE_MODULO))
        stamps = np.full(len(ids), now_ms * 1_000, np.int64)
        columns = [
            pa.array(ids.astype(np.uint32)), pa.array(stamps).view(_TS), pa.array(values),
            pa.array(np.zeros(len(ids), np.uint8)),
        ]  # fmt: skip
        self._take(pa.RecordBatch.from_arrays(columns, schema=schema(READINGS)), READINGS)

    def _take(self, batch: pa.RecordBatch, schema_id: int, **stamp: Any) -> None:
        self._seq += 1
        made = Stamp(epoch=self._epoch, generation=1, boot=1, clock_us=0, mono_us=0, **stamp)
        work = Batch([NODE], [pack(batch, schema_id=schema_id, stamp=made, seq=self._seq)])
        work.recv_us = self._twin.clock.wall_us()
        absorber = self._absorber
        submit = self._twin.store.writer.submit
        submit(lambda connection: absorber.absorb(connection, work), then=absorber.committed).result(60)


async def _feed(feed: Feed, rate: float, stop: asyncio.Event) -> None:
    dice = random.Random(_SEED)  # noqa: S311  (no secret)
    done, started, change_at = 0, time.monotonic(), 0.0
    while not stop.is_set():
        now = time.monotonic()
        due = int((now - started) * rate) - done
        change = now >= change_at
        if change:
            change_at = now + dice.uniform(*_CHANGE_S)
        if due or change:
            await asyncio.to_thread(feed.readings, min(due, int(rate)), change=change)
            done += due  # what a slow moment missed is not made up for in one lump
        await asyncio.sleep(max(0.0, _COMMIT_S - (time.monotonic() - now)))


def _write(data_dir: Path, history_rows: int) -> None:
    clock = ManualClock(wall_us=START_US)
    with Store.open(data_dir, site="bench", clock=clock) as store:
        write_history(store, History(history_rows / HISTORY_FULL_ROWS, _DAYS), clock, lambda _text: None)


async def _main(data_dir: Path, points: int, rate: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serve(TwinConfig(data_dir=data_dir, site=SiteConfig(name="bench"), port=0)) as served:
        feed = Feed(served.twin, points)
        await asyncio.to_thread(feed.catalogue)
        print(served.url, flush=True)
        await _feed(feed, rate, stop)


if __name__ == "__main__":
    folder, rows_text, points_text, rate_text = sys.argv[1:]
    _write(Path(folder), int(rows_text))
    asyncio.run(_main(Path(folder), int(points_text), float(rate_text)))
