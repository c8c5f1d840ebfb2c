"""A fleet scores streams tick by tick as their bundle scores their recordings."""

import numpy as np
import pytest

from inference.bundle import AlarmPolicy, Bundle
from inference.detectors import WIDTH
from inference.fitted import fit
from inference.fleet import Fleet
from inference.score_table import run_bundle
from wire.errors import InputError

NORMAL = np.random.default_rng(1).normal(size=(300, 6))
MODEL = fit(NORMAL, [f"s{i}" for i in range(6)], pooled=False, alarm=AlarmPolicy(row_s=1.0)).to_bytes()


def test_a_tick_scores_what_the_recording_scores() -> None:
    values = np.random.default_rng(2).normal(size=(150, 12))
    values[100:, 3] += 9
    values[70:90, 5] = np.nan
    fleet = Fleet([Bundle(MODEL), Bundle(MODEL)])
    ticks = np.stack([fleet.tick(row).score for row in values])
    for low in (0, 6):
        part = values[:, low : low + 6]
        whole = np.where(np.isfinite(part), run_bundle(Bundle(MODEL), part)["score"], 0.0)
        for stream in range(6):
            full = int(np.flatnonzero(np.cumsum(np.isfinite(part[:, stream])) >= WIDTH)[0])
            np.testing.assert_allclose(ticks[full:, low + stream], whole[full:, stream], atol=1e-6)
            assert (ticks[:full, low + stream] == 0).all()


def test_one_planted_fault_opens_one_alarm_and_only_on_its_stream() -> None:
    values = np.random.default_rng(3).normal(size=(200, 6))
    values[120:180, 2] += 15
    fleet = Fleet([Bundle(MODEL)])
    opened = np.stack([fleet.tick(row).alarms.opened for row in values])
    assert opened.sum(axis=0).tolist() == [0, 0, 1, 0, 0, 0]


def test_a_verdict_moves_one_stream_s_threshold_within_bounds() -> None:
    fleet = Fleet([Bundle(MODEL)])
    start = fleet.feedback(1, accepted=True)
    for _ in range(100):
        high = fleet.feedback(1, accepted=False)
    for _ in range(100):
        low = fleet.feedback(1, accepted=True)
    assert high - start <= 5
    assert start - low <= 1
    assert fleet.feedback(0, accepted=False) < high


def test_bundles_that_do_not_belong_together_are_refused() -> None:
    pooled = fit(NORMAL, [f"s{i}" for i in range(6)], pooled=True, alarm=AlarmPolicy(row_s=1.0)).to_bytes()
    with pytest.raises(InputError, match="single streams"):
        Fleet([Bundle(pooled)])
    with pytest.raises(InputError, match="single streams"):
        Fleet([])
