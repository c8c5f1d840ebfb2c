"""Committed ranges behave as the sets of numbers they stand for."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.ranges import Ranges

SPAN = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def _numbers(ranges: list[tuple[int, int]]) -> set[int]:
    return {number for lo, hi in ranges for number in range(lo, hi + 1)}


@given(st.lists(SPAN), SPAN)
def test_adding_returns_exactly_what_was_not_there(before: list[tuple[int, int]], more: tuple[int, int]) -> None:
    ranges = Ranges(before)
    held = _numbers(before)
    assert _numbers(ranges.missing(*more)) == _numbers([more]) - held
    assert _numbers(ranges.add(*more)) == _numbers([more]) - held
    assert _numbers(ranges.to_list()) == held | _numbers([more])
    assert ranges.count == len(held | _numbers([more]))


@given(st.lists(SPAN))
def test_ranges_stay_sorted_disjoint_and_never_adjacent(spans: list[tuple[int, int]]) -> None:
    found = Ranges(spans).to_list()
    assert all(later[0] > earlier[1] + 1 for earlier, later in itertools.pairwise(found))
    assert Ranges(found) == Ranges(reversed(found))


@given(st.lists(SPAN), SPAN)
def test_covers_means_every_number(spans: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    ranges = Ranges(spans)
    assert ranges.covers(*asked) == (_numbers([asked]) <= _numbers(spans))
    assert (asked[0] in ranges) == (asked[0] in _numbers(spans))


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="backwards"):
        Ranges().add(3, 2)


def test_a_copy_is_independent() -> None:
    ranges = Ranges([(1, 3)])
    other = ranges.copy()
    other.add(4)
    assert ranges.to_list() == [(1, 3)]
    assert other.high == 4
