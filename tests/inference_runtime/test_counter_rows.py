"""A counter's rise belongs to the time between its readings, however these fall into rows."""

import numpy as np

from inference.runtime.intake import Chunk
from inference.runtime.lane import Lane
from inference.runtime.settings import Settings, Stream

ROW_US = 60_000_000
PER_ROW = 6.0


def test_the_rise_of_a_counter_does_not_tremble_with_the_moments_at_which_it_is_read() -> None:
    lane = Lane(60.0, Settings())
    lane.add([Stream(id=0, key="gw/meter/energy", asset="gw/meter", period_s=30.0, counts=True)], [0])
    draws = np.random.default_rng(7)
    ts_us = np.sort(draws.integers(0, 200 * ROW_US, 500))
    chunk = Chunk(np.zeros(len(ts_us), np.intp), ts_us, ts_us / ROW_US * PER_ROW)
    rises = []
    for row, values, known in lane.maker.take(chunk, 200 * ROW_US):
        lane.group.step(row, values, known)
        rises.append(float(lane.group._state["ring"][0, -1]))
    assert np.allclose([one for one in rises[1:] if one], PER_ROW)
    assert sum(one > 0 for one in rises) > 100  # most rows had a reading, as had the row before
