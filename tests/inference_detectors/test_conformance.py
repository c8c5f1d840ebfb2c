"""What every detector must do, whatever its method: the family's conformance suite."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from inference.bundle import AlarmPolicy, Bundle
from inference.detectors import WIDTH, WINDOWED
from inference.detectors.adaptive import STATE, Adaptive
from inference.detectors.guards import FLAGS, Guards
from inference.fitted import Fitted, fit
from inference.graph import Graph
from inference.novelty import build, novelty
from inference.readings_csv import read_readings
from inference.score_table import run_bundle, score_rows
from inference.windows import trailing

Floats = np.ndarray
TRAIN, ROWS = 500, 1_100
POLICY = AlarmPolicy(row_s=60.0)


def _plant(seed: int = 3, channels: int = 4) -> Floats:
    """A small plant: a daily wave that drives correlated channels, noise, and one channel that never moves."""
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(ROWS) * 2 * np.pi / 97)
    mixed = wave[:, None] * random.normal(1, 0.5, channels) + random.normal(0, 0.1, (ROWS, channels))
    mixed[:, -1] = 7.0
    return mixed


def _model(values: Floats, pooled: bool = True) -> Fitted:
    return fit(values[:TRAIN], [f"c{i}" for i in range(values.shape[1])], pooled=pooled, alarm=POLICY)


def _trained(values: Floats) -> Floats:
    return score_rows(Bundle(_model(values).to_bytes()), values).score


def _untrained(values: Floats) -> Floats:
    return novelty(Bundle(build()), np.arange(len(values)) * 300.0, values[:, 0])


SCORERS: dict[str, Callable[[Floats], Floats]] = {"trained": _trained, "untrained": _untrained}
scorers = pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("name", WINDOWED)
def test_graph_and_reference_of_a_detector_agree(name: str, pooled: bool) -> None:
    if name == "asset_pca" and not pooled:
        with pytest.raises(ValueError, match="asset"):
            WINDOWED[name].fit(trailing(_plant(), WIDTH), pooled)
        return
    windows = np.ascontiguousarray(trailing(_plant(), WIDTH))
    detector, g = WINDOWED[name].fit(windows[:TRAIN], pooled), Graph(name)
    score, share = detector.add(g, g.input("z", ["n", windows.shape[1], WIDTH]))
    g.output("score", score, ["n", "units"])
    g.output("share", share, ["n", "channels"])
    found = _session(g).run(None, {"z": windows})
    for ours, reference in zip(found, detector.score(windows), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-9, atol=1e-6)


def _session(g: Graph):  # type: ignore[no-untyped-def]
    import onnxruntime

    return onnxruntime.InferenceSession(g.to_bytes({}), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("pooled", [True, False])
def test_a_bundle_says_what_its_reference_says_within_a_millionth(pooled: bool) -> None:
    values = _plant()
    values[700:, 1] += 5
    model = _model(values, pooled)
    windows = np.ascontiguousarray(trailing(values, WIDTH))
    found = Bundle(model.to_bytes()).run({"window": windows})
    for name, reference in zip(("score", "parts", "share"), model.score(windows), strict=True):
        np.testing.assert_allclose(found[name], reference, rtol=1e-9, atol=1e-6)


def test_adaptive_steps_agree_and_their_state_travels_between_machines() -> None:
    values, slots = _plant() * 1e3 + 1e6, (np.arange(ROWS)[:, None] // 6 % 48).repeat(4, axis=1)
    state, reference = Adaptive.run(Adaptive.start(4), values, slots)
    bundle = Bundle(build())
    first = bundle.run({"value": values[:400], "slot": slots[:400], **Adaptive.start(4)})
    carried = {name: first[f"{name}_out"] for name in STATE}
    second = bundle.run({"value": values[400:], "slot": slots[400:], **carried})
    whole = np.concatenate([first["features"], second["features"]])
    np.testing.assert_allclose(whole, reference, rtol=1e-12, atol=1e-6)
    for name in STATE:
        np.testing.assert_allclose(second[f"{name}_out"], state[name], rtol=1e-12, atol=1e-6)


def test_guards_agree_with_their_reference_and_flag_each_plain_fault_alone() -> None:
    values = _plant()
    guards = Guards.fit(values[:TRAIN])
    bundle = Bundle(guards.to_bytes(["a", "b", "c", "d"], TRAIN, ""))
    faulty, missing = values.copy(), np.zeros_like(values)
    faulty[600:, 0] = 50.0
    faulty[700:800, 1] = faulty[700, 1]
    missing[900:960, 2] = 1.0
    windows, absent = (np.ascontiguousarray(trailing(part, WIDTH)) for part in (faulty, missing))
    flags = bundle.run({"window": windows, "missing": absent})["flags"]
    np.testing.assert_array_equal(flags, guards.score(windows, absent))
    for row, channel, flag in ((600, 0, "range"), (600, 0, "step"), (790, 1, "stuck"), (950, 2, "gap")):
        assert flags[row, channel, FLAGS.index(flag)] == 1.0
    assert flags[TRAIN:590].sum() == 0
    assert flags[:, 3].sum() == 0


@scorers
def test_no_later_row_changes_an_earlier_score(scorer: Callable[[Floats], Floats]) -> None:
    values = _plant()
    values[800:850, 0] += 4
    whole = scorer(values)
    for cut in (TRAIN + 1, 613, 801, 830, 1_023):
        assert scorer(values[:cut]).tobytes() == whole[:cut].tobytes()


@scorers
def test_the_same_rows_give_the_same_bytes(scorer: Callable[[Floats], Floats]) -> None:
    assert scorer(_plant()).tobytes() == scorer(_plant()).tobytes()


@scorers
def test_units_and_offsets_do_not_matter(scorer: Callable[[Floats], Floats]) -> None:
    values = _plant()[:, :3]
    values[900:, 1] += 1
    plain = scorer(values)
    for scale, offset in ((9.0, 0.0), (0.001, 5.0), (-40.0, 1e5)):
        np.testing.assert_allclose(scorer(values * scale + offset), plain, rtol=1e-3, atol=1e-3)


@scorers
def test_a_fault_stands_out_and_a_missing_value_is_no_fault(scorer: Callable[[Floats], Floats]) -> None:
    values = _plant()
    values[900:930, 0] += 6
    values[700:760] = np.nan
    values[650, 0] = np.inf
    scores = scorer(values)
    assert np.isfinite(scores).all()
    assert (scores[700:760] == 0).all()
    assert scores[900:930].max() > 3 * np.quantile(scores[TRAIN:890], 0.99)


@scorers
def test_a_stream_that_never_moves_never_alarms(scorer: Callable[[Floats], Floats]) -> None:
    assert scorer(np.full((ROWS, 2), 21.5)).max() < 1.0


@scorers
def test_first_rows_and_training_rows_score_nothing(scorer: Callable[[Floats], Floats]) -> None:
    assert (scorer(_plant())[:96] == 0).all()


@scorers
def test_what_is_wholly_missing_scores_nothing(scorer: Callable[[Floats], Floats]) -> None:
    assert (scorer(np.full((ROWS, 3), np.nan)) == 0).all()


def test_memory_does_not_grow_with_the_length_of_a_stream() -> None:
    values = _plant(channels=3)
    bundle = Bundle(_model(values).to_bytes())
    run_bundle(bundle, values)
    before = psutil.Process().memory_info().rss
    windows = np.ascontiguousarray(trailing(values, WIDTH)[:256])
    for _ in range(300):
        bundle.run({"window": windows})
    assert psutil.Process().memory_info().rss - before < 16 * 2**20


def test_real_files_cut_at_any_row_keep_their_scores(shared_data: Path) -> None:
    random = np.random.default_rng(5)
    pump = read_readings(shared_data / "ad" / "skab" / "data" / "valve2" / "1.csv").values
    whole = _trained(pump)
    for cut in random.integers(TRAIN + 1, len(pump), 3):
        assert _trained(pump[:cut]).tobytes() == whole[:cut].tobytes()
    cloud = read_readings(shared_data / "ad" / "nab" / "data" / "realAWSCloudwatch" / "grok_asg_anomaly.csv")
    bundle = Bundle(build())
    whole = novelty(bundle, cloud.seconds, cloud.values[:, 0])
    for cut in random.integers(1, len(whole), 5):
        assert novelty(bundle, cloud.seconds[:cut], cloud.values[:cut, 0]).tobytes() == whole[:cut].tobytes()
