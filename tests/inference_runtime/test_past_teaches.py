"""What a past teaches plain facts, how unsteady is told from away, and clocks that jitter."""

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.runtime import Event, Scorer, Settings, Stream
from inference.runtime.online import OnlineGroup

MINUTE_US = 60_000_000
T0 = 1_780_876_800_000_000
ROOMS = [
    Stream(id=2 * n + m, key=f"gw/room-{n}/{metric}", asset=f"gw/room-{n}", period_s=60.0, point_class=metric)
    for n in range(5)
    for m, metric in enumerate(("temperature", "humidity"))
]
IDS = np.array([one.id for one in ROOMS], np.uint32)


def air(rows: int, seed: int) -> NDArray[np.float64]:
    """Rooms whose air wanders, in steps of a tenth as devices say it."""
    walk = np.random.default_rng(seed).normal(0, 0.05, (rows, len(ROOMS))).cumsum(axis=0)
    return np.round(21.0 + 2.0 * np.tanh(walk / 4.0), 1)


def lived(scorer: Scorer, values: NDArray[np.float64], start: int, *, facts: bool) -> list[Event]:
    for low in range(0, len(values), 60):
        part = values[low : low + 60]
        ts = T0 + (start + low + np.arange(len(part))) * MINUTE_US
        scorer.push(np.repeat(ts, len(IDS)), np.tile(IDS, len(part)), part.ravel())
        scorer.tick(int(ts[-1]) + MINUTE_US + 2_000_000, facts=facts)
    return scorer.events()


def stuck(events: list[Event]) -> list[str]:
    return [one.key for event in events for one in event.channels if one.fact == "stuck"]


@pytest.mark.parametrize("past", [True, False])
def test_a_sensor_that_sticks_an_hour_after_the_start_is_found_by_what_the_past_taught(past: bool) -> None:
    values = air(4_000, 3)
    values[3_120:, 4] = values[3_120, 4] = 21.3
    scorer = Scorer(Settings())
    scorer.watch(ROOMS)
    if past:
        assert not stuck(lived(scorer, values[:3_000], 0, facts=False))
    found = lived(scorer, values[3_000:3_500], 3_000, facts=True)
    assert (ROOMS[4].key in stuck(found)) is past


def test_a_quiet_day_after_a_past_calls_nothing_stuck() -> None:
    scorer = Scorer(Settings())
    scorer.watch(ROOMS)
    values = air(4_000, 5)
    lived(scorer, values[:3_000], 0, facts=False)
    assert not stuck(lived(scorer, values[3_000:], 3_000, facts=True))


def test_a_step_is_away_and_noise_is_unsteady() -> None:
    group = OnlineGroup(60.0, Settings())
    group.add(ROOMS[:2])
    group._unsteady[:] = True  # wide, and near its usual place: a step is so, too, in its first rows
    ring = np.random.default_rng(2).normal(40.0, 0.3, (2, 64))
    ring[0, -2:] += 80.0
    ring[1, -10:] += np.random.default_rng(4).normal(0.0, 9.0, 10)
    group._state["ring"][:] = ring
    assert (group.noisy(0), group.noisy(1)) == (False, True)
    assert group.direction(0) == 1


@pytest.mark.parametrize(("jitter_s", "rings"), [(90.0, False), (0.0, True)])
def test_a_clock_is_judged_by_how_much_its_lag_usually_varies(jitter_s: float, rings: bool) -> None:
    scorer = Scorer(Settings())
    scorer.watch(msgspec.structs.replace(one, period_s=5.0) for one in ROOMS)
    random = np.random.default_rng(1)
    ahead = np.zeros(len(IDS), np.int64)
    for row in range(200):
        now_us = T0 + row * MINUTE_US
        ahead[:2] = round(random.uniform(-jitter_s, jitter_s) * 1e6) + (0 if row < 100 else 900_000_000 * rings)
        scorer.push(now_us + ahead, IDS, np.full(len(IDS), 20.0 + row % 3), arrived_us=now_us)
        scorer.tick(now_us)
    clocks = [event.asset for event in scorer.events() for one in event.channels if one.fact == "clock"]
    assert (set(clocks) == {"gw/room-0"}) is rings
