"""What turns an alarm: limits with room and patience, bad values, texts, silence; vectorised as one by one."""

import numpy as np
import pytest

from tests.twin_alarms.conftest import T0, S, rows, view
from twin.alarms.rules import Rules, alarms_of, rules_from_toml
from twin.alarms.watch import PointWatch, Turn
from twin.state import NO_TIME, Rows
from wire.quality import BAD, HISTORICAL, NOT_A_NUMBER


def watch(toml: str = "", **fields: object) -> PointWatch:
    rules = rules_from_toml(toml, file="alarms.toml") if toml else Rules()
    return PointWatch(alarms_of([view(1, **fields)], rules))


def told(turns: list[Turn]) -> list[tuple[str, bool, int]]:
    return [(turn.alarm.kind, turn.active, (turn.at_us - T0) // S) for turn in turns]


HIGH = "[[alarm]]\nhigh = 30.0\ndeadband = 2.0\non_delay_s = 10.0\noff_delay_s = 20.0\n"


def test_a_value_at_its_limit_is_in_order_and_above_it_is_not() -> None:
    one = watch(high=30.0)
    assert told(one.take(rows(1, T0, 30.0))) == []
    assert told(one.take(rows(1, T0 + S, 30.001))) == [("high", True, 1)]


def test_it_must_last_to_ring_and_leave_the_deadband_to_end() -> None:
    one = watch(HIGH)
    assert told(one.take(rows(1, T0, 31.0))) == []
    assert told(one.take(rows(1, T0 + 9 * S, 31.0))) == []
    assert told(one.take(rows(1, T0 + 10 * S, 31.0))) == [("high", True, 10)]
    assert told(one.take(rows(1, T0 + 11 * S, 29.0))) == []  # within the deadband nothing ends
    assert told(one.take(rows(1, T0 + 60 * S, 27.9))) == []
    assert told(one.take(rows(1, T0 + 79 * S, 27.0))) == []
    assert told(one.take(rows(1, T0 + 80 * S, 27.0))) == [("high", False, 80)]


def test_a_short_peak_rings_nothing() -> None:
    one = watch(HIGH)
    assert told(one.take(rows(1, T0 + np.arange(5) * S, [31, 31, 29, 31, 29]))) == []
    assert told(one.take(rows(1, T0 + 5 * S, 29.0))) == []
    assert told(one.tick(T0 + 3_600 * S)) == []


def test_time_alone_raises_what_was_out_of_limits_when_it_spoke_last() -> None:
    one = watch(HIGH)
    one.take(rows(1, T0, 31.0))
    assert told(one.tick(T0 + 9 * S)) == []
    assert told(one.tick(T0 + 15 * S)) == [("high", True, 10)]


def test_bad_values_ring_as_such_and_say_nothing_of_limits() -> None:
    one = watch("[[alarm]]\nbad = true\nhigh = 30.0\noff_delay_s = 0.0\n")
    assert told(one.take(rows(1, T0, 99.0, BAD))) == [("bad", True, 0)]
    assert told(one.take(rows(1, T0 + S, np.nan, NOT_A_NUMBER))) == []
    assert told(one.take(rows(1, T0 + 2 * S, 31.0))) == [("high", True, 2), ("bad", False, 2)]


def test_a_text_that_is_named_rings() -> None:
    one = watch('[[alarm]]\nstates = ["FAULT"]\noff_delay_s = 0.0\n', kind="state")
    texts = Rows(
        np.array([1, 1, 1], np.uint32), T0 + np.arange(3) * S, np.full(3, np.nan), np.zeros(3, np.uint8), T0,
        np.array(["RUN", "FAULT", "RUN"], object),
    )  # fmt: skip
    assert told(one.take(texts)) == [("state", True, 1), ("state", False, 2)]


def test_a_backlog_behind_a_live_link_rings_nothing() -> None:
    one = watch(high=30.0)
    one.take(rows(1, T0 + 100 * S, 20.0))
    assert told(one.take(rows(1, T0 + np.arange(50) * S, 99.0))) == []
    assert told(one.take(rows(1, T0 + 200 * S, 99.0, HISTORICAL))) == []
    assert one.late == 51


def test_a_computed_value_that_means_nothing_now_does_not_ring() -> None:
    kinds = {
        name: [alarm.kind for alarm in alarms_of([view(1, point_class=name)], Rules())] for name in ("power", "derived")
    }
    assert ("bad" in kinds["power"], "bad" in kinds["derived"]) == (True, False)


def test_patience_in_periods_is_for_points_that_have_one() -> None:
    rules = rules_from_toml("[[alarm]]\nstale_periods = 30\n", file="alarms.toml")
    told_by = {
        period: [alarm.limit for alarm in alarms_of([view(1, period_s=period)], rules) if alarm.kind == "stale"]
        for period in (None, 1.0, 30.0)
    }
    assert told_by == {None: [], 1.0: [60.0], 30.0: [900.0]}  # never within a minute


def test_silence_rings_after_its_time_and_ends_with_the_next_word() -> None:
    one = watch(period_s=30.0)
    heard = np.array([T0])
    assert one.stale_points.tolist() == [1]
    assert told(one.silent(T0 + 90 * S, heard)) == []
    assert told(one.silent(T0 + 91 * S, heard)) == [("stale", True, 90)]
    assert told(one.silent(T0 + 95 * S, heard)) == []
    assert told(one.silent(T0 + 100 * S, np.array([T0 + 99 * S]))) == [("stale", False, 99)]
    assert told(watch(period_s=30.0).silent(T0 + 1_000 * S, np.array([NO_TIME]))) == []  # never heard: not silent


def test_rules_that_change_carry_on_what_rings() -> None:
    first = watch(high=30.0)
    first.take(rows(1, T0, 35.0))
    second = PointWatch(alarms_of([view(1, high=25.0)], Rules()), {"point:gw/d1/m:high"})
    assert told(second.take(rows(1, T0 + S, 26.0))) == []
    assert told(second.take(rows(1, T0 + 2 * S, 24.0)) + second.tick(T0 + 60 * S)) == [("high", False, 7)]


@pytest.mark.parametrize("seed", range(6))
def test_many_points_at_once_turn_as_each_alone_would(seed: int) -> None:
    """The oracle follows each point and each reading by plain comparison; batches are cut at random."""
    rng = np.random.default_rng(seed)
    limits = {point: (float(rng.integers(-3, 0)), float(rng.integers(1, 4))) for point in range(1, 21)}
    views = [view(point, low=low, high=high) for point, (low, high) in limits.items()]
    rules = rules_from_toml("[[alarm]]\nhigh_high = 3.5\non_delay_s = 0.0\noff_delay_s = 0.0\n", file="a")
    alarms = [msg for msg in alarms_of(views, rules) if msg.kind in ("high", "low", "high_high")]
    one = PointWatch(alarms)
    count = 3_000
    point = rng.integers(1, 23, count)  # two of them have no alarm
    ts_us, value = T0 + np.arange(count) * S, np.round(rng.normal(scale=2.0, size=count), 1)
    found: list[tuple[int, str, bool, int]] = []
    start = 0
    while start < count:
        stop = min(count, start + int(rng.integers(1, 200)))
        turns = one.take(rows(point[start:stop], ts_us[start:stop], value[start:stop]))
        found += [(turn.alarm.point, turn.alarm.kind, turn.active, turn.at_us) for turn in turns]
        start = stop
    expected = []
    for alarm in alarms:
        active, since = False, None
        for at, number in zip(ts_us[point == alarm.point].tolist(), value[point == alarm.point].tolist(), strict=True):
            holds = number < alarm.limit if alarm.kind == "low" else number > alarm.limit
            if holds == active:
                since = None
                continue
            since = at if since is None else since
            wait_us = alarm.off_us if active else alarm.on_us
            if at - since >= wait_us:
                expected.append((alarm.point, alarm.kind, holds, since + wait_us))
                active, since = holds, None
    assert len(expected) > 100
    assert sorted(found) == sorted(expected)


def test_a_flood_beyond_its_limits_costs_only_its_turning_points() -> None:
    one = watch("[[alarm]]\nhigh = 0.5\noff_delay_s = 0.0\n")
    value = np.zeros(200_000)
    value[50_000:150_000] = 1.0
    turns = one.take(rows(1, T0 + np.arange(200_000), value))
    assert [(turn.active, turn.at_us - T0) for turn in turns] == [(True, 50_000), (False, 150_000)]
