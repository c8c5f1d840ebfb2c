"""Files whose clock is not UTC beside one whose is: the shift that lays one track on the other.

A camera's wall clock differs from UTC by a time zone (a multiple of 15 minutes) and a few seconds. Each zone is tried
and the rest refined; the shift is taken only when the tracks then lie within metres of one another, and when they
move: over a hovering drone every shift fits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.track.enu import metres_between

__all__ = ["Path", "Shift", "nearest_times", "shift_onto"]

_QUARTER_US = 900_000_000
_ZONES = range(-14 * 4, 14 * 4 + 1)  # local time is UTC plus this many quarters
_FINE_US = np.arange(-90_000_000, 90_000_001, 500_000)
_NEAR_M = 15.0  # of GPS against GPS, with a coarse cue of four decimals (11 m)
_SPREAD_M_MIN = 40.0  # a track that moves less says nothing about time
_ROWS_MAX = 2_000  # compared; more add nothing
_SHARE_MIN = 0.5  # of the rows must fall into the other's span


@dataclass(frozen=True, slots=True)
class Path:
    """Times (n,) in µs, strictly or not, and places (n,) in degrees."""

    t_us: NDArray[np.int64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]

    def sorted(self) -> "Path":
        """In time order, without rows that have no place."""
        good = np.isfinite(self.lat) & np.isfinite(self.lon)
        order = np.argsort(self.t_us[good], kind="stable")
        return Path(self.t_us[good][order], self.lat[good][order], self.lon[good][order])


@dataclass(frozen=True, slots=True)
class Shift:
    """UTC less the other clock, and how far apart the tracks then lie (median)."""

    us: int
    apart_m: float


def shift_onto(reference: Path, other: Path) -> Shift | None:
    """The shift that lays `other` on `reference`; None when no shift can be told."""
    reference, other = reference.sorted(), other.sorted()
    if len(reference.t_us) < 2 or len(other.t_us) < 2 or _extent(other) < _SPREAD_M_MIN:
        return None
    step = max(len(other.t_us) // _ROWS_MAX, 1)
    other = Path(other.t_us[::step], other.lat[::step], other.lon[::step])
    zones = [(-quarter * _QUARTER_US, _overlap(reference, other, -quarter * _QUARTER_US)) for quarter in _ZONES]
    tried = [
        (_apart(reference, other, int(shift + fine)), int(shift + fine))
        for shift, share in zones
        if share > 0
        for fine in _FINE_US[:: 1 if len(other.t_us) < 200 else 4]
    ]
    best = min(tried, default=(np.inf, 0))
    return Shift(best[1], round(best[0], 2)) if best[0] <= _NEAR_M else None


def _extent(path: Path) -> float:
    corners = (np.array([one.min()]) for one in (path.lat, path.lon))
    lat, lon = corners
    return float(metres_between(lat, lon, np.array([path.lat.max()]), np.array([path.lon.max()]))[0])


def _overlap(reference: Path, other: Path, shift_us: int) -> float:
    slack = int(_FINE_US[-1])
    at = other.t_us + shift_us
    return float(((at >= reference.t_us[0] - slack) & (at <= reference.t_us[-1] + slack)).mean())


def _apart(reference: Path, other: Path, shift_us: int) -> float:
    """Median distance between `other` and the place of `reference` at that time; infinite without enough overlap."""
    at = other.t_us + shift_us
    inside = (at >= reference.t_us[0]) & (at <= reference.t_us[-1])
    if inside.mean() < _SHARE_MIN:
        return float("inf")
    lat = np.interp(at[inside], reference.t_us, reference.lat)
    lon = np.interp(at[inside], reference.t_us, reference.lon)
    return float(np.median(metres_between(lat, lon, other.lat[inside], other.lon[inside])))


def nearest_times(reference: Path, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.int64]:
    """For places without a time (photos of a table) the time at which the reference was there, −1 where it never was
    or was twice, minutes apart."""
    reference = reference.sorted()
    times = np.full(len(lat), -1, np.int64)
    for row in range(len(lat)):
        far = metres_between(np.full(len(reference.lat), lat[row]), np.full(len(reference.lat), lon[row]),
                             reference.lat, reference.lon)  # fmt: skip
        near = np.flatnonzero(far <= np.maximum(far.min(initial=np.inf) * 1.5, 3.0)) if len(far) else np.empty(0, int)
        if len(near) and far[near].min() <= _NEAR_M and np.ptp(reference.t_us[near]) < 20_000_000:
            times[row] = reference.t_us[near[np.argmin(far[near])]]
    return times
