"""Compaction, history and as-of reads agree with a plain model of all rows, whatever lies where."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from twin import compaction, footers
from twin.compaction import DAY_US, HOUR_US, SLOT_US, Slots, plan
from twin.footers import GROUPS_KEY
from twin.store import Store
from wire.clock import ManualClock

T0 = 1_750_000_000_000_000
DAY0 = T0 // DAY_US * DAY_US


class Model:
    """Every row that was ever stored, in plain arrays."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, float, int, int]] = []  # point, ts, value, quality, recv

    def add(self, point: Any, ts: Any, value: Any, recv_us: int) -> None:
        self.rows += [(int(p) + 1, int(t), float(v), 0, recv_us) for p, t, v in zip(point, ts, value, strict=True)]

    def state(self, at_us: int, known_us: int | None = None) -> dict[int, tuple[int, float]]:
        found: dict[int, tuple[int, int, float]] = {}
        for point, ts, value, _, recv in self.rows:
            seen = known_us is None or recv <= known_us
            if seen and ts <= at_us and (point not in found or (ts, recv) >= found[point][:2]):
                found[point] = (ts, recv, value)
        return {point: (ts, value) for point, (ts, _, value) in found.items()}

    def history(self, point: int, lo: int, hi: int, known_us: int | None = None) -> list[tuple[int, float]]:
        mine = [r for r in self.rows if r[0] == point and lo <= r[1] < hi]
        return sorted((ts, value) for _, ts, value, _, recv in mine if known_us is None or recv <= known_us)


def shown(table: Any) -> dict[int, tuple[int, float]]:
    rows = zip(table.point.tolist(), table.ts_us.tolist(), table.value.tolist(), strict=True)
    return {point: (ts, value) for point, ts, value in rows}


