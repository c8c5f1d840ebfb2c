"""What is left out is what was asked for: checked against a plain loop, and against what a person can compute."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.processing.config import ProcessRow
from edge.processing.thinning import Columns, Thinner

SECOND = 1_000_000


def columns(rows: Sequence[tuple[int, int, float, int]]) -> Columns:
    ids, times, values, quality = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Columns(np.array(ids, np.uint32), np.array(times, np.int64), np.array(values, float),
                   np.array(quality, np.uint8))  # fmt: skip


def tuples(found: Columns) -> list[tuple[int, int, float, int]]:
    return list(zip(*(column.tolist() for column in found), strict=True))


def test_within_the_deadband_nothing_is_told_and_after_a_while_one_is() -> None:
    row = ProcessRow(points=["*"], deadband=0.5, keep_s=10.0)
    values = [20.0, 20.4, 20.5, 20.6, 20.2, 20.0, 20.0]
    given_rows = [(0, at * SECOND, value, 0) for at, value in [*enumerate(values), (14, 20.1), (15, 20.1)]]
    kept = [(at // SECOND, value) for _, at, value, _ in tuples(Thinner().thin(columns(given_rows), {0: row}))]
    assert kept == [(0, 20.0), (3, 20.6), (5, 20.0), (15, 20.1)]


def test_a_change_of_quality_and_what_is_no_number_are_always_told() -> None:
    row = ProcessRow(points=["*"], deadband=5.0)
    given_rows = [(0, 1, 1.0, 0), (0, 2, 1.0, 16), (0, 3, 1.0, 16), (0, 4, float("nan"), 1), (0, 5, float("nan"), 1),
                  (0, 6, 1.0, 0)]  # fmt: skip
    kept = tuples(Thinner().thin(columns(given_rows), {0: row}))
    assert [at for _, at, _, _ in kept] == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("last", [(2, 7.0), (5, 9.0)]),
        ("mean", [(2, 13.0 / 3), (5, 6.0)]),
        ("extremes", [(0, 1.0), (2, 7.0), (4, 3.0), (5, 9.0)]),
    ],
)
def test_one_reading_stands_for_a_period(how: str, expected: list[tuple[int, float]]) -> None:
    row = ProcessRow(points=["*"], every_s=3.0, how=how)  # type: ignore[arg-type]
    values = [1.0, 5.0, 7.0, 6.0, 3.0, 9.0]
    thinner = Thinner()
    found = tuples(thinner.thin(columns([(4, at * SECOND, one, 0) for at, one in enumerate(values)]), {4: row}))
    found += tuples(thinner.rest({4: row}))
    assert [(at // SECOND, value) for _, at, value, _ in found] == [pytest.approx(one) for one in expected]
    assert thinner.left_out >= 2


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-10, 10), st.sampled_from([0, 0, 0, 16])), max_size=60),
       st.lists(st.integers(1, 60), max_size=6))  # fmt: skip
def test_how_readings_are_cut_into_batches_changes_nothing(rows: list[tuple[int, float, int]], cuts: list[int]) -> None:
    timed = [(point, at * SECOND, value, flags) for at, (point, value, flags) in enumerate(rows)]
    table = {0: ProcessRow(points=["*"], deadband=1.0, keep_s=7.0), 1: ProcessRow(points=["*"], every_s=5.0)}
    whole = tuples(Thinner().thin(columns(timed), table))
    ends = sorted({min(cut, len(timed)) for cut in cuts} | {len(timed)})
    pieces, thinner, start = [], Thinner(), 0
    for end in ends:
        pieces += tuples(thinner.thin(columns(timed[start:end]), table))
        start = end
    assert sorted(pieces) == sorted(whole)
    assert [one for one in whole if one[0] == 2] == [one for one in timed if one[0] == 2], "others are left alone"


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=80))
def test_what_was_kept_is_never_further_from_the_truth_than_the_deadband(values: list[float]) -> None:
    row = ProcessRow(points=["*"], deadband=1.5, keep_s=1_000.0)
    kept = {
        at // SECOND: value
        for _, at, value, _ in tuples(
            Thinner().thin(columns([(0, at * SECOND, one, 0) for at, one in enumerate(values)]), {0: row})
        )
    }
    shown = kept[0]
    for at, value in enumerate(values):
        shown = kept.get(at, shown)
        assert abs(shown - value) <= 1.5
