"""Quality of a reading: eight bit flags, 0 is good. Flagged values are stored, never silently dropped."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BAD", "FLAGS", "GOOD", "HISTORICAL", "NOT_A_NUMBER", "OUT_OF_RANGE", "SIMULATED", "STALE", "SUBSTITUTED",
    "TIME_SUSPECT", "UNUSABLE", "flag_values", "names",
]  # fmt: skip

GOOD: Final = 0
NOT_A_NUMBER: Final = 1  # NaN or infinite: one of them would make every mean of its range NaN
OUT_OF_RANGE: Final = 2  # outside the limits that the catalogue gives
TIME_SUSPECT: Final = 4  # more than a day ahead, or stamped by a clock that was never set
BAD: Final = 8  # the device itself says so
STALE: Final = 16  # the last known value, repeated because the link to the device is lost
SIMULATED: Final = 32  # from a simulated device that says so
HISTORICAL: Final = 64  # from a recording: keeps its own time and never overwrites a newer live value
SUBSTITUTED: Final = 128  # entered by hand or calculated in place of a measurement
UNUSABLE: Final = NOT_A_NUMBER | OUT_OF_RANGE | BAD | STALE  # aggregates and alarms leave these out

FLAGS: Final = {
    "not_a_number": NOT_A_NUMBER, "out_of_range": OUT_OF_RANGE, "time_suspect": TIME_SUSPECT, "bad": BAD,
    "stale": STALE, "simulated": SIMULATED, "historical": HISTORICAL, "substituted": SUBSTITUTED,
}  # fmt: skip


def flag_values(
    values: NDArray[np.float64], low: NDArray[np.float64] | float, high: NDArray[np.float64] | float
) -> NDArray[np.uint8]:
    """Flags of `values` (n,) against limits of the same shape or one pair; a NaN limit means none."""
    flags = np.where(np.isfinite(values), 0, NOT_A_NUMBER).astype(np.uint8)
    with np.errstate(invalid="ignore"):
        flags[(values < low) | (values > high)] |= OUT_OF_RANGE
    flags[(flags & NOT_A_NUMBER) > 0] = NOT_A_NUMBER
    return flags


def names(quality: int) -> list[str]:
    """The flags that are set, by name."""
    return [name for name, bit in FLAGS.items() if quality & bit]
