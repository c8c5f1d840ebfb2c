"""Scoring live: untrained streams learn, hold their budget, find what was planted, and go on after a restart."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from inference.bundle import AlarmPolicy
from inference.fitted import fit
from inference.runtime import SCORES, Event, Model, Scorer, Settings, Stream
from wire.errors import InputError

MINUTE_US = 60_000_000
T0 = 1_780_876_800_000_000  # Monday 2026-06-08
DAY = 1_440  # rows of a minute
STREAMS = [
    Stream(id=5 * n + 3, key=f"gw/{device}/{metric}", asset=f"gw/{device}", period_s=30.0, point_class=metric)
    for n, (device, metric) in enumerate((d, m) for d in ("a", "b", "c") for m in ("heat", "flow", "load"))
]
IDS = np.array([stream.id for stream in STREAMS], np.uint32)


def days(count: float, seed: int = 1) -> NDArray[np.float64]:
    """Half-minute readings of all streams: a daily wave, noise, and a load that switches."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(count * 2 * DAY))
    wave = np.sin(2 * np.pi * t / (2 * DAY))[:, None]
    values = 20 + 3 * wave + rng.normal(0, 0.3, (len(t), len(STREAMS)))
    values[:, 2::3] = 4.0 * (rng.random((len(t), 3)) < 0.3) + rng.normal(0, 0.02, (len(t), 3))
    return values


