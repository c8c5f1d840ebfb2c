"""The state of any moment is the same with hot frames as without, whatever arrives, moves or turns back meanwhile."""

from typing import Any

import numpy as np
import pytest

from twin import compaction, hot
from twin.asof import moment
from twin.store import Store
from wire.clock import ManualClock

T0 = 1_750_000_000_000_000
MINUTE_US = 60_000_000


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame each 200 rows, a file each 2,000."""
    monkeypatch.setattr(hot, "FRAME_ROWS", 200)
    monkeypatch.setattr(compaction, "FILE_ROWS", 2_000)
    monkeypatch.setattr(compaction, "BUCKET_ROWS_MAX", 500)


def agree(store: Store, at_us: int, known_us: int | None = None) -> None:
    with store.snapshot() as cursor:
        frames = moment(cursor, store._reader, "readings", at_us, known_us, hot=store.hot["readings"].before)
        plain = moment(cursor, store._reader, "readings", at_us, known_us)
    assert [column.tolist() for column in frames] == [column.tolist() for column in plain]


@pytest.mark.usefixtures("small_frames")
@pytest.mark.parametrize("seed", range(3))
def test_any_moment_is_answered_alike_with_and_without_frames(
    bench: Any, agent: Any, clock: ManualClock, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    bench.take([agent.catalogue(agent.points(20))])
    started, made = clock.wall_us(), 0
    for step in range(40):
        clock.advance(30 + rng.random())
        late_us = rng.choice([0, 1, 60, 900, 4_000], 100, p=[0.8, 0.05, 0.05, 0.05, 0.05]) * 1_000_000
        ahead_us = rng.choice([0, 100_000_000], 100, p=[0.97, 0.03])
        ts = clock.wall_us() - rng.integers(0, 30_000_000, 100) - late_us + ahead_us
        bench.take(agent.readings(rng.integers(0, 20, 100), ts, rng.normal(size=100)))
        made += bench.store.keep_hot()
        if step % 13 == 12:
            bench.store.compact(force=bool(rng.integers(2)))
        if step == 25 and seed % 2:
            clock.jump(-int(rng.integers(1, 600)) * 1_000_000)  # somebody sets the twin's clock back
        for at_us in rng.integers(started - 10 * MINUTE_US, clock.wall_us() + 2 * MINUTE_US, 6).tolist():
            agree(bench.store, at_us)
            agree(bench.store, at_us, int(rng.integers(started, clock.wall_us())))
    assert made > 10


@pytest.mark.usefixtures("small_frames")
def test_after_a_start_the_frames_of_all_warm_rows_are_made_again(bench: Any, agent: Any, clock: ManualClock) -> None:
    bench.take([agent.catalogue(agent.points(10))])
    for _ in range(30):
        clock.advance(60)
        bench.take(agent.readings(np.arange(100) % 10, clock.wall_us() - np.arange(100) * 600_000, np.arange(100)))
    folder = bench.store.data_dir
    bench.store.__exit__()
    with Store.open(folder, site="lab", clock=clock) as store:
        assert store.keep_hot() >= 3_000 // 200 - 1
        frames = store.hot["readings"]
        moments = range(T0 + 2 * MINUTE_US, clock.wall_us(), 7 * MINUTE_US)
        assert all(frames.before(at_us) is not None for at_us in list(moments)[3:])
        for at_us in moments:
            agree(store, at_us)


@pytest.mark.usefixtures("small_frames")
def test_a_question_about_what_was_known_uses_no_frame_that_knows_more(
    bench: Any, agent: Any, clock: ManualClock
) -> None:
    bench.take([agent.catalogue(agent.points(1))])
    for _ in range(3):
        clock.advance(60)
        bench.take(agent.readings([0] * 300, clock.wall_us() + np.arange(300), np.arange(300.0)))
        bench.store.keep_hot()
    frames = bench.store.hot["readings"]
    assert len(frames) >= 2
    newest = frames.before(clock.wall_us())
    assert newest is not None
    older = frames.before(clock.wall_us(), newest.known_us - 1)
    assert older is None or older.known_us < newest.known_us


@pytest.mark.usefixtures("small_frames")
def test_frames_stay_within_their_bytes(
    bench: Any, agent: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "FRAMES_BYTES_MAX", 8 * 10 * 29)
    bench.take([agent.catalogue(agent.points(10))])
    newest_us = 0
    for _ in range(40):
        clock.advance(5)
        newest_us = clock.wall_us()
        bench.take(agent.readings(np.arange(200) % 10, newest_us - np.arange(200)[::-1], np.arange(200)))
        bench.store.keep_hot()
    frames = bench.store.hot["readings"]
    assert 4 <= len(frames) <= 8
    assert frames.before(newest_us) is not None
    assert frames.before(newest_us).at_us == newest_us, "the newest is never thinned"
