"""A past that comes in behind live values: it is not scored as it comes; once it is there, scoring learns from it anew.

Its readings are both simulated and historical (`aid4.past`). A recording that somebody plays is scored as it plays.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.state import Rows
from wire.clock import Clock
from wire.quality import HISTORICAL, SIMULATED

__all__ = ["PastCame"]

SETTLED_S: Final = 10.0  # without another reading of it: all is there
_MADE: Final = HISTORICAL | SIMULATED


class PastCame:
    """`take` in the writer's thread; the rest in the loop's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_s: float | None = None
        self.learned = 0

    def take(self, rows: Rows) -> NDArray[np.bool_]:
        """Which readings belong to a past that was made."""
        made: NDArray[np.bool_] = (rows.quality & _MADE) == _MADE
        if made.any():
            self._last_s = self._clock.monotonic_s()
        return made

    def settled(self) -> bool:
        """Whether a past has come in, and no more of it comes."""
        return self._last_s is not None and self._clock.monotonic_s() - self._last_s >= SETTLED_S

    def forget(self) -> None:
        """It is being learned."""
        self._last_s = None
        self.learned += 1
