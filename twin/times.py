"""Microseconds since 1970 as ISO 8601 in UTC, one at a time or by the column."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["iso", "iso_times"]


def iso_times(ts_us: NDArray[np.int64]) -> list[str]:
    """Each with microseconds and Z."""
    texts: list[str] = np.datetime_as_string(ts_us.astype("M8[us]"), unit="us", timezone="UTC").tolist()
    return texts


def iso(ts_us: int | None) -> str | None:
    """One time, None for none."""
    return None if ts_us is None else iso_times(np.array([ts_us], np.int64))[0]