def play(
    scorer: Scorer, values: NDArray[np.float64], start_us: int = T0, every: int = 20
) -> tuple[pa.Table, list[Event]]:
    """Push readings in lots of `every` rows and tick after each."""
    tables, events = [], []
    for low in range(0, len(values), every):
        part = values[low : low + every]
        ts = start_us + (low + np.arange(len(part))) * MINUTE_US // 2
        scorer.push(np.repeat(ts, len(IDS)), np.tile(IDS, len(part)), part.ravel())
        tables.append(scorer.tick(int(ts[-1]) + MINUTE_US // 2 + 2_000_000))
        events += scorer.events()
    return pa.concat_tables(tables), events


def began_late(events: list[Event], values: NDArray[np.float64], rows: int, kind: str = "opened") -> list[Event]:
    """What began within the last `rows` rows, where something was planted; before, the budget allows a few."""
    begin_us = T0 + (len(values) - rows) * MINUTE_US // 2
    return [event for event in events if event.since_us >= begin_us and (not kind or event.kind == kind)]


def watching(settings: Settings | None = None) -> Scorer:
    scorer = Scorer(settings)
    scorer.watch(STREAMS)
    return scorer


def test_a_planted_shift_of_two_points_of_a_device_is_one_episode_that_names_them() -> None:
    values = days(3)
    values[-800:-400, 3] += 9  # b/heat
    values[-780:-400, 4] += 6  # b/flow
    table, events = play(watching(), values)
    opened = began_late(events, values, 800)
    assert [event.asset for event in opened] == ["gw/b"]
    assert opened[0].channels[0].key == "gw/b/heat"
    assert opened[0].channels[0].direction == 1
    assert opened[0].nearest is not None
    assert opened[0].nearest[1] < opened[0].since_us
    told = began_late(events, values, 800, "updated")[-1]
    assert {channel.key for channel in told.channels[:2]} == {"gw/b/heat", "gw/b/flow"}
    assert len(began_late(events, values, 800, "closed")) == 1
    assert table.schema.equals(SCORES)
    explained = [text for text in table["channels"].to_pylist() if text]
    assert "gw/b/heat" in explained[-1]


def test_quiet_days_stay_within_the_budget() -> None:
    budget = 0.05
    _, events = play(watching(Settings(budget_per_day=budget)), days(12, seed=4), every=200)
    assert sum(event.kind == "opened" for event in events) <= 2 * budget * len(STREAMS) * 12


def test_scores_do_not_depend_on_how_readings_were_batched() -> None:
    values = days(1.5)
    one, _ = play(watching(), values, every=7)
    other, _ = play(watching(), values, every=311)
    for name in ("point", "ts", "alarm"):
        assert one[name].to_pylist() == other[name].to_pylist()
    np.testing.assert_allclose(one["score"].to_numpy(), other["score"].to_numpy(), atol=1e-6)


def test_a_restart_neither_learns_anew_nor_alarms_again() -> None:
    values = days(3)
    values[-800:, 3] += 9
    settings, cut = Settings(), len(values) - 400
    whole, _ = play(watching(settings), values, every=40)
    first = watching(settings)
    before, events = play(first, values[:cut], every=40)
    assert len(began_late(events, values, 800)) == 1
    second = Scorer(settings)
    assert second.restore(first.save()) > T0
    second.watch(STREAMS[:4])
    second.watch(STREAMS[4:])
    after, again = play(second, values[cut:], T0 + cut * MINUTE_US // 2, every=40)
    assert not [event for event in again if event.kind == "opened"]
    joined = pa.concat_tables([before, after])
    assert joined["ts"].to_pylist() == whole["ts"].to_pylist()
    np.testing.assert_allclose(joined["score"].to_numpy(), whole["score"].to_numpy(), atol=1e-6)


def test_a_foreign_state_is_refused_and_says_what_to_do() -> None:
    for data in (b"", b"PK\x03\x04rubbish", watching().save()[:-40]):
        with pytest.raises(InputError, match="scorer"):
            Scorer().restore(data)


def test_a_frozen_sensor_of_a_living_device_is_called_stuck() -> None:
    values = days(1.5)
    values[-200:, 0] = values[-201, 0]
    _, events = play(watching(), values)
    opened = [event for event in events if event.kind == "opened"]
    assert [(event.asset, event.channels[0].key, event.channels[0].fact) for event in opened] == [
        ("gw/a", "gw/a/heat", "stuck")
    ]


def test_spikes_that_come_back_at_once_are_one_episode() -> None:
    values = days(2)
    values[-240::20, 1] += 15
    _, events = play(watching(), values)
    assert [event.asset for event in began_late(events, values, 240)] == ["gw/a"]
    assert "spikes" in [event.channels[0].fact for event in began_late(events, values, 240, "")]


def test_a_device_whose_clock_leaves_the_others_is_told() -> None:
    scorer = watching()
    for row in range(200):
        now = T0 + row * 30_000_000
        ahead = np.where(np.arange(9) < 3, 900_000_000 if row > 100 else 0, 0)
        scorer.push(now + ahead, IDS, np.full(9, 20.0) + row % 3, arrived_us=now)
        scorer.tick(now)
    opened = [event for event in scorer.events() if event.kind == "opened"]
    assert [(event.asset, event.channels[0].fact) for event in opened] == [("gw/a", "clock")]


def test_assets_that_follow_with_the_same_quantity_are_one_cause() -> None:
    values = days(3)
    for column, delay in ((0, 0), (3, 8), (6, 14)):
        values[-800 + delay :, column] -= 9
    _, events = play(watching(), values)
    assert len(began_late(events, values, 800)) == 1
    assert len(began_late(events, values, 800, "updated")[-1].also) == 2


def test_a_false_alarm_raises_the_threshold_of_its_streams_alone_and_within_bounds() -> None:
    scorer = watching()
    first = scorer.feedback(["gw/a/heat"], accepted=False)["gw/a/heat"]
    for _ in range(50):
        last = scorer.feedback(["gw/a/heat"], accepted=False)["gw/a/heat"]
    assert first < last <= first + 4
    assert scorer.feedback(["gw/a/flow", "gw/x/none"], accepted=False) == {"gw/a/flow": first}


def test_bad_readings_late_ones_and_strangers_change_no_score() -> None:
    values = days(1)
    clean, _ = play(watching(), values, every=100)
    scorer = watching()
    tables = []
    for low in range(0, len(values), 100):
        part = values[low : low + 100]
        ts = T0 + (low + np.arange(len(part))) * MINUTE_US // 2
        scorer.push(np.repeat(ts, 9), np.tile(IDS, len(part)), part.ravel())
        scorer.push(ts[:1], np.array([4_000_000], np.uint32), np.array([1.0]))
        scorer.push(ts[:2], IDS[:2], np.array([np.nan, np.inf]))
        scorer.push(ts[:1], IDS[:1], np.array([1e9]), np.array([8], np.uint8))
        scorer.push(np.array([T0 - 10 * MINUTE_US]), IDS[:1], np.array([1e9])) if low else None
        tables.append(scorer.tick(int(ts[-1]) + MINUTE_US // 2 + 2_000_000))
    assert pa.concat_tables(tables).equals(clean)
    assert scorer.figures["too_late"] == len(range(0, len(values), 100)) - 1


def test_a_stream_that_reports_by_exception_holds_its_value_and_a_silent_one_is_a_gap() -> None:
    scorer = Scorer()
    scorer.watch([Stream(id=1, key="gw/a/x", asset="gw/a"), Stream(id=2, key="gw/a/y", asset="gw/a", period_s=60.0)])
    scorer.push(np.array([T0, T0]), np.array([1, 2], np.uint32), np.array([5.0, 5.0]))
    table = scorer.tick(T0 + 10 * MINUTE_US + 2_000_000)
    assert table["point"].to_pylist().count(1) == 10
    assert table["point"].to_pylist().count(2) == 1
    assert scorer.figures["gap_rows"] == 9


def test_a_trained_asset_scores_in_place_of_its_streams_and_a_shadow_rings_nothing() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(size=(1_200, 1))
    normal = common @ np.ones((1, 3)) + 0.1 * rng.normal(size=(1_200, 3))
    names = [stream.key for stream in STREAMS[:3]]
    data = fit(normal, names, pooled=True, alarm=AlarmPolicy(row_s=60.0, budget_per_day=0.5)).to_bytes()
    live = np.repeat(normal[:400], 2, axis=0)
    live[600:, 1] = -live[600:, 1]  # within its range, against the others
    wide = np.concatenate([live, np.tile(20.0 + rng.normal(0, 0.1, (800, 1)), (1, 6))], axis=1)
    for mode, expected in (("live", ["gw/a"]), ("shadow", [])):
        scorer = Scorer(models=[Model(data, name="m", version="1", mode=mode)])  # type: ignore[arg-type]
        scorer.watch(STREAMS)
        _, events = play(scorer, wide)
        opened = [event for event in events if event.kind == "opened"]
        assert [event.asset for event in opened] == expected
        if opened:
            assert opened[0].channels[0].key == "gw/a/flow"
            assert opened[0].model == {"id": "m", "version": "1"}


def test_memory_is_bounded_by_streams_not_by_time() -> None:
    scorer = watching()
    play(scorer, days(1), every=200)
    sizes = [len(scorer.save())]
    for day in (1, 2):
        play(scorer, days(1, seed=day), T0 + day * DAY * MINUTE_US, every=200)
        sizes.append(len(scorer.save()))
    assert max(sizes) < 1.1 * min(sizes)
