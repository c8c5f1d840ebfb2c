"""The state at any moment of the last quarter of an hour, while none of its rows is in a cold file: `aid4 bench query`.

10,000 points take turns at 33,333 readings a second; thirty million rows wait in the database. Ten points have a
clock that is a minute ahead, so that "now" cannot be answered from the newest values alone.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aid4.bench.asgi import WrongAnswerError, get, iso, timed
from twin.absorb import Absorber, Batch
from twin.api.app import build_app
from twin.core import Twin
from twin.reconcile import Reconciler
from twin.siteconfig import SiteConfig
from twin.store import Store
from wire.catalogue import Point, to_batch
from wire.clock import ManualClock
from wire.records import CLASS_CONTROL, Stamp, pack, pack_split
from wire.schemas import CATALOGUE, READINGS, schema

__all__ = ["recent"]

START_US = 1_790_000_000_000_000
POINTS, AHEAD_POINTS, AHEAD_US = 10_000, 10, 60_000_000
STEP_US = 30  # between two readings: 33,333 a second
SECONDS = 900
EPOCH = b"\x43" * 16
_SECOND_ROWS = 33_333
_TS = pa.timestamp("us", tz="UTC")


def recent(folder: Path, scale: float, repeats: int) -> dict[str, Any]:
    """Write, ask at random moments and for now, check each answer; figures in milliseconds."""
    clock = ManualClock(wall_us=START_US)
    seconds = max(2, round(SECONDS * scale))
    with Store.open(folder, site="bench", clock=clock) as store:
        frames_s = _write(store, clock, seconds)
        past, now = asyncio.run(_ask(store, clock, seconds * _SECOND_ROWS, repeats))
        figures = {"recent_ms": round(statistics.median(past), 2), "recent_now_ms": round(statistics.median(now), 2)}
        return figures | {
            "recent_worst_ms": round(max(past), 1),
            "recent_rows": store.counts()["readings"],
            "recent_frames": len(store.hot["readings"]),
            "recent_frames_cpu": round(frames_s / seconds, 4),  # of one core, to keep frames at this rate
        }


def _write(store: Store, clock: ManualClock, seconds: int) -> float:
    """Every second a transaction; returns the CPU seconds that the frames took."""
    absorber = Absorber("bench", Reconciler(boot=1), store.points, store.state)

    def take(records: list[bytes]) -> None:
        batch = Batch(["node"] * len(records), records, recv_us=clock.wall_us())
        store.writer.submit(lambda con: absorber.absorb(con, batch), then=absorber.committed).result()

    points = [Point(id=at, device=f"d{at // 100}", metric=f"m{at}") for at in range(POINTS)]
    control = Stamp(EPOCH, 1, 1, START_US, 0, CLASS_CONTROL)
    take([pack(to_batch(points), schema_id=CATALOGUE, stamp=control, seq=1)])
    seq, passed_s = 1, 0.0
    for second in range(seconds):
        clock.advance(1)
        number = np.arange(second * _SECOND_ROWS, (second + 1) * _SECOND_ROWS)
        point = number % POINTS
        columns = [point.astype(np.uint32), pa.array(_times(number)).view(_TS), _values(number)]
        columns.append(np.zeros(len(number), np.uint8))
        rows = pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=schema(READINGS))
        stamp = Stamp(EPOCH, 1, 1, clock.wall_us(), 0)
        records = pack_split(rows, 10_000, schema_id=READINGS, stamp=stamp, first_seq=seq + 1)
        seq += len(records)
        take(records)
        started_s = time.process_time()
        store.keep_hot()
        passed_s += time.process_time() - started_s
    return passed_s


def _times(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """When reading `number` of the whole stream was taken, by its point's own clock."""
    ts: NDArray[np.int64] = START_US + number * STEP_US + np.where(number % POINTS < AHEAD_POINTS, AHEAD_US, 0)
    return ts


def _values(number: NDArray[np.int64]) -> NDArray[np.float64]:
    return (number % 1_009) / 8.0


async def _ask(store: Store, clock: ManualClock, rows: int, repeats: int) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(5)
    first_us, end_us = START_US + POINTS * STEP_US, START_US + rows * STEP_US
    async with Twin(store, SiteConfig(name="bench")) as twin:
        app = build_app(twin)

        async def state(at_us: int) -> Callable[[], None]:
            body = await get(app, "/api/v1/state", {"limit": POINTS, "at": iso(at_us)})
            return lambda: _check(body, at_us, rows)

        moments = rng.integers(first_us, end_us, repeats).tolist()
        past = [await timed(state, at_us) for at_us in moments]
        now = [await timed(state, clock.wall_us()) for _ in range(repeats)]
    return past, now


def _check(body: bytes, at_us: int, rows: int) -> None:
    """The state is what the formula says: of each point the last reading whose own time has come."""
    items = msgspec.json.decode(body)["items"]
    point = np.array([item["point"] for item in items]) - 1
    ahead = np.where(point < AHEAD_POINTS, AHEAD_US, 0)
    newest = np.minimum((at_us - ahead - START_US) // STEP_US, rows - 1)
    number = newest - (newest - point) % POINTS
    if len(items) < POINTS - AHEAD_POINTS or (number < 0).any():
        raise WrongAnswerError(f"{len(items)} points at {iso(at_us)}")
    if not np.array_equal(np.array([item["value"] for item in items]), _values(number)):
        raise WrongAnswerError(f"wrong values at {iso(at_us)}")
