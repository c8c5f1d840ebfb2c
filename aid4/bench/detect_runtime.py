"""The live scorer with ten thousand untrained streams of one second: how long a tick takes and what it keeps in memory.

A fresh child process, as beside a twin, takes one reading of every stream a second (of the readings' own time, back to
back) and scores it. The streams are those of the campus, as often as needed, so that devices have the relations that
their roles give them and makes of a hundred rooms and more are each other's peers; relations have rows of a minute, so
`tick_relations_cpu_ms_max` is the dearest tick in which they were judged, too. `parity` is the largest difference to
this process, which scores the first streams alone and gets its readings in other batches, as a gateway would.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["detect_runtime"]

_T0_US = 1_780_876_800_000_000
_COMPARED, _WARM_TICKS = 200, 150
_P99_MS_MAX, _RSS_MIB_MAX = 250.0, 400.0
_RELATIONS_EVERY = 60  # ticks
_SITE = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"


def detect_runtime(*, streams: int, ticks: int, seed: int = 7, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure; `ok` says whether the promises were kept, ticks judged by the time of their core."""
    tell(f"{streams:,} untrained streams, {ticks} ticks in a child process")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(theirs, streams, ticks, seed), name="detect runtime")
    child.start()
    theirs.close()
    try:
        found: dict[str, Any] = ours.recv()
    finally:
        child.join(timeout=10)
        if child.is_alive():
            child.kill()
    compared = min(_COMPARED, streams)
    parity = float(np.abs(_as_gateway(compared, seed, streams) - found.pop("first")).max())
    cpu_ms_p99 = float(np.quantile(found["cpu_ms"], 0.99))
    return {
        "streams": streams,
        "relations": found["relations"],
        "ticks": ticks,
        "watch_s": round(found["watch_s"], 2),
        "tick_ms_p50": round(float(np.median(found["tick_ms"])), 2),
        "tick_ms_p99": round(float(np.quantile(found["tick_ms"], 0.99)), 2),
        "tick_cpu_ms_p99": round(cpu_ms_p99, 2),
        "tick_relations_cpu_ms_max": round(max(found["relations_ms"], default=0.0), 2),
        "rss_mib": round(found["rss_mib"], 1),
        "parity": parity,
        "ok": bool(cpu_ms_p99 < _P99_MS_MAX and found["rss_mib"] < _RSS_MIB_MAX and parity < 1e-6),
    }


def _points(count: int) -> Iterator[tuple[str, str, str]]:
    """Device, metric and point class of the campus' values, campus after campus."""
    from sim_devices.site import load_site

    values = [(device.name, metric) for device, metric in load_site(_SITE).points() if metric.kind == "value"]
    for at in range(count):
        turn, place = divmod(at, len(values))
        device, metric = values[place]
        yield f"{device}-{turn}", metric.name, metric.point_class


def _scorer(streams: int) -> Any:
    from inference.runtime import Scorer, Settings, Stream

    scorer = Scorer(Settings(row_s=1.0, learn_h=0.0))
    scorer.watch(
        Stream(id=at, key=f"gw/{device}/{metric}", asset=f"gw/{device}", period_s=1.0, point_class=own)
        for at, (device, metric, own) in enumerate(_points(streams))
    )
    return scorer


def _values(seed: int, streams: int, count: int) -> Any:
    random = np.random.default_rng(seed)
    return (20.0 + random.normal(size=streams) for _ in range(count))


def _as_gateway(compared: int, seed: int, streams: int) -> Any:
    """Scores of the first streams over the warm-up, read in lots of seven seconds."""
    scorer, lot, found = _scorer(compared), list[Any](), list[Any]()
    ids = np.arange(compared, dtype=np.uint32)
    for row, values in enumerate(_values(seed, streams, _WARM_TICKS)):
        lot.append((np.full(compared, _T0_US + row * 1_000_000), ids, values[:compared]))
        if len(lot) == 7 or row == _WARM_TICKS - 1:
            scorer.push(*(np.concatenate(column) for column in zip(*lot, strict=True)))
            lot = []
            found.append(scorer.tick(_T0_US + (row + 3) * 1_000_000)["score"].to_numpy())
    return np.concatenate(found)


def _measure(pipe: Any, streams: int, ticks: int, seed: int) -> None:
    import psutil

    begin = time.perf_counter()
    scorer, ids = _scorer(streams), np.arange(streams, dtype=np.uint32)
    watch_s = time.perf_counter() - begin
    compared, first, tick_ms, cpu_ms, relations_ms = min(_COMPARED, streams), *(list[Any]() for _ in range(4))
    for row, values in enumerate(_values(seed, streams, _WARM_TICKS + ticks)):
        begin, cpu = time.perf_counter(), time.process_time()
        scorer.push(np.full(streams, _T0_US + row * 1_000_000), ids, values)
        table = scorer.tick(_T0_US + (row + 3) * 1_000_000)
        scorer.events()
        took_ms = (time.process_time() - cpu) * 1e3
        if row >= _WARM_TICKS:
            tick_ms.append((time.perf_counter() - begin) * 1e3)
            cpu_ms.append(took_ms)
            if (_T0_US // 1_000_000 + row + 1) % _RELATIONS_EVERY == 0:
                relations_ms.append(took_ms)
        elif table.num_rows:
            point, score = table["point"].to_numpy(), table["score"].to_numpy()
            first.append(score[point < compared])
    pipe.send(
        {
            "tick_ms": tick_ms, "cpu_ms": cpu_ms, "relations_ms": relations_ms, "watch_s": watch_s,
            "relations": scorer.figures["relations"], "first": np.concatenate(first),
            "rss_mib": psutil.Process().memory_info().rss / 2**20,
        }
    )  # fmt: skip
