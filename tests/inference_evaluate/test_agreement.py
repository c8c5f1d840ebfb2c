"""Our measures agree with the scorer that lies beside the data, written by other hands."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from inference.bundle import Bundle
from inference.evaluate.episodes import Alarmed, point_quality
from inference.evaluate.nab import PROFILES, NabFile, nab_score
from inference.evaluate.ranking import auc_pr, events_of, vus_pr
from inference.novelty import build, novelty
from inference.readings_csv import read_readings


@pytest.fixture(scope="module")
def other(shared_data: Path) -> ModuleType:
    path = shared_data.parent / "tools" / "ad_score" / "score.py"
    spec = importlib.util.spec_from_file_location("ad_score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _series(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels with events at both ends and scores with ties."""
    random = np.random.default_rng(seed)
    labels = np.zeros(600, bool)
    for first in random.integers(0, 580, 5):
        labels[first : first + random.integers(1, 40)] = True
    labels[:3] = labels[-2:] = True
    scores = np.round(random.gamma(1.0, 1.0, 600) + labels * random.random(600) * 3, 1)
    return labels, scores


@pytest.mark.parametrize("seed", range(6))
def test_areas_agree_with_the_other_scorer(other: ModuleType, seed: int) -> None:
    labels, scores = _series(seed)
    assert auc_pr(labels, scores) == pytest.approx(other.average_precision(labels, scores), abs=1e-12)
    for width in (0, 1, 7, 60):
        assert vus_pr(labels, scores, width) == pytest.approx(other.vus(labels, scores, width)[0], abs=1e-12)


def test_points_agree_with_the_other_scorer_s_definition(other: ModuleType) -> None:
    labels, scores = _series(9)
    alarm = scores > 2
    ours = point_quality([Alarmed(labels, alarm, np.array([], int), scores, 1.0)])
    hit, false, missed = (alarm & labels).sum(), (alarm & ~labels).sum(), (~alarm & labels).sum()
    assert ours.f1 == pytest.approx(2 * hit / (2 * hit + false + missed))
    assert ours.far_percent == pytest.approx(100 * false / (~labels).sum())
    assert ours.mar_percent == pytest.approx(100 * missed / labels.sum())
    assert events_of(labels) == [(int(a), int(b)) for a, b in other.segments(labels)]


def test_nab_scores_agree_on_real_files_at_fixed_and_best_thresholds(other: ModuleType, shared_data: Path) -> None:
    root = shared_data / "ad" / "nab"
    labels = json.loads((root / "labels" / "combined_windows.json").read_text())
    bundle, ours, theirs = Bundle(build()), [], []
    for path in sorted((root / "data" / "realAdExchange").glob("*.csv")):
        windows = labels[f"realAdExchange/{path.name}"]
        readings = read_readings(path, only=("value",))
        scores = novelty(bundle, readings.seconds, readings.values[:, 0])
        times = other.to_us(readings.stamps)
        spans = [tuple(int(np.flatnonzero(times == end)[0]) for end in other.to_us(window)) for window in windows]
        ours.append(NabFile(scores, spans))
        theirs.append((path.name, scores, times, windows))
    for profile in PROFILES:
        for threshold in (None, 0.5, 1.0, 2.0, 99.0):
            mine = nab_score(ours, PROFILES[profile], threshold)
            found = other.nab_corpus(theirs, profile, threshold)
            assert mine.score == pytest.approx(found["score"], abs=1e-9)
            assert (mine.found, mine.false_rows) == (found["windows_found"], found["false_points"])
