"""The budget holds, a lasting shift is one event, and tables mean what they say."""

import numpy as np
import pytest

from inference.alarm import Alarms, threshold
from inference.bundle import AlarmPolicy, Bundle
from inference.detectors.shape import WIDTH
from inference.drift import Drift
from inference.fitted import fit
from inference.graph import Graph
from inference.score_table import score_rows
from inference.tables import block_maxima, fit_table

POLICY = AlarmPolicy(budget_per_day=1.0, block_rows=16, row_s=60.0)  # 90 blocks a day
DAY_ROWS = 1_440


def _opened(scores: np.ndarray, policy: AlarmPolicy = POLICY, trained: int = 10_000) -> np.ndarray:
    alarms, known = Alarms(policy, scores.shape[1], trained), np.ones(scores.shape[1], bool)
    return np.stack([alarms.step(row, known).opened for row in scores])


def test_the_threshold_spends_the_budget() -> None:
    assert threshold(POLICY) == pytest.approx(np.log10(90))
    assert threshold(AlarmPolicy(budget_per_day=1.0, block_rows=16, row_s=1.0)) == pytest.approx(np.log10(5_400))


def test_well_calibrated_streams_stay_within_twice_the_budget() -> None:
    random = np.random.default_rng(1)
    days, streams = 20, 40
    scores = random.exponential(1 / np.log(10), (days * 90, streams))  # −log10 of uniform block p-values
    rows = np.zeros((days * DAY_ROWS, streams))
    rows[random.integers(0, 16) :: 16][: len(scores)] = scores
    per_day = _opened(rows).sum() / (days * streams)
    assert 0.1 < per_day < 2.0


@pytest.mark.parametrize("wrong_by", [10.0, 1_000.0])
def test_no_stream_exceeds_its_budget_for_long_however_wrong_its_calibration(wrong_by: float) -> None:
    random = np.random.default_rng(2)
    days = 30
    rows = np.zeros((days * DAY_ROWS, 10))
    blocks = random.exponential(1 / np.log(10), (days * 90, 10)) + np.log10(wrong_by)
    rows[::16] = blocks
    opened = _opened(rows, trained=10**9)
    late = opened[10 * DAY_ROWS :].sum(axis=0) / (days - 10)
    assert late.max() < 2.0
    assert opened.sum() > 0


def test_one_long_fault_is_one_alarm_and_an_unknown_value_changes_nothing() -> None:
    rows = np.zeros((600, 1))
    rows[100:300] = 9.0
    rows[150:156] = 1.0  # it flickers
    alarms = Alarms(POLICY, 1, 10_000)
    steps = [alarms.step(row, np.array([not 200 <= at < 260])) for at, row in enumerate(rows)]
    assert sum(bool(step.opened[0]) for step in steps) == 1
    assert all(step.active[0] for step in steps[200:260])
    assert not steps[330].active[0]


def test_a_lasting_shift_is_one_regime_change_and_then_normal_again() -> None:
    random = np.random.default_rng(3)
    rows = random.exponential(0.12, (12_000, 1))  # block maxima of about 0.4, as calibrated scores have
    rows[3_000:] += 3.0
    alarms = Alarms(POLICY, 1, 1_024)
    steps = [alarms.step(row, np.ones(1, bool)) for row in rows]
    regimes = [at for at, step in enumerate(steps) if step.regime[0]]
    assert len(regimes) == 1
    assert 4_000 < regimes[0] < 4_500
    days = 4_000 / DAY_ROWS
    assert sum(bool(step.opened[0]) for step in steps[-4_000:]) <= 2 * days
    assert np.mean([step.active[0] for step in steps[-4_000:]]) < 0.05


def test_exchangeable_streams_never_look_like_a_new_regime() -> None:
    random = np.random.default_rng(4)
    drift, known = Drift(200, 4, 1_024), np.ones(200, bool)
    uniform = random.exponential(1 / np.log(10), (2_000, 200))  # block p-values of 2,000 blocks
    for block in uniform:
        for row in (block, block * 0.5, block * 0.1, block * 0.0):
            assert not drift.step(row, known)[1].any()
    assert (drift.stake < 4.0).mean() > 0.99


def test_verdicts_move_the_threshold_within_bounds() -> None:
    alarms = Alarms(POLICY, 2, 1_024)
    start = alarms.open_at
    for _ in range(50):
        high = alarms.feedback(0, accepted=False)
    assert start < high <= start + 4.0
    for _ in range(50):
        low = alarms.feedback(0, accepted=True)
    assert start - 0.5 <= low < start
    assert alarms.feedback(1, accepted=False) == pytest.approx(start + 0.5)


def test_a_table_gives_rank_p_values_and_rises_for_ever() -> None:
    random = np.random.default_rng(5)
    normal, fresh = random.gamma(2, 1, (4_000, 1)), random.gamma(2, 1, (20_000, 1))
    table = fit_table(normal, 0.05, 0.01)
    log_p = table.apply(fresh)[:, 0]
    for decades in (0.5, 1.0, 2.0, 3.0):
        assert (log_p >= decades).mean() == pytest.approx(10**-decades, rel=0.5)
    line = np.linspace(0, 60, 3_000)[:, None]
    assert (np.diff(table.apply(line)[:, 0]) > 0).all()


def test_a_table_in_a_graph_is_the_table() -> None:
    import onnxruntime

    random = np.random.default_rng(6)
    for normal in (random.gamma(2, 1, (300, 2)), np.zeros((80, 2)), np.round(random.gamma(1, 1, (100, 2)))):
        table, g = fit_table(normal, 0.05, 0.01), Graph("table")
        g.output("y", table.add(g, g.input("x", ["n", 2])), ["n", 2])
        session = onnxruntime.InferenceSession(g.to_bytes({}), providers=["CPUExecutionProvider"])
        x = np.concatenate([random.gamma(3, 2, (500, 2)), normal, [[0.0, 1e9]]])
        np.testing.assert_allclose(session.run(None, {"x": x})[0], table.apply(x), rtol=1e-9, atol=1e-9)


def test_block_maxima_count_whole_blocks_from_the_end() -> None:
    assert block_maxima(np.arange(10.0)[:, None], 4)[:, 0].tolist() == [5.0, 9.0]


def test_scores_of_fresh_normal_rows_are_as_rare_as_they_say() -> None:
    random = np.random.default_rng(7)
    noise = random.normal(size=(9_000, 5)) @ random.normal(size=(5, 5))
    names = [f"c{i}" for i in range(5)]
    model = fit(noise[:2_000], names, pooled=True, alarm=AlarmPolicy(row_s=60.0))
    score = score_rows(Bundle(model.to_bytes()), noise).score[2_000 + WIDTH :]
    peaks = block_maxima(score[:, None], 16)[:, 0]
    for decades in (0.5, 1.0, 1.5):
        assert 0.3 < (peaks >= decades).mean() / 10**-decades < 2.0
