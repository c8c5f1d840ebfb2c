"""Later and stronger evidence wins, unknown overwrites nothing; flights end where they end."""

from typing import Any

import numpy as np
import pytest

from twin.flights_shape import GAP_US, STILL_US, cut_flights, distance_m, thinned
from twin.scans_combine import BUILT, NOT_BUILT, UNKNOWN, combine, strength


def verdict_of(*rows: tuple[int, int, float, int]) -> tuple[int, int]:
    """(time, code, probability, rays) of one element; its verdict and the row that decided."""
    at, code, p, seen = (np.array(column) for column in zip(*rows, strict=True))
    power = strength(p.astype(float), seen.astype(np.int64))
    found = combine(np.zeros(len(rows), np.int64), at.astype(np.int64), code.astype(np.int8), power, 2)
    assert (found.verdict[1], found.row[1]) == (0, -1)  # nobody looked at the other one
    return int(found.verdict[0]), int(found.row[0])


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([(1, UNKNOWN, 0.5, 0)], (UNKNOWN, -1)),
        ([(1, BUILT, 0.99, 500), (2, UNKNOWN, 0.5, 3)], (BUILT, 0)),
        ([(1, NOT_BUILT, 0.01, 500), (2, BUILT, 0.99, 500)], (BUILT, 1)),
        ([(2, NOT_BUILT, 0.01, 500), (1, BUILT, 0.99, 500)], (NOT_BUILT, 0)),
        ([(1, BUILT, 0.999, 500), (2, NOT_BUILT, 0.3, 20)], (BUILT, 0)),
        ([(1, BUILT, 0.999, 500), (2, NOT_BUILT, 0.3, 20), (3, NOT_BUILT, 0.001, 500)], (NOT_BUILT, 2)),
        ([(1, NOT_BUILT, 0.2, 20), (1, BUILT, 0.99, 500)], (BUILT, 1)),
        ([(1, BUILT, float("nan"), 500), (2, NOT_BUILT, 0.4, 10)], (NOT_BUILT, 1)),
    ],
)
def test_verdicts_over_scans(rows: list[Any], wanted: tuple[int, int]) -> None:
    assert verdict_of(*rows) == wanted


def test_many_elements_are_combined_as_each_alone_would_be() -> None:
    dice = np.random.default_rng(9)
    n, rows = 40, 400
    element, at = dice.integers(0, n, rows), dice.integers(0, 12, rows)
    code, power = dice.integers(1, 4, rows).astype(np.int8), dice.random(rows) * 7
    found = combine(element, at, code, power, n)
    for one in range(n):
        mine = np.flatnonzero(element == one)
        held, force, row = 0, 0.0, -1
        for number in mine[np.argsort(at[mine], kind="stable")].tolist():
            held = held or UNKNOWN
            if code[number] == UNKNOWN:
                continue
            same = held == code[number]
            if held == UNKNOWN or same or power[number] >= force / 2:
                force = max(force, power[number]) if same else power[number]
                held, row = int(code[number]), number
        assert (found.verdict[one], found.row[one]) == (held, row)


def test_a_silence_parts_flights_and_a_disarming_ends_one() -> None:
    ts = np.concatenate([np.arange(60), np.arange(200, 260)]) * 1_000_000
    lat = 48.0 + np.arange(120) * 1e-4
    lon, alt = np.full(120, 18.0), np.full(120, 100.0)
    assert GAP_US < 140_000_000
    assert [one[:2] for one in cut_flights(ts, lat, lon, alt, [])] == [(0, 60), (60, 120)]
    armed = cut_flights(ts, lat, lon, alt, [(10_000_000, True), (220_000_000, False)])
    assert [tuple(one) for one in armed] == [(10, 60, True), (60, 81, True)]
    assert cut_flights(ts, lat, lon, alt, [(10_000_000, False)]) == []
    assert cut_flights(ts[:0], lat[:0], lon[:0], alt[:0], []) == []


def test_noise_is_no_way_flown_and_a_track_is_thinned_with_its_ends() -> None:
    ts = np.arange(0, 100_000_000, 100_000)
    lat = 48.0 + np.where(np.arange(1_000) % 2, 1e-5, 0.0)
    assert distance_m(ts, lat, np.full(1_000, 18.0)) == pytest.approx(0.0)
    rows = thinned(1_000, 10)
    assert (len(rows), rows[0], rows[-1]) == (10, 0, 999)
    assert thinned(3, 10).tolist() == [0, 1, 2]
    assert STILL_US > GAP_US
