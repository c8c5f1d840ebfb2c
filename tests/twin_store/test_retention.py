"""What the policies no longer keep becomes minutes, then hours, then nothing; the rest is untouched."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from twin import compaction
from twin.retention import Policies, Policy
from twin.store import Store
from wire.clock import ManualClock
from wire.quality import BAD
from wire.schemas import POSES

T0, HOUR_US, DAY_US = 1_750_000_000_000_000 // 3_600_000_000 * 3_600_000_000, 3_600_000_000, 86_400_000_000
FAST, SLOW = Policy(raw_days=10, minute_days=100, hour_days=1_000), Policy(raw_days=25)
POLICIES = Policies(by_class={"fast": FAST, "slow": SLOW}, event_days=20, pose_days=30, gap_days=40)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    with Store.open(tmp_path / "data", site="lab", clock=clock, policies=POLICIES) as store:
        yield store


@pytest.fixture
def filled(bench: Any, agent: Any, clock: ManualClock) -> Any:
    """Two hours of one reading a second of a fast point (0) and of another one (1); one reading is bad."""
    points = [*agent.points(1, point_class="fast"), *agent.points(2)[1:]]
    second = np.arange(7_200)
    quality = np.where(second == 30, BAD, 0)
    value = np.where(second == 30, 1e9, second.astype(float))
    bench.take([agent.catalogue(points)])
    for point in (0, 1):
        bench.take(agent.readings(np.full(7_200, point), T0 + second * 1_000_000, value, quality))
    clock.jump(300 * DAY_US)
    bench.store.compact(force=True)
    clock.jump(-300 * DAY_US)
    return bench


def kinds(store: Store) -> dict[str, int]:
    return {kind: n for kind in ("readings", "minutes", "hours") if (n := store.counts().get(kind, 0))}


def test_rows_go_from_raw_to_minutes_to_hours_to_nothing(filled: Any) -> None:
    store = filled.store
    cases = [(9, {"readings": 14_400}), (50, {"readings": 7_200, "minutes": 120})]
    cases += [(700, {"readings": 7_200, "hours": 2}), (2_000, {"readings": 7_200})]
    for days, left in cases:
        store.apply_retention(T0 + days * DAY_US)
        assert kinds(store) == left
        assert store.apply_retention(T0 + days * DAY_US) == 0, "and a second look changes nothing"


def test_minutes_keep_the_lowest_the_highest_and_the_mean_without_bad_readings(filled: Any) -> None:
    filled.store.apply_retention(T0 + 50 * DAY_US)
    (raw,) = filled.store.history([1], T0, T0 + 2 * HOUR_US, agg="raw")
    assert len(raw.values) == 240
    assert (raw.values[0], raw.values[1]) == (0, 59)
    assert raw.values[2:].tolist() == [v for m in range(1, 120) for v in (m * 60, m * 60 + 59)]
    (mean,) = filled.store.history([1], T0, T0 + 2 * HOUR_US, width=2, agg="avg")
    assert mean.values.tolist() == pytest.approx([1_799.5, 5_399.5], abs=0.5)
    (other,) = filled.store.history([2], T0, T0 + 2 * HOUR_US, agg="raw")
    assert len(other.values) == 7_200


def test_the_state_of_a_moment_survives_its_rows(filled: Any, agent: Any, clock: ManualClock) -> None:
    later = T0 + 400 * DAY_US
    filled.take(agent.readings([0], [later], [1]))
    clock.jump(800 * DAY_US)
    filled.store.compact(force=True)
    filled.store.apply_retention(T0 + 3_000 * DAY_US)
    assert kinds(filled.store) == {"readings": 7_200}
    assert filled.store.state_at(later + 10).value.tolist()[0] == 7_199


def test_dropped_files_are_removed_when_nobody_can_read_them_any_more(filled: Any, clock: ManualClock) -> None:
    (old,) = filled.store.cold_files()
    clock.jump(300 * DAY_US)
    filled.store.tend()
    assert old.exists()
    clock.advance(600)
    filled.store.tend()
    assert not old.exists()
    assert filled.sql("SELECT count(*) FROM readings") == [(7_200,)]


def test_events_poses_and_gaps_go_by_their_own_days_from_when_they_happened_or_arrived(
    bench: Any, agent: Any, clock: ManualClock
) -> None:
    pose = {"lat_deg": [48.9], "lon_deg": [18.1], "alt_m": [0.0], "datum": [0], "quality": [0]}
    pose |= {"roll_deg": [0.0], "pitch_deg": [0.0], "yaw_deg": [0.0]}
    old, young = T0 - 100 * DAY_US, T0
    bench.take([agent.catalogue(agent.points(1)), agent.gap(b"\x22" * 16, 1, 4)])
    for ts in (old, young):
        columns = {"point": [0], "ts": pa.array([ts]).view(pa.timestamp("us", tz="UTC")), **pose}
        bench.take([agent.event(ts, "late" if ts == old else "now"), agent.other(POSES, columns)])

    def left() -> list[int]:
        return [bench.sql(f"SELECT count(*) FROM {table}")[0][0] for table in ("events", "poses", "gaps")]

    arrived = clock.wall_us()
    for days, rows in ((19, [2, 2, 1]), (21, [0, 2, 1]), (31, [0, 0, 1]), (41, [0, 0, 0])):
        bench.store.apply_retention(arrived + days * DAY_US)
        assert left() == rows, f"after {days} days"
    assert bench.ranges(epoch=b"\x22" * 16) == [(1, 4)], "a gap that is forgotten stays committed"


def test_warm_rows_that_are_too_old_go_although_they_never_filled_a_file(
    bench: Any, agent: Any, clock: ManualClock
) -> None:
    bench.take([agent.catalogue([*agent.points(1, point_class="fast"), *agent.points(2)[1:]])])
    for day in range(30):
        noon = T0 + day * DAY_US
        bench.take(agent.readings([0, 0, 1, 1], [noon, noon + 1, noon, noon + 1], [1, 3, 5, 7]))
        clock.advance(86_400)
    bench.store.tend()
    ((oldest, mine),) = bench.sql("SELECT epoch_us(min(ts)), count(*) FROM readings WHERE point = 1")
    assert clock.wall_us() - 12 * DAY_US <= oldest <= clock.wall_us() - 10 * DAY_US
    assert mine < 30
    (fast,) = bench.store.history([1], T0 - DAY_US, clock.wall_us(), agg="avg")
    assert set(fast.values[:15].tolist()) == {2.0}, "what is rolled up is a minute's mean"
    assert bench.sql("SELECT count(*) FROM readings WHERE point = 2") == [(60,)], "and nothing else is touched"
    before = bench.store.cold_files()
    clock.advance(60)
    bench.store.tend()
    assert bench.store.cold_files() == before, "and it is not done again every minute"


def test_keyframes_stay_with_their_rows_and_after_them_one_a_day(bench: Any, agent: Any, clock: ManualClock) -> None:
    bench.take([agent.catalogue(agent.points(1, point_class="fast"))])
    hours = 2 * 24
    bench.take(agent.readings([0] * hours, T0 + np.arange(hours) * HOUR_US, np.arange(hours)))
    for hour in range(hours):  # a keyframe an hour
        _write_file(bench.store, T0 + hour * HOUR_US)
    states = {at: bench.store.state_at(at).value.tolist() for at in range(T0, T0 + hours * HOUR_US, 5 * HOUR_US)}
    clock.jump(9 * DAY_US)
    bench.store.apply_retention(clock.wall_us())
    assert bench.sql("SELECT count(*) FROM keyframes") == [(hours - 1,)]
    assert {at: bench.store.state_at(at).value.tolist() for at in states} == states
    bench.store.apply_retention(T0 + 2_000 * DAY_US)
    assert bench.sql("SELECT count(*) FROM readings") == [(0,)]
    assert bench.sql("SELECT count(*) BETWEEN 2 AND 3 FROM keyframes") == [(True,)]
    (value,) = bench.store.state_at(T0 + hours * HOUR_US).value.tolist()
    assert hours - 25 <= value < hours, "known to within a day"


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_a_policy_keeps_is_ever_dropped(bench: Any, agent: Any, clock: ManualClock, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = ["fast", "fast", "slow", "slow", ""]
    points = [agent.points(5, point_class=name)[at] for at, name in enumerate(classes)]
    bench.take([agent.catalogue(points)])
    rows: list[tuple[int, int]] = []
    for _ in range(12):
        late = rng.choice([0, 3, 40], 200, p=[0.8, 0.1, 0.1]) * DAY_US
        ts = clock.wall_us() - rng.integers(0, DAY_US, 200) - late
        ids = rng.integers(0, 5, 200)
        bench.take(agent.readings(ids, ts, ts / 1e6))
        rows += zip((ids + 1).tolist(), ts.tolist(), strict=True)
        bench.store.tend()
        if rng.random() < 0.3:
            bench.store.compact(force=True)
        now = clock.wall_us()
        kept_days = {1: 10, 2: 10, 3: 25, 4: 25, 5: 10_000}
        wanted = sorted((point, ts) for point, ts in rows if ts > now - kept_days[point] * DAY_US)
        found = set(bench.sql("SELECT point, epoch_us(ts) FROM readings"))
        assert found.issuperset(wanted)
        assert [at for at in rows if at[0] == 5 and at not in found] == []
        clock.advance(float(rng.integers(1, 6)) * 86_400)


def _write_file(store: Store, lo_us: int) -> None:
    with store.cursor() as cursor:
        store._compact(cursor, compaction.Job("readings", lo_us, lo_us + HOUR_US, HOUR_US))


def test_compact_applies_the_retention_of_the_site_and_frees_the_disk(
    tmp_path: Path, filled: Any, clock: ManualClock
) -> None:
    folder, before = filled.store.data_dir, filled.store.cold_files()
    filled.store.__exit__()
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.toml").write_text('name = "lab"\n[retention]\nby_class = { fast = { raw_days = 10 } }\n')
    asked = [sys.executable, "-m", "aid4", "twin", "compact", "--data-dir", str(folder), "--json"]
    first, second = (
        json.loads(subprocess.run([*asked, *more], capture_output=True, check=True).stdout)
        for more in ([], ["--site", str(site)])
    )
    assert (first["dropped_files"], second["dropped_files"]) == (0, 1)
    assert not any(path.exists() for path in before)
    with Store.open(folder, site="lab", clock=clock) as store:
        assert kinds(store) == {"readings": 7_200, "minutes": 120}