def keyframes_have_all_cold_rows(bench: Any) -> None:
    """Of each point a keyframe has a row that exists, lies before it, and is not older than any cold one there."""
    columns = "point, epoch_us(ts), value, quality, epoch_us(recv)"
    cold = Model()
    cold.rows = bench.sql(f"SELECT {columns} FROM readings EXCEPT ALL SELECT {columns} FROM readings_warm")
    exist = set(bench.sql("SELECT point, epoch_us(ts), value FROM readings"))
    for (at_us,) in bench.sql("SELECT DISTINCT at_us FROM keyframes"):
        kept = bench.sql(f"SELECT point, epoch_us(ts), value FROM keyframes WHERE at_us = {at_us}")
        assert exist.issuperset(kept)
        times = {point: ts for point, ts, _ in kept}
        assert len(times) == len(kept), "one row a point"
        assert all(ts <= times.get(point, -1) < at_us for point, (ts, _) in cold.state(at_us - 1).items())


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a few thousand rows make many files, buckets and groups."""
    monkeypatch.setattr(compaction, "FILE_ROWS", 400)
    monkeypatch.setattr(compaction, "BUCKET_ROWS_MAX", 100)
    monkeypatch.setattr("twin.cold.GROUP_ROWS", 32)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("seed", range(4))
def test_reads_agree_with_a_plain_model_at_every_stage_of_compaction(
    bench: Any, agent: Any, clock: ManualClock, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    model = Model()
    bench.take([agent.catalogue(agent.points(12))])
    clock.jump(40 * DAY_US)
    for step in range(10):
        count = int(rng.integers(50, 700))
        point = rng.integers(0, 12 if step % 3 else 5, count)
        spread = [3 * HOUR_US, 5 * DAY_US, 20 * DAY_US][step % 3]
        ts = DAY0 + rng.integers(0, 6) * DAY_US + rng.integers(0, spread, count)
        if step % 2:
            ts = np.sort(ts)
        value = np.round(rng.normal(20, 5, count), 2)
        bench.take(agent.readings(point, ts, value, rows=100))
        model.add(point, ts, value, clock.wall_us())
        clock.advance(40)
        if step % 3 == 2:
            bench.store.compact(force=step == 8)
            keyframes_have_all_cold_rows(bench)
        moments = rng.integers(DAY0 - HOUR_US, DAY0 + 26 * DAY_US, 4).tolist()
        for at_us in moments:
            known = int(clock.wall_us() - rng.integers(0, 500_000_000))
            assert shown(bench.store.state_at(at_us)) == model.state(at_us)
            assert shown(bench.store.state_at(at_us, known_at_us=known)) == model.state(at_us, known)
        lo, hi = sorted(rng.integers(DAY0, DAY0 + 26 * DAY_US, 2).tolist())
        for series in bench.store.history([3, 7], lo, hi):
            got = sorted(zip(series.ts_us.tolist(), series.values.tolist(), strict=True))
            assert got == model.history(series.point, lo, hi)
            assert (np.diff(series.ts_us) >= 0).all()
        known = int(clock.wall_us() - 100_000_000)
        (series,) = bench.store.history([5], lo, hi, known_at_us=known)
        assert series.source_rows == len(model.history(5, lo, hi, known))
        assert bench.sql("SELECT count(*), sum(round(value * 100)::BIGINT) FROM readings") == [
            (len(model.rows), sum(round(row[2] * 100) for row in model.rows))
        ]
    assert len(bench.store.cold_files()) > 1
    assert bench.store.counts()["readings"] == len(model.rows)
    span = bench.store.time_span()
    assert span == (min(row[1] for row in model.rows), max(row[1] for row in model.rows))


def test_a_restart_brings_the_same_live_values_back(tmp_path: Path, bench: Any, agent: Any, clock: ManualClock) -> None:
    bench.take([agent.catalogue(agent.points(3)), agent.states([2], [T0 + 5], ["on"])])
    bench.take(agent.readings([0, 1, 0], [T0, T0 + 1, T0 + 2], [1, 2, 3]))
    clock.jump(300 * DAY_US)
    bench.store.compact(force=True)
    bench.take(agent.readings([1], [T0 + 9], [4]))
    before = bench.store.state.snapshot()
    bench.store.__exit__(None, None, None)
    with Store.open(tmp_path / "data", site="lab", clock=clock) as again:
        after = again.state.snapshot()
        assert after.point.tolist() == before.point.tolist() == [1, 2, 3]
        assert after.ts_us.tolist() == before.ts_us.tolist()
        assert after.value.tolist()[:2] == [3, 4]
        assert after.text.tolist() == [None, None, "on"]


def test_states_are_compacted_and_read_back_as_text(bench: Any, agent: Any, clock: ManualClock) -> None:
    kinds = [
        p.__class__(**{f: getattr(p, f) for f in p.__struct_fields__} | {"kind": "state"}) for p in agent.points(1)
    ]
    texts = ["idle", "run", "運轉", ""]
    bench.take([agent.catalogue(kinds), agent.states([0] * 4, [T0 + n for n in range(4)], texts)])
    clock.jump(300 * DAY_US)
    assert len(bench.store.compact(force=True)) == 1
    (series,) = bench.store.history([1], T0, T0 + 10)
    assert series.values.tolist() == texts
    assert bench.store.state_at(T0 + 2).text.tolist() == ["運轉"]


def test_a_compaction_that_fails_changes_nothing(
    bench: Any, agent: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take([agent.catalogue(agent.points(1)), *agent.readings([0] * 50, range(T0, T0 + 50), range(50))])
    clock.jump(300 * DAY_US)

    def fails(_connection: object, _folder: object) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patch:
        patch.setattr("twin.views.refresh", fails)
        with pytest.raises(RuntimeError, match="planted"):
            bench.store.compact(force=True)
    assert bench.sql("SELECT count(*) FROM readings") == [(50,)]
    assert bench.sql("SELECT (SELECT count(*) FROM cold_files), (SELECT count(*) FROM keyframes)") == [(0, 0)]
    assert not [path for path in (bench.store.data_dir / "cold").rglob("*") if path.is_file()]
    bench.store.compact(force=True)
    assert bench.sql("SELECT count(*) FROM readings") == [(50,)]


def test_files_that_the_manifest_does_not_list_are_removed_and_missing_ones_named(
    tmp_path: Path, bench: Any, agent: Any, clock: ManualClock
) -> None:
    bench.take([agent.catalogue(agent.points(1)), *agent.readings([0] * 50, range(T0, T0 + 50), range(50))])
    clock.jump(300 * DAY_US)
    (file,) = bench.store.compact(force=True)
    bench.store.__exit__(None, None, None)
    orphan = (tmp_path / "data" / file.file).with_name("orphan.parquet")
    orphan.write_bytes((tmp_path / "data" / file.file).read_bytes())
    with Store.open(tmp_path / "data", site="lab", clock=clock) as again, again.cursor() as cursor:
        assert not orphan.exists()
        assert again.missing == []
        assert cursor.execute("SELECT count(*) FROM readings").fetchone() == (50,)
    (tmp_path / "data" / file.file).unlink()
    with Store.open(tmp_path / "data", site="lab", clock=clock) as again:
        assert again.missing == [file.file]
        (event,) = again.events(0, 2**61)
        assert event["kind"] == "store.file_missing"
        assert again.history([1], T0, T0 + 50)[0].source_rows == 0


def test_cold_files_are_sorted_by_bucket_point_and_time_in_groups_that_cross_no_bucket(
    bench: Any, agent: Any, clock: ManualClock, small_files: None
) -> None:
    rng = np.random.default_rng(1)
    bench.take([agent.catalogue(agent.points(9))])
    bench.take(agent.readings(rng.integers(0, 9, 900), DAY0 + rng.integers(0, HOUR_US, 900), rng.normal(size=900)))
    clock.jump(DAY_US)
    made = bench.store.compact()
    assert made
    for file in made:
        parquet = pq.ParquetFile(bench.store.data_dir / file.file)
        table = parquet.read()
        ts = table.column("ts").cast("int64").to_numpy()
        key = np.lexsort((ts, table.column("point").to_numpy(), ts // file.bucket_us))
        assert (key == np.arange(len(ts))).all()
        for group in range(parquet.num_row_groups):
            bounds = parquet.metadata.row_group(group).column(1).statistics
            assert bounds.min_raw // file.bucket_us == bounds.max_raw // file.bucket_us


def planned(rows: dict[int, int], now_us: int, **options: Any) -> list[tuple[int, int]]:
    slot = np.array(sorted(rows))
    warm = Slots(slot, np.array([rows[s] for s in slot]), np.zeros(len(slot), np.int64))
    return [(job.lo_us, job.hi_us) for job in plan("readings", warm, now_us, **options)]


def _per(span_us: int, spans: int, rows: int) -> dict[int, int]:
    return {DAY0 // SLOT_US + at * (span_us // SLOT_US): rows for at in range(spans)}


@pytest.mark.parametrize(
    ("rows", "spans_us"),
    [
        (_per(SLOT_US, 144, 20_000_000), [SLOT_US] * 144),  # 33,000 readings/s: a file every ten minutes
        (_per(SLOT_US, 144, 24_000), [DAY_US]),  # 10,000 points at five minutes: one a day
        (_per(SLOT_US, 144 * 64, 1_000), [8 * DAY_US] * 8),  # 100 points a minute: one in 8 days
        (_per(DAY_US, 1_000, 1_440), []),  # one point a minute for three years: not even one yet
    ],
)
def test_the_number_of_files_follows_the_rows_not_the_calendar(rows: dict[int, int], spans_us: list[int]) -> None:
    aligned = {slot - (DAY0 // SLOT_US) % (32 * 144): n for slot, n in rows.items()}
    jobs = planned(aligned, DAY0 + 2_000 * DAY_US)
    assert [hi - lo for lo, hi in jobs] == spans_us


def test_spans_that_are_not_over_or_still_receive_rows_wait() -> None:
    rows = _per(SLOT_US, 12, 2_000_000)
    assert len(planned(rows, DAY0 + 2 * HOUR_US + 6 * 60_000_000)) == 12
    assert len(planned(rows, DAY0 + HOUR_US + 4 * 60_000_000)) == 5
    slot = np.array(sorted(rows))
    busy = Slots(slot, np.full(12, 2_000_000), np.full(12, DAY0 + DAY_US))
    assert plan("readings", busy, DAY0 + DAY_US) == []


@pytest.mark.usefixtures("small_files")
def test_no_reader_sees_a_row_twice_or_misses_one_while_compaction_runs(
    bench: Any, agent: Any, clock: ManualClock, in_thread: Callable[[Callable[[], Any]], Any]
) -> None:
    bench.take([agent.catalogue(agent.points(4))])
    for at in range(20):
        ts = DAY0 + at * HOUR_US + np.arange(500) * 7_000_000
        bench.take(agent.readings(np.arange(500) % 4, ts, np.ones(500), rows=250))
    clock.jump(30 * DAY_US)
    clock.advance(60)
    seen: list[tuple[int, int, int]] = []

    def look() -> None:
        (row,) = bench.sql("SELECT count(*) FROM readings")
        (series,) = bench.store.history([2], DAY0, DAY0 + DAY_US)
        seen.append((row[0], series.source_rows, len(bench.store.state_at(DAY0 + 12 * HOUR_US).point)))

    with in_thread(look):
        while bench.store.compact():
            pass
        bench.store.compact(force=True)
    assert len(bench.store.cold_files()) > 3
    assert len(seen) > 3
    assert set(seen) == {(10_000, 2_500, 4)}


def test_a_file_says_itself_what_its_groups_hold(bench: Any, agent: Any) -> None:
    rng = np.random.default_rng(3)
    ids, ts = rng.integers(0, 40, 60_000), T0 + rng.integers(0, 2 * HOUR_US, 60_000)
    bench.take([agent.catalogue(agent.points(40)), *agent.readings(ids, ts, ids)])
    bench.store.compact(force=True)
    for path in bench.store.cold_files():
        footer = footers.read_footer(path)
        assert GROUPS_KEY.encode() in footer.metadata.metadata
        first_version = footers._statistics(footer.metadata)
        assert np.array_equal(np.stack(footer[1:]), first_version)


@pytest.mark.parametrize(("rows", "bucket_us"), [(24_000, DAY_US // 6), (600_000, SLOT_US), (20_000_000, 15_000_000)])
def test_no_bucket_has_more_rows_than_the_state_of_a_moment_can_read(rows: int, bucket_us: int) -> None:
    slot = np.arange(144) + DAY0 // SLOT_US
    jobs = plan("readings", Slots(slot, np.full(144, rows), np.zeros(144, np.int64)), DAY0 + 2 * DAY_US)
    assert {job.bucket_us for job in jobs} == {bucket_us}
    assert rows * bucket_us // SLOT_US <= compaction.BUCKET_ROWS_MAX
