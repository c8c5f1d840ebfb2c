"""`aid4 bench query`: thirty days of history through the store's own write path, then the questions people ask.

9,900 points report every 5 minutes and 100 every 15 seconds, about 103 million readings. They are packed into
records, absorbed in transactions and compacted as in a running twin. Then, through the HTTP API's own code (ASGI, no
socket), each time for another fast point or another moment, first with cold caches and then warm:

| figure | question |
|---|---|
| `day_ms` | GET /history, one point's day, every reading (5,760) |
| `month_ms` | GET /history, one point's 30 days (172,800 readings) at width 1,000 |
| `snapshot_ms` | GET /state of all points at any past moment |
| `state_ms` | GET /state of all points now |
| `downsample_ms` | the month of `month_ms` without JSON: `Store.history` |
| `recent_ms` | GET /state of all points at any moment of the last quarter of an hour (`aid4/bench/recent.py`) |
| `recent_now_ms` | the same for now, while some readings are stamped ahead |

Every answer is compared with what numpy computes for it. Figures are medians in milliseconds.
"""

import asyncio
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aid4.bench.asgi import WrongAnswerError, get, iso, timed
from aid4.bench.recent import recent
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

__all__ = ["START_US", "History", "run_query_bench", "write_history"]

DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US  # 2024-10-04, a midnight
SLOW_US, FAST_US = 300_000_000, 15_000_000
SLOW_POINTS, FAST_POINTS = 9_900, 100
RECORD_ROWS = 10_000
CHUNKS_A_DAY = 12
WIDTH = 1_000
_TS = pa.timestamp("us", tz="UTC")


