"""Heights of one flight in one datum: what separates two datums there is the median over rows that carry both.

At one site the geoid and the place of take-off are constants, so a difference is one number; where no row carries
both, nothing is converted, and heights of the other datum are left out rather than guessed.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drone_ingest.found import HEIGHTS

__all__ = ["OneDatum", "in_one_datum"]

_ORDER = ("ellipsoid", "orthometric", "relative", "unknown")
_CHAINS = (
    ("relative", "orthometric", "ellipsoid"),
    ("ellipsoid", "orthometric", "relative"),
    ("relative", "ellipsoid", "orthometric"),
    ("orthometric", "ellipsoid", "relative"),
    ("ellipsoid", "relative", "orthometric"),
    ("orthometric", "relative", "ellipsoid"),
)
_SPREAD_M_MAX = 10.0  # a difference that wanders more is none (a barometer drifts by metres)


@dataclass(frozen=True, slots=True)
class OneDatum:
    """Heights (n,) with NaN where there is none, their datum, and how others were lifted into it, for people."""

    height_m: NDArray[np.float64]
    datum: str | None
    lifts_m: dict[str, float]
    left_out: int


def in_one_datum(positions: pa.Table) -> OneDatum:
    """The datum that most rows can be given, ellipsoid before orthometric before relative, and the heights in it."""
    given = {datum: positions[name].to_numpy() for datum, name in HEIGHTS.items()}
    lifts = _differences(given)
    best: OneDatum | None = None
    for datum in _ORDER:
        heights, used = _lifted(given, lifts, datum)
        known = int(np.isfinite(heights).sum())
        if known and (best is None or known > np.isfinite(best.height_m).sum()):
            any_height = np.any([np.isfinite(one) for one in given.values()], axis=0)
            best = OneDatum(heights, datum, used, int(any_height.sum()) - known)
    return best or OneDatum(np.full(len(positions), np.nan), None, {}, 0)


def _differences(given: dict[str, NDArray[np.float64]]) -> dict[tuple[str, str], float]:
    """Metres to add to a height of the first datum for one of the second; `unknown` is never converted."""
    lifts: dict[tuple[str, str], float] = {}
    for one in _ORDER[:3]:
        for other in _ORDER[:3]:
            both = np.isfinite(given[one]) & np.isfinite(given[other])
            if one != other and both.any():
                apart = given[other][both] - given[one][both]
                middle = float(np.median(apart))
                if np.median(np.abs(apart - middle)) <= _SPREAD_M_MAX:
                    lifts[one, other] = middle
    for start, through, end in _CHAINS:
        if (start, end) not in lifts and (start, through) in lifts and (through, end) in lifts:
            lifts[start, end] = lifts[start, through] + lifts[through, end]
    return lifts


def _lifted(
    given: dict[str, NDArray[np.float64]], lifts: dict[tuple[str, str], float], datum: str
) -> tuple[NDArray[np.float64], dict[str, float]]:
    heights, used = given[datum].copy(), {}
    for other in _ORDER:
        if (other, datum) in lifts:
            missing = ~np.isfinite(heights) & np.isfinite(given[other])
            if missing.any():
                heights[missing] = given[other][missing] + lifts[other, datum]
                used[other] = round(lifts[other, datum], 3)
    return heights, used
