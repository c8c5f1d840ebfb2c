"""The simulated days before a park's start: one with what it lives, without a step, and the same for the same seed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sim_devices.campus import WARM_UP_S, Campus
from sim_devices.past import DAYS_MIN, ROW_S, Past, live_past
from sim_devices.readouts import Value
from sim_devices.resolution import grains
from sim_devices.site import Site, load_site
from wire.errors import InputError

START_US = 1_773_810_000_000_000  # a Wednesday morning in March
OWN = round(WARM_UP_S / ROW_S)


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus")


@pytest.fixture(scope="module")
def past(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Past:
    return live_past(site, 7, START_US, DAYS_MIN, tmp_path_factory.mktemp("past") / "values")


@pytest.fixture(scope="module")
def values(past: Past) -> NDArray[np.float64]:
    return np.concatenate([part.values for part in past.parts()])


def test_its_last_hours_are_those_that_the_park_itself_has_lived(
    site: Site, past: Past, values: NDArray[np.float64]
) -> None:
    lived: list[list[float]] = []

    def seen(_: int, now: Mapping[str, Value]) -> None:
        lived.append([float(now[key]) for key in past.numbers])

    campus = Campus(site, 7, START_US, seen=seen, fine=True)
    fine = grains(site)
    grain = np.array([fine.get(key, 0.0) for key in past.numbers])
    assert fine["main-meter/energy_import"] > 0.0
    assert (np.abs(values[-OWN:] - np.array(lived)) <= 0.5 * grain * (1.0 + 1e-6)).all()  # as devices show it
    counters = [at for at, key in enumerate(past.numbers) if key.endswith(("/energy_import", "/energy_total"))]
    now = np.array([float(campus.values()[key]) for key in past.numbers])
    assert counters
    assert (now[counters] >= values[-1, counters] - grain[counters]).all()


def test_its_rows_are_a_minute_apart_and_end_where_the_park_starts(past: Past) -> None:
    ts_us = np.concatenate([part.ts_us for part in past.parts()])
    assert len(ts_us) == round(DAYS_MIN * 86_400 / ROW_S)
    assert (np.diff(ts_us) == 60_000_000).all()
    assert ts_us[-1] == START_US - 60_000_000


def test_nothing_shows_a_step_where_the_parks_own_hours_begin(past: Past, values: NDArray[np.float64]) -> None:
    steps = np.abs(np.diff(values, axis=0))
    at_seam = steps[len(values) - OWN - 1]
    elsewhere = np.delete(steps, len(values) - OWN - 1, axis=0).max(axis=0)
    stepped = [past.numbers[at] for at in np.flatnonzero(at_seam > 2.0 * elsewhere + 0.05)]
    assert [key for key in stepped if not key.endswith("/session_energy")] == []  # begins at zero with each car


def test_counters_never_fall(past: Past, values: NDArray[np.float64]) -> None:
    for at, key in enumerate(past.numbers):
        if key.endswith(("/energy_import", "/energy_total")):
            assert (np.diff(values[:, at]) >= 0.0).all(), key


def test_one_seed_gives_the_same_bytes_and_another_does_not(site: Site, past: Past, tmp_path: Path) -> None:
    again = live_past(site, 7, START_US, DAYS_MIN, tmp_path / "again")
    for one, other in zip(past.parts(), again.parts(), strict=True):
        assert one.values.tobytes() == other.values.tobytes()
        assert one.states == other.states
    other_seed = live_past(site, 8, START_US, DAYS_MIN, tmp_path / "other")
    assert next(other_seed.parts()).values.tobytes() != next(past.parts()).values.tobytes()


def test_a_past_shorter_than_the_parks_own_hours_or_endless_is_refused(site: Site, tmp_path: Path) -> None:
    for days in (0.1, 400.0):
        with pytest.raises(InputError, match="days"):
            live_past(site, 7, START_US, days, tmp_path / "values")