class History:
    """The made-up park: what every point says at any time is a formula, so every answer can be checked."""

    def __init__(self, scale: float, days: int) -> None:
        self.fast, self.slow = max(2, round(FAST_POINTS * scale)), max(2, round(SLOW_POINTS * scale))
        self.points, self.days = self.fast + self.slow, days
        fast_at, slow_at = np.arange(0, DAY_US, FAST_US), np.arange(0, DAY_US, SLOW_US)
        ids = np.concatenate(
            [np.repeat(np.arange(self.fast), len(fast_at)), np.repeat(np.arange(self.fast, self.points), len(slow_at))]
        )
        ts = np.concatenate([np.tile(fast_at, self.fast), np.tile(slow_at, self.slow)]) + self.phase_us(ids)
        order = np.argsort(ts, kind="stable")
        self.day_ids, self.day_ts = ids[order].astype(np.uint32), ts[order]

    def phase_us(self, point: NDArray[Any]) -> NDArray[np.int64]:
        """Each point has its own offset in its period."""
        return (np.asarray(point, np.int64) * 7_919_000) % np.where(np.asarray(point) < self.fast, FAST_US, SLOW_US)

    def value(self, point: NDArray[Any] | int, ts_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """A daily wave and a jitter, to two decimals."""
        jitter = (np.asarray(point, np.int64) * 7_919 + ts_us // 1_000_000 * 104_729) % 1_000
        wave = 20.0 + 5.0 * np.sin(ts_us * (2 * np.pi / DAY_US) + np.asarray(point))
        value: NDArray[np.float64] = np.round(wave + jitter * 0.01, 2)
        return value

    def times(self, point: int, first_day: int, days: int) -> NDArray[np.int64]:
        """When one point reported."""
        period = FAST_US if point < self.fast else SLOW_US
        start = START_US + first_day * DAY_US + int(self.phase_us(np.array([point]))[0])
        return start + np.arange(0, days * DAY_US, period)

    def last(self, at_us: int) -> NDArray[np.int64]:
        """When each point reported last before a moment (µs); before its first reading: below START_US."""
        point = np.arange(self.points)
        period = np.where(point < self.fast, FAST_US, SLOW_US)
        first = START_US + self.phase_us(point)
        return first + (at_us - first) // period * period


def run_query_bench(
    rows_goal: int = 103_000_000,
    *,
    days: int = 30,
    repeats: int = 30,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> dict[str, Any]:
    """Write the history, ask, check and measure. `rows_goal` scales the number of points; scratch is removed."""
    history = History(rows_goal / 103_000_000, days)
    scratch = Path(tempfile.mkdtemp(prefix="aid4-query-", dir=folder))
    try:
        clock = ManualClock(wall_us=START_US)
        started_s = time.perf_counter()
        with Store.open(scratch / "data", site="bench", clock=clock) as store:
            write_history(store, history, clock, tell)
            rows = store.counts()["readings"]
        written_s = time.perf_counter() - started_s
        size = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        _forget(scratch)
        with Store.open(scratch / "data", site="bench", clock=clock) as store:
            figures = asyncio.run(_ask_all(store, history, repeats))
            files = len(store.cold_files())
        tell("the last quarter of an hour")
        figures |= recent(scratch / "recent", rows_goal / 103_000_000, repeats)
    finally:
        shutil.rmtree(scratch)
    extra = {"write_s": round(written_s, 1), "bytes_per_row": round(size / rows, 2), "files": files}
    return {"rows": rows, "points": history.points, **figures, **extra}


def write_history(store: Store, history: History, clock: ManualClock, tell: Callable[[str], None]) -> None:
    """A node that sends its readings a couple of hours at a time, and a twin that compacts every day."""
    epoch, seq = b"\x42" * 16, 1
    absorber = Absorber("bench", Reconciler(boot=1), store.points, store.state)

    def take(records: list[bytes]) -> None:
        batch = Batch(["node"] * len(records), records, recv_us=clock.wall_us())
        store.writer.submit(lambda con: absorber.absorb(con, batch), then=absorber.committed).result()

    points = [Point(id=at, device=f"d{at // 100}", metric=f"m{at}", unit="Cel") for at in range(history.points)]
    control = Stamp(epoch, 1, 1, START_US, 0, CLASS_CONTROL)
    take([pack(to_batch(points), schema_id=CATALOGUE, stamp=control, seq=1)])
    bounds = np.searchsorted(history.day_ts, np.linspace(0, DAY_US, CHUNKS_A_DAY + 1))
    for day in range(history.days):
        ts = history.day_ts + (START_US + day * DAY_US)
        value = history.value(history.day_ids, ts)
        for lo, hi in itertools.pairwise(bounds):
            clock.advance(DAY_US / CHUNKS_A_DAY / 1e6)
            columns = [history.day_ids[lo:hi], pa.array(ts[lo:hi]).view(_TS), value[lo:hi], np.zeros(hi - lo, np.uint8)]
            rows = pa.RecordBatch.from_arrays(list(map(pa.array, columns)), schema=schema(READINGS))
            stamp = Stamp(epoch, 1, 1, clock.wall_us(), 0)
            records = pack_split(rows, RECORD_ROWS, schema_id=READINGS, stamp=stamp, first_seq=seq + 1)
            seq += len(records)
            take(records)
        clock.advance(600)
        store.compact()
        clock.jump(-600_000_000)
        tell(f"day {day + 1} of {history.days}")
    clock.advance(600)
    store.compact(force=True)


async def _ask_all(store: Store, history: History, repeats: int) -> dict[str, Any]:
    """Each question once cold with all others, then repeatedly warm."""
    async with Twin(store, SiteConfig(name="bench")) as twin:
        app = build_app(twin)
        questions: dict[str, Callable[[int], Any]] = {
            "day_ms": lambda at: _day(app, history, at),
            "month_ms": lambda at: _month(app, history, at),
            "snapshot_ms": lambda at: _snapshot(app, history, at),
            "state_ms": lambda at: _state(app, history),
            "downsample_ms": lambda at: _downsample(store, history, at),
        }
        cold = {name: [await timed(ask, 0)] for name, ask in questions.items()}
        warm = {name: [await timed(ask, at) for at in range(1, repeats + 1)] for name, ask in questions.items()}
    first = {name: round(times[0], 1) for name, times in cold.items()}
    worst = {name: round(max(times), 1) for name, times in warm.items()}
    return {name: round(statistics.median(times), 2) for name, times in warm.items()} | {
        "cold": first,
        "worst": worst,
    }


async def _day(app: Any, history: History, at: int) -> Callable[[], None]:
    point, day = (at * 37) % history.fast, (at * 11) % history.days
    lo_us = START_US + day * DAY_US
    query = {"point": point + 1, "from": iso(lo_us), "to": iso(lo_us + DAY_US), "agg": "raw"}
    body = await get(app, "/api/v1/history", query)

    def check() -> None:
        (series,) = msgspec.json.decode(body)["series"]
        ts = history.times(point, day, 1)
        _same(np.asarray(series["t"]) * 1e3, ts, f"times of point {point}, day {day}")
        _same(np.asarray(series["v"]), history.value(point, ts), f"values of point {point}, day {day}")

    return check


async def _month(app: Any, history: History, at: int) -> Callable[[], None]:
    point = (at * 41 + 1) % history.fast
    hi_us = START_US + history.days * DAY_US
    query = {"point": point + 1, "from": iso(START_US), "to": iso(hi_us), "width": WIDTH}
    body = await get(app, "/api/v1/history", query)

    def check() -> None:
        (series,) = msgspec.json.decode(body)["series"]
        _thinned(history, point, np.asarray(series["t"]) * 1e3, np.asarray(series["v"]), series["source_rows"])

    return check


async def _downsample(store: Store, history: History, at: int) -> Callable[[], None]:
    point = (at * 43 + 2) % history.fast
    hi_us = START_US + history.days * DAY_US
    (series,) = await asyncio.to_thread(store.history, [point + 1], START_US, hi_us, width=WIDTH)
    return lambda: _thinned(history, point, series.ts_us, series.values, series.source_rows)


async def _snapshot(app: Any, history: History, at: int) -> Callable[[], None]:
    share = (at * 0.618_034) % 1.0
    at_us = START_US + SLOW_US + int(share * (history.days * DAY_US - 2 * SLOW_US))
    body = await get(app, "/api/v1/state", {"at": iso(at_us), "limit": history.points})
    return lambda: _states(history, body, at_us)


async def _state(app: Any, history: History) -> Callable[[], None]:
    body = await get(app, "/api/v1/state", {"limit": history.points})
    return lambda: _states(history, body, START_US + history.days * DAY_US - 1)


def _states(history: History, body: bytes, at_us: int) -> None:
    items = msgspec.json.decode(body)["items"]
    ts = history.last(at_us)
    _same(np.array([item["point"] for item in items]), np.arange(1, history.points + 1), "points of a snapshot")
    _same(np.array([item["value"] for item in items]), history.value(np.arange(history.points), ts), "a snapshot")


def _thinned(history: History, point: int, ts_us: NDArray[Any], values: NDArray[Any], source_rows: int) -> None:
    """The rows shown are rows that exist, in order, with the highest and the lowest of every hundredth among them."""
    ts = history.times(point, 0, history.days)
    value = history.value(point, ts)
    _same(np.array([source_rows]), np.array([len(ts)]), "source rows")
    at = np.searchsorted(ts, np.rint(ts_us).astype(np.int64))
    _same(values, value[at], f"downsampled values of point {point}")
    if len(ts) > 2 * WIDTH:
        _same(np.sort(values)[[0, -1]], np.sort(value)[[0, -1]], f"extremes of point {point}")
    if not 0 < len(at) <= max(2 * WIDTH, 0) or (np.diff(at) <= 0).any():
        raise WrongAnswerError(f"{len(at)} rows for width {WIDTH}")


def _same(found: NDArray[Any], wanted: NDArray[Any], what: str) -> None:
    if found.shape != wanted.shape or not np.allclose(found.astype(float), wanted.astype(float), rtol=0, atol=1e-6):
        raise WrongAnswerError(f"{what}: got {found[:5]}…, {len(found)} rows; numpy has {wanted[:5]}…, {len(wanted)}")


def _forget(folder: Path) -> None:
    """Make the operating system drop its copy of the files, so that the first questions read the disk."""
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
