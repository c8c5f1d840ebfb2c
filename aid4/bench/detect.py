"""Ten thousand streams scored every second on one core: how long a tick takes, what it keeps in memory.

One tile of streams is fitted here; a fresh child process, as on a gateway, loads it from bytes as often as needed
(each copy has its own weights in memory) and scores ticks back to back. `load_ms` is one model from bytes to ready;
`tick_cpu_ms_p99` is what a tick costs when the core is shared with others; `parity` is the largest difference between
the child's scores and this process's, which runs the same file.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["detect"]

_TILE, _TRAINED_ROWS, _PARITY_TICKS = 250, 1_100, 80
_P99_MS_MAX, _RSS_MIB_MAX, _LOAD_MS_MAX = 250.0, 400.0, 50.0


def detect(*, streams: int = 10_000, ticks: int = 200, seed: int = 7, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure; `ok` says whether the promises were kept, ticks judged by the time of their core."""
    from inference.bundle import AlarmPolicy, Bundle
    from inference.fitted import fit
    from inference.fleet import Fleet

    random = np.random.default_rng(seed)
    normal = random.normal(size=(_TRAINED_ROWS, _TILE)) + 0.1 * random.normal(size=(_TRAINED_ROWS, _TILE)).cumsum(0)
    tell(f"fitting one tile of {_TILE} streams")
    policy = AlarmPolicy(row_s=1.0)
    model = fit(normal, [f"s{index}" for index in range(_TILE)], pooled=False, alarm=policy).to_bytes()
    tiles = -(-streams // _TILE)
    tell(f"{tiles * _TILE:,} streams, {ticks} ticks in a child process")
    found = _in_child(model, tiles, ticks, seed)
    here = Fleet([Bundle(model)])
    values = _values(seed, tiles * _TILE, _PARITY_TICKS)
    own = np.stack([here.tick(row[:_TILE]).score for row in values])
    parity = float(np.abs(own - found.pop("first")).max())
    tick_ms_p99, cpu_ms_p99 = (float(np.quantile(found[key], 0.99)) for key in ("tick_ms", "cpu_ms"))
    return {
        "streams": tiles * _TILE,
        "ticks": ticks,
        "model_bytes": len(model),
        "load_ms": round(float(np.median(found["load_ms"])), 2),
        "load_ms_max": round(float(np.max(found["load_ms"])), 2),
        "tick_ms_p50": round(float(np.median(found["tick_ms"])), 2),
        "tick_ms_p99": round(tick_ms_p99, 2),
        "tick_cpu_ms_p99": round(cpu_ms_p99, 2),
        "rss_mib": round(found["rss_mib"], 1),
        "parity": parity,
        "ok": bool(
            cpu_ms_p99 < _P99_MS_MAX
            and found["rss_mib"] < _RSS_MIB_MAX
            and np.median(found["load_ms"]) < _LOAD_MS_MAX
            and parity < 1e-6
        ),
    }


def _values(seed: int, streams: int, ticks: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed + 1).normal(size=(ticks, streams))


def _in_child(model: bytes, tiles: int, ticks: int, seed: int) -> dict[str, Any]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(theirs, model, tiles, ticks, seed), name="detect")
    child.start()
    theirs.close()
    try:
        found: dict[str, Any] = ours.recv()
    finally:
        child.join(timeout=10)
        if child.is_alive():
            child.kill()
    return found


def _measure(pipe: Any, model: bytes, tiles: int, ticks: int, seed: int) -> None:
    import psutil

    from inference.bundle import Bundle
    from inference.fleet import Fleet

    Bundle(model)  # the library itself is loaded once, whatever the number of models
    bundles, load_ms = [], []
    for _ in range(tiles):
        begin = time.perf_counter()
        bundles.append(Bundle(model))
        load_ms.append((time.perf_counter() - begin) * 1e3)
    fleet = Fleet(bundles)
    first = [fleet.tick(row).score[:_TILE] for row in _values(seed, fleet.streams, _PARITY_TICKS)]
    random = np.random.default_rng(seed)
    tick_ms, cpu_ms = [], []
    for _ in range(ticks):
        values = random.normal(size=fleet.streams)
        begin, cpu = time.perf_counter(), time.process_time()
        fleet.tick(values)
        tick_ms.append((time.perf_counter() - begin) * 1e3)
        cpu_ms.append((time.process_time() - cpu) * 1e3)
    rss_mib = psutil.Process().memory_info().rss / 2**20
    pipe.send({"load_ms": load_ms, "tick_ms": tick_ms, "cpu_ms": cpu_ms, "rss_mib": rss_mib, "first": np.stack(first)})
