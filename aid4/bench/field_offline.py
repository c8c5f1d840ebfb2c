"""A gateway that nobody hears for weeks: what its spool needs, and how fast it empties once the link is back.

The readings of those weeks are made as fast as the disk takes them, in records like those that an agent writes at 100
readings a second while it is away: 200 readings in two seconds, `packed+zstd`.
"""

import time
from typing import Any

from aid4.bench.bench_park import SITE, BenchPark
from edge.config import SpoolConfig
from edge.health import read_status
from twin.store import Store

__all__ = ["offline"]

READINGS_S, RECORD_ROWS, POINTS = 100, 200, 100
DAYS_GOAL, TIMES_GOAL = 30, 100
LIVE_S = 10.0  # readings a second that go on meanwhile
FILL_S_MAX, DRAIN_S_MAX = 1_200.0, 1_200.0


def offline(days: float) -> dict[str, Any]:
    """Fill the spool with so many days, then let the broker and the twin come back while live readings go on."""
    readings = round(days * 86_400) * READINGS_S
    with BenchPark.open() as park:
        budget = SpoolConfig().budget_bytes
        config = (
            f'codec = "packed+zstd"\n[[source]]\nkind = "flood"\nname = "weeks"\nwaits = false\npoints = {POINTS}\n'
            f"rows = {RECORD_ROWS}\nstep_us = 10000\nreadings = {readings}\n"
            f'[[source]]\nkind = "flood"\nname = "live"\nwaits = false\npoints = 1\nrows = 1\nper_s = {LIVE_S}\n'
        )
        park.broker.stop()
        with park.agent(config, RECORD_ROWS, "keep_committed_s = 0\ncache_bytes = 4194304"):
            fill_s = _wait_filled(park, readings)
            held_bytes = _figures(park).bytes
            park.broker.start()
            with park.twin():
                began_s, began_us = time.monotonic(), time.time_ns() // 1_000
                _wait_drained(park)
                drain_s = time.monotonic() - began_s
        late_ms = _live_delay_ms(park, began_us)
        stored = _stored(park)
    per_month = held_bytes / days * DAYS_GOAL
    times = days * 86_400 / drain_s
    return {
        "days": days,
        "readings": readings,
        "bytes_a_reading": round(held_bytes / readings, 2),
        "month_mib": round(per_month / (1 << 20)),
        "budget_mib": budget >> 20,
        "fill_s": round(fill_s, 1),
        "drain_s": round(drain_s, 1),
        "times_real_time": round(times),
        "lost": readings - stored,
        "live_p99_ms": round(late_ms, 1),
        "held": per_month < budget and times >= TIMES_GOAL and stored == readings,
    }


def _figures(park: BenchPark) -> Any:
    health = read_status(park.folder / "spool" / "status.json")
    assert health is not None, park.children.output("agent")
    return health.spool


def _wait_filled(park: BenchPark, readings: int) -> float:
    began_s = time.monotonic()
    file = park.folder / "spool" / "status.json"
    while not file.exists() or _figures(park).readings_accepted < readings:
        if time.monotonic() - began_s > FILL_S_MAX:
            raise TimeoutError(f"the spool never filled: {park.children.output('agent')}")
        time.sleep(0.5)
    return time.monotonic() - began_s


def _wait_drained(park: BenchPark) -> None:
    end_s = time.monotonic() + DRAIN_S_MAX
    while _figures(park).pending_records > LIVE_S * 3:
        if time.monotonic() > end_s:
            raise TimeoutError(f"the spool never drained: {park.children.output('agent')}")
        time.sleep(0.1)


def _live_delay_ms(park: BenchPark, since_us: int) -> float:
    """p99 of source to twin of the live readings while the backlog drained, milliseconds."""
    with Store.open(park.folder / "twin", site=SITE) as store, store.cursor() as cursor:
        found = cursor.execute(
            "SELECT quantile_cont(epoch_us(r.recv) - epoch_us(r.ts), 0.99) FROM readings r JOIN points p"
            " ON p.id = r.point WHERE p.device LIKE 'live%' AND epoch_us(r.ts) > ?",
            [since_us + 2_000_000],  # the agent's own attempts to connect come every few seconds
        ).fetchone()
    return float(found[0]) / 1e3 if found and found[0] is not None else 0.0


def _stored(park: BenchPark) -> int:
    with Store.open(park.folder / "twin", site=SITE) as store, store.cursor() as cursor:
        found = cursor.execute(
            "SELECT count(*) FROM readings r JOIN points p ON p.id = r.point WHERE p.device LIKE 'weeks%'"
        ).fetchone()
    return int(found[0]) if found else 0
