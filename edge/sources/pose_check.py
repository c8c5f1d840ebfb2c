"""Positions that cannot be: a place no aircraft could have reached in time, or a height that nobody flies at.

Such a pose is flagged BAD and the last believed one stays the yardstick, until several that agree with each other say
that the aircraft really is elsewhere (a receiver that came back, a drone carried to another place).
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wire.quality import BAD

__all__ = ["SPEED_M_S_MAX", "PoseCheck"]

SPEED_M_S_MAX: Final = 150.0  # faster than any drone of these sites flies
SLACK_M: Final = 100.0  # receivers jump when their fix improves
AGREE: Final = 10  # so many in a row at the new place are believed
HEIGHT_M: Final = (-1_000.0, 20_000.0)
_M_PER_DEG: Final = 111_320.0


class PoseCheck:
    """Remembers one aircraft. `news` says what began with the last call, empty otherwise."""

    def __init__(self, speed_m_s_max: float = SPEED_M_S_MAX) -> None:
        self._speed_m_s_max = speed_m_s_max
        self.news = ""
        self._good: tuple[int, float, float] | None = None
        self._odd: tuple[int, float, float] | None = None
        self._odd_count = 0

    def flags(
        self, t_us: NDArray[np.int64], lat: NDArray[np.float64], lon: NDArray[np.float64], alt_m: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """BAD or 0 for each position, all (n,) in the order of time."""
        self.news = ""
        flags = np.where((alt_m < HEIGHT_M[0]) | (alt_m > HEIGHT_M[1]), BAD, 0).astype(np.uint8)
        for row, place in enumerate(zip(t_us.tolist(), lat.tolist(), lon.tolist(), strict=True)):
            if not self._is_believed(place):
                flags[row] |= BAD
        return flags

    def _is_believed(self, place: tuple[int, float, float]) -> bool:
        if self._good is None or self._reachable(self._good, place):
            self._good, self._odd, self._odd_count = place, None, 0
            return True
        if self._odd is None:
            self.news = f"it leapt {_metres(self._good, place):,.0f} m"
        agrees = self._odd is not None and self._reachable(self._odd, place)
        self._odd, self._odd_count = place, self._odd_count + 1 if agrees else 1
        if self._odd_count >= AGREE:
            self._good, self._odd, self._odd_count = place, None, 0
            return True
        return False

    def _reachable(self, a: tuple[int, float, float], b: tuple[int, float, float]) -> bool:
        return _metres(a, b) <= SLACK_M + self._speed_m_s_max * abs(b[0] - a[0]) / 1e6


def _metres(a: tuple[int, float, float], b: tuple[int, float, float]) -> float:
    east = ((b[2] - a[2] + 180) % 360 - 180) * math.cos(math.radians(a[1]))
    return math.hypot(b[1] - a[1], east) * _M_PER_DEG
