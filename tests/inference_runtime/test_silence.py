"""Detectors wait while a device is silent, and while it settles after its return."""

import numpy as np

from inference.runtime import Stream
from inference.runtime.silence import silence_of

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
STREAMS = [
    Stream(id=1, key="gw/meter/power", asset="gw/meter", period_s=20.0),
    Stream(id=2, key="gw/meter/energy", asset="gw/meter", period_s=60.0),
    Stream(id=3, key="gw/door/open", asset="gw/door"),  # by exception
]
NUMBERS = {"gw/meter": 0, "gw/door": 1}


def test_a_device_waits_as_long_as_it_was_away_and_one_that_reports_by_exception_never() -> None:
    silence = silence_of(STREAMS, NUMBERS, 2.0)

    def away(now_min: float, heard_min: float) -> list[bool]:
        heard = np.array([heard_min, heard_min - 0.5, 0.0]) * MINUTE_US
        found: list[bool] = silence.step(round(now_min * MINUTE_US), heard.astype(np.int64)).tolist()
        return found

    assert away(1, 1) == [False, False, False]
    assert away(2, 2) == [False, False, False]
    assert away(5, 2) == [True, True, False]  # silent
    assert away(14, 14) == [True, True, False]  # back after twelve minutes
    assert away(25.9, 25.9) == [True, True, False]  # (as if heard again after as long: it settles anew)
    for minute in range(27, 38):
        assert away(minute, minute) == [True, True, False]
    assert away(38, 38) == [False, False, False]


def test_what_is_settling_goes_on_settling_when_streams_come() -> None:
    silence = silence_of(STREAMS[:2], {"gw/meter": 0}, 2.0)
    silence.step(MINUTE_US, np.array([MINUTE_US, MINUTE_US]))
    silence.step(9 * MINUTE_US, np.array([9 * MINUTE_US, MINUTE_US]))
    grown = silence.grown(STREAMS, NUMBERS)
    assert grown.step(10 * MINUTE_US, np.array([10 * MINUTE_US, MINUTE_US, 0])).tolist() == [True, True, False]


def test_what_may_be_on_its_way_is_no_silence() -> None:
    heard = np.array([10, 9, 0]) * MINUTE_US
    for late_s, silent in ((2.0, True), (60.0, False)):
        silence = silence_of(STREAMS, NUMBERS, late_s)
        silence.step(10 * MINUTE_US, heard)
        assert silence.step(14 * MINUTE_US, heard).tolist() == [silent, silent, False]


def test_where_a_past_ends_all_settle_for_as_long_as_it_was_half_an_hour_at_most() -> None:
    for learned_min, settles_min in ((1, 5), (12, 12), (600, 30)):
        silence = silence_of(STREAMS, NUMBERS, 2.0)
        for minute in (0, learned_min - 1):
            silence.step(minute * MINUTE_US, np.full(3, minute) * MINUTE_US, past=True)
        held = []
        for minute in range(learned_min, learned_min + 60):
            held.append(silence.step(minute * MINUTE_US, np.full(3, minute) * MINUTE_US).all())
        live = [at for at, one in enumerate(held) if not one]
        assert live[0] == settles_min
        assert len(live) == 60 - settles_min
