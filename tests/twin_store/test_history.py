"""Downsampling hides no peak and invents nothing."""

import numpy as np
import pytest

from twin.history import Series, downsample
from wire.quality import BAD, NOT_A_NUMBER

SPAN_US = 1_000_000_000


def series(values: list[float], quality: list[int] | None = None) -> Series:
    count = len(values)
    flags = np.zeros(count, np.uint8) if quality is None else np.array(quality, np.uint8)
    ts = np.arange(count, dtype=np.int64) * (SPAN_US // count)
    return Series(1, ts, np.array(values, float), flags, count, False)


@pytest.mark.parametrize("seed", range(20))
def test_the_extremes_of_every_range_of_buckets_survive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = series(np.cumsum(rng.normal(size=50_000)).tolist())
    thin = downsample(whole, 0, SPAN_US, 200, "minmax")
    assert thin.downsampled
    assert thin.source_rows == 50_000
    assert len(thin.ts_us) <= 400
    assert (np.diff(thin.ts_us) > 0).all()
    assert (whole.values[np.searchsorted(whole.ts_us, thin.ts_us)] == thin.values).all()
    assert thin.values.max() == whole.values.max()
    assert thin.values.min() == whole.values.min()
    spike = int(rng.integers(100, 49_900))
    whole.values[spike] = 1e6
    assert downsample(whole, 0, SPAN_US, 200, "minmax").values.max() == 1e6


def test_few_rows_are_shown_as_they_are() -> None:
    whole = series([3, 1, 2])
    assert downsample(whole, 0, SPAN_US, 2, "minmax") == whole


def test_nan_and_infinity_leave_the_rest_alone() -> None:
    values, quality = [1.0] * 1_000, [0] * 1_000
    values[10], values[20], quality[10], quality[20] = np.nan, np.inf, NOT_A_NUMBER, NOT_A_NUMBER
    values[500] = 9.0
    thin = downsample(series(values, quality), 0, SPAN_US, 50, "minmax")
    assert np.isfinite(thin.values).all()
    assert thin.values.max() == 9.0
    raw = downsample(series(values, quality), 0, SPAN_US, 50, "raw")
    assert len(raw.values) == 1_000


def test_means_leave_out_what_is_not_usable_and_empty_buckets() -> None:
    values, quality = [float(n // 100) for n in range(1_000)], [0] * 1_000
    values[5], quality[5] = 1e9, BAD
    mean = downsample(series(values, quality), 0, 2 * SPAN_US, 20, "avg")
    assert mean.values.tolist() == list(range(10))
    assert mean.ts_us.tolist() == [SPAN_US // 20 + n * SPAN_US // 10 for n in range(10)]


def test_states_are_thinned_to_their_changes_then_to_one_a_bucket() -> None:
    text = np.array(["a"] * 500 + ["b"] * 500, object)
    whole = series([0.0] * 1_000)._replace(values=text)
    assert downsample(whole, 0, SPAN_US, 10, "minmax").values.tolist() == ["a", "b"]
    flicker = whole._replace(values=np.array(["a", "b"] * 500, object))
    assert len(downsample(flicker, 0, SPAN_US, 10, "minmax").values) == 10
