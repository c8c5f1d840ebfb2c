"""Relations between channels: what is learned, what rings, what stays quiet, and what a state keeps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.diagnosis.rules import load_rules
from inference.runtime import Event, Scorer, Settings, Stream
from inference.runtime.relations.baseline import WIDTH, Baseline
from inference.runtime.relations.inputs import Runs, peers_median
from inference.runtime.relations.plan import plan
from inference.runtime.relations.table import GIVEN_MAX, load_relations
from inference.runtime.replay import Replays

MINUTE_US = 60_000_000
T0 = 1_780_876_800_000_000
DAY = 1_440
METRICS = (("filter_pressure", "pressure"), ("supply_air_flow", "flow"), ("supply_fan_speed", "speed_command"))
STREAMS = [
    Stream(id=3 * n + m, key=f"gw/{unit}/{metric}", asset=f"gw/{unit}", period_s=60.0, point_class=own)
    for n, unit in enumerate(("north", "south"))
    for m, (metric, own) in enumerate(METRICS)
]


def air(days: float, seed: int = 1) -> NDArray[np.float64]:
    """Two air handlers by demand, minute by minute: dp = r flow², flow = k speed; both wander over the whole range."""
    rng = np.random.default_rng(seed)
    rows = round(days * DAY)
    walk = np.cumsum(rng.normal(0, 0.6, (rows, 2)), axis=0)
    speed = 60 + 25 * np.sin(2 * np.pi * np.arange(rows) / DAY)[:, None] + 12 * np.tanh(walk / 12)
    flow = 40.0 * speed * np.exp(rng.normal(0, 0.015, (rows, 2)))
    dp = 2.2e-5 * flow**2 * np.exp(rng.normal(0, 0.02, (rows, 2)))
    return np.stack([dp, flow, speed], axis=2).reshape(rows, 6)


def lived(scorer: Scorer, values: NDArray[np.float64], start: int = 0) -> list[Event]:
    ids = np.array([one.id for one in STREAMS], np.uint32)
    for low in range(0, len(values), 60):
        part = values[low : low + 60]
        ts = T0 + (start + low + np.arange(len(part))) * MINUTE_US
        said = np.isfinite(part)
        scorer.push(np.repeat(ts, 6)[said.ravel()], np.tile(ids, len(part))[said.ravel()], part[said])
        scorer.tick(int(ts[-1]) + MINUTE_US)
    return scorer.events()


@pytest.fixture(scope="module")
def learned() -> bytes:
    scorer = Scorer(Settings())
    scorer.watch(STREAMS)
    lived(scorer, air(4))
    return scorer.save()


def again(state: bytes) -> Scorer:
    scorer = Scorer(Settings())
    scorer.restore(state)
    scorer.watch(STREAMS)
    return scorer


def test_a_filter_that_clogs_within_the_usual_range_of_every_channel_is_named_by_its_resistance(learned: bytes) -> None:
    values = air(5)[4 * DAY :]
    clogged = values.copy()
    low_dp = values[200:600, 0] * 1.6
    clogged[200:600, 0] = np.minimum(low_dp, air(4)[:, 0].max())
    opened = [event for event in lived(again(learned), clogged, 4 * DAY) if event.kind == "opened"]
    mine = [event for event in opened if event.since_us >= T0 + (4 * DAY + 200) * MINUTE_US]
    assert [event.asset for event in mine] == ["gw/north"]
    relation = next(one for one in mine[0].channels if one.key == "gw/north/filter_resistance")
    assert relation.direction == 1
    assert relation.of == ["gw/north/filter_pressure", "gw/north/supply_air_flow"]
    assert relation.point == STREAMS[0].id


def test_a_quiet_day_rings_nothing(learned: bytes) -> None:
    assert not [event for event in lived(again(learned), air(5)[4 * DAY :], 4 * DAY) if event.kind == "opened"]


def test_a_state_goes_on_where_it_stopped_whatever_order_streams_come_in(learned: bytes) -> None:
    values = air(4.5)[4 * DAY :]
    one, other = again(learned), Scorer(Settings())
    other.restore(learned)
    other.watch(STREAMS[:2])
    other.watch(STREAMS[2:])
    for scorer in (one, other):
        lived(scorer, values, 4 * DAY)
    places = [place.key for place in one._relations.places]
    assert len(places) == 4
    assert places == [place.key for place in other._relations.places]
    assert one._relations.score.max() > 0.0
    np.testing.assert_allclose(one._relations.score, other._relations.score, atol=1e-6)


def test_a_verdict_on_a_relation_moves_its_threshold(learned: bytes) -> None:
    scorer = again(learned)
    first = scorer.feedback(["gw/north/filter_resistance"], False)["gw/north/filter_resistance"]
    second = scorer.feedback(["gw/north/filter_resistance"], False)["gw/north/filter_resistance"]
    assert second > first
    assert scorer.feedback(["gw/north/nothing"], False) == {}


def test_the_baseline_is_the_least_squares_line_and_is_unsure_far_from_what_it_saw() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(5, 2, (640, 2))
    y = 3.0 + 2.0 * x[:, 0] - 0.5 * x[:, 1] + rng.normal(0, 0.1, 640)
    point = np.zeros((640, WIDTH))
    point[:, 0], point[:, 1:3], point[:, -1] = 1.0, x, y
    baseline = Baseline(1)
    for begin in range(0, 640, 64):
        part = point[begin : begin + 64]
        baseline.learn(np.array([0]), (part[:, :, None] * part[:, None, :]).sum(axis=0)[None])
    given = np.zeros((1, GIVEN_MAX))
    given[0, :2] = (6.0, 4.0)
    slopes, *_ = np.linalg.lstsq(np.column_stack([np.ones(640), x]), y, rcond=None)
    expected, wide = baseline.expect(given)
    assert expected[0] == pytest.approx(slopes @ [1.0, 6.0, 4.0], abs=0.15)  # the ridge pulls a little
    assert baseline.spread[0] == pytest.approx(0.1, rel=0.5)
    assert wide[0] < 1.2
    given[0, :2] = (60.0, 4.0)
    assert baseline.expect(given)[1][0] > 5.0


def test_peers_are_the_median_of_the_others() -> None:
    values = np.array([1.0, 5.0, np.nan, 2.0, 9.0])
    expected = [np.nanmedian(np.delete(values, at)) for at in range(5)]
    np.testing.assert_allclose(peers_median(values), expected)
    assert np.isnan(peers_median(np.array([1.0, np.nan]))[0])


def test_runs_are_told_by_their_length_and_forgotten_after_a_silence() -> None:
    from inference.runtime.intake import Chunk

    runs = Runs(1)
    values = [0, 1, 1, 1, 1, 0, 0, 0]
    ts = np.arange(8, dtype=np.int64) * MINUTE_US
    runs.take(Chunk(np.zeros(8, np.intp), ts, np.array(values, float)))
    assert runs.minutes(int(ts[-1]))[0] == pytest.approx(4.0)
    assert np.isnan(runs.minutes(int(ts[-1]) + 10_000 * MINUTE_US)[0])


def test_every_relation_is_a_role_of_diagnosis_and_every_device_of_its_roles_has_it() -> None:
    assert {one.name for one in load_relations()} == set(load_rules().relations)
    assert {place.key for place in plan(STREAMS)} == {
        f"gw/{unit}/{name}" for unit in ("north", "south") for name in ("filter_resistance", "fan_delivery")
    }


def _replayed(values: NDArray[np.float64], every: int = 7) -> list[int]:
    """Rows at which a device of these channels is called replayed."""
    from inference.runtime.intake import Chunk

    rows, width = values.shape
    replays, found = Replays(np.zeros(width, np.intp)), []
    for low in range(0, rows, every):
        part = values[low : low + every]
        ts = np.repeat((low + np.arange(len(part))) * 1_000_000, width)
        replays.take(Chunk(np.tile(np.arange(width), len(part)), ts, part.ravel()))
        found += [low] if replays.active[0] else []
    return found


def test_a_replayed_window_is_found_and_a_living_device_is_not() -> None:
    rng = np.random.default_rng(5)
    living = np.round(np.cumsum(rng.normal(0, 0.2, (4_000, 3)), axis=0), 1)
    assert _replayed(living) == []
    told = living.copy()
    told[3_000:3_600] = np.tile(living[2_800:3_000], (3, 1))
    found = _replayed(told)
    assert 3_000 < found[0] < 3_100
    assert found[-1] < 3_630


def test_a_device_that_rests_between_few_values_is_not_called_replayed() -> None:
    rng = np.random.default_rng(6)
    toggling = rng.integers(0, 2, (4_000, 3)).astype(float)
    assert _replayed(toggling) == []
