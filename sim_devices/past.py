"""The days before a simulated park started: what its devices would have shown, a row a minute, up to its start.

The last hours are those that the park itself has lived to warm up, value for value. The days before them are the same
physics and seed, begun so many days earlier; where the two meet, counters are shifted and what changes slowly is eased
over `EASE_S`, so that no trend shows a step. Values are as fine as the devices show them (`sim_devices.resolution`).
Drones have no past: nobody flew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim_devices.campus import WARM_UP_S, Campus
from sim_devices.readouts import Value
from sim_devices.resolution import grains
from sim_devices.site import Site
from wire.errors import InputError

__all__ = ["DAYS_MAX", "DAYS_MIN", "ROW_S", "Past", "Rows", "live_past"]

ROW_S: Final = 60.0
DAYS_MIN: Final = 0.5  # more than the park itself has lived before its start
DAYS_MAX: Final = 14.0  # two gigabytes of scratch at ten thousand points
EASE_S: Final = 6 * 3_600.0
_DAY_S: Final = 86_400.0
_COUNTERS: Final = ("energy", "volume", "count", "runtime", "mass")
_PART: Final = 60  # rows handed out at once
_JUMP: Final = 1.0  # times the largest change of a minute: more is no step of its own

FloatArray = NDArray[np.float64]


class Rows(NamedTuple):
    """A part of the past: `values` (rows, numbers) by `Past.numbers`; states that changed as (row, key, text)."""

    ts_us: NDArray[np.int64]
    values: FloatArray
    states: list[tuple[int, str, str]]


class Past:
    """The past of all points; `numbers` names the columns. The values lie in a file, not in memory."""

    def __init__(self, first_us: int, values: FloatArray, numbers: list[str], states: list[tuple[int, str, str]]):
        self.first_us, self.numbers = first_us, numbers
        self._values, self._states = values, states

    def __len__(self) -> int:
        """How many rows."""
        return len(self._values)

    def parts(self) -> Iterator[Rows]:
        """An hour after the other."""
        at = 0
        for start in range(0, len(self), _PART):
            stop = min(start + _PART, len(self))
            ts_us = self.first_us + np.arange(start, stop, dtype=np.int64) * round(ROW_S * 1e6)
            states = []
            while at < len(self._states) and self._states[at][0] < stop:
                row, key, text = self._states[at]
                states.append((row - start, key, text))
                at += 1
            yield Rows(ts_us, np.array(self._values[start:stop]), states)


def live_past(site: Site, seed: int, start_us: int, days: float, scratch: Path) -> Past:
    """Live the `days` before `start_us`; `scratch` is a file for the values, which the caller removes."""
    if not DAYS_MIN <= days <= DAYS_MAX:
        raise InputError(f"{days:g} days", field="days", fix=f"between {DAYS_MIN:g} and {DAYS_MAX:g}")
    rows, own = round(days * _DAY_S / ROW_S), round(WARM_UP_S / ROW_S)
    first_us = start_us - round(rows * ROW_S * 1e6)
    early = Campus(site, seed, first_us - round(ROW_S * 1e6), fine=True)
    told = _Told(early.values(), rows, scratch)
    for row in range(rows - own):
        early.leap(ROW_S)
        told.note(row, early.values())

    def seen(ts_us: int, values: Mapping[str, Value]) -> None:
        told.note(round((ts_us - first_us) / (ROW_S * 1e6)), values)

    Campus(site, seed, start_us, seen=seen, fine=True)
    _join(told.values, rows - own, _traits(site, told.numbers))
    _show(told.values, grains(site), told.numbers)
    return Past(first_us, told.values, told.numbers, told.states)


class _Told:
    """Takes rows: numbers into the file, states where they change."""

    def __init__(self, values: Mapping[str, Value], rows: int, scratch: Path) -> None:
        self.numbers = [key for key, value in values.items() if not isinstance(value, str)]
        self._texts = [key for key, value in values.items() if isinstance(value, str)]
        shape = (rows, len(self.numbers))
        self.values: FloatArray = np.memmap(scratch, np.float64, "w+", shape=shape) if self.numbers else np.zeros(shape)
        self.states: list[tuple[int, str, str]] = []
        self._last: dict[str, Value] = {}

    def note(self, row: int, values: Mapping[str, Value]) -> None:
        self.values[row] = [values[key] for key in self.numbers]
        for key in self._texts:
            if (value := values[key]) != self._last.get(key):
                self._last[key] = value
                self.states.append((row, key, str(value)))


def _traits(site: Site, numbers: list[str]) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Limits of the columns, infinite where there are none, and which are counters by their class."""
    metrics = {f"{device.name}/{metric.name}": metric for device, metric in site.points()}
    found = [metrics.get(key) for key in numbers]
    low = np.array([-np.inf if one is None or one.low is None else one.low for one in found])
    high = np.array([np.inf if one is None or one.high is None else one.high for one in found])
    return low, high, np.array([one is not None and one.point_class in _COUNTERS for one in found], bool)


def _join(values: FloatArray, seam: int, traits: tuple[FloatArray, FloatArray, NDArray[np.bool_]]) -> None:
    """Take the step out between row `seam - 1` and row `seam`, in place; what jumps anyway keeps its jumps."""
    ease = min(round(EASE_S / ROW_S), seam)
    if ease < 2:
        return
    before, after = np.abs(np.diff(values[seam - ease : seam], axis=0)), np.abs(np.diff(values[seam:], axis=0))
    usual = np.maximum(before.max(axis=0), after.max(axis=0, initial=0.0))
    jump = values[seam] - values[seam - 1]
    low, high, counts = traits
    rose = (values[seam - 1] > values[0]) | (values[-1] > values[seam])
    rises = (rose | counts) & _never_falls(values[:seam]) & _never_falls(values[seam:])
    shift = np.where(rises & (values[0] + jump >= 0.0), jump, 0.0)  # a counter of this shift begins at zero again
    step = np.where(~rises & (np.abs(jump) > _JUMP * usual), jump, 0.0)
    for start in range(0, seam, 1_440):
        values[start : min(start + 1_440, seam)] += shift
    share = np.linspace(0.0, 1.0, ease)[:, None]
    eased = values[seam - ease : seam] + share * share * (3.0 - 2.0 * share) * step
    values[seam - ease : seam] = np.where(step != 0.0, np.clip(eased, low, high), values[seam - ease : seam])


def _show(values: FloatArray, grain_of: Mapping[str, float], numbers: list[str]) -> None:
    """Round to what devices show, in place."""
    columns = np.array([at for at, key in enumerate(numbers) if key in grain_of], np.intp)
    grain = np.array([grain_of[numbers[at]] for at in columns.tolist()])
    for start in range(0, len(values), 1_440):
        part = values[start : start + 1_440, columns]
        values[start : start + 1_440, columns] = np.round(part / grain) * grain


def _never_falls(values: FloatArray) -> NDArray[np.bool_]:
    """Which columns are counters, if they rise at all."""
    found = np.ones(values.shape[1], bool)
    for start in range(0, len(values) - 1, 1_440):
        found &= (np.diff(values[start : start + 1_441], axis=0) >= 0.0).all(axis=0)
    return found
