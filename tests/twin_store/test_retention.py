"""What the policies no longer keep becomes minutes, then hours, then nothing; the rest is untouched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.retention import Policies, Policy
from twin.store import Store
from wire.clock import ManualClock
from wire.quality import BAD

T0, HOUR_US, DAY_US = 1_750_000_000_000_000 // 3_600_000_000 * 3_600_000_000, 3_600_000_000, 86_400_000_000
POLICIES = Policies(by_class={"fast": Policy(raw_days=10, minute_days=100, hour_days=1_000)})


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
