"""Randomness with a memory: what drifts in a park drifts slowly, and white noise looks false on a chart."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

__all__ = ["FloatArray", "Wander", "generator", "lag"]

FloatArray = NDArray[np.float64]


def generator(seed: int, part: str) -> np.random.Generator:
    """Random numbers of one part of the park: adding a device elsewhere leaves them as they are."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(part.encode())])))


def lag(dt_s: float, time_constant_s: float) -> float:
    """Share of the way to its target that a first-order lag goes in `dt_s`; exact for any step."""
    return 1.0 - float(np.exp(-dt_s / time_constant_s))


class Wander:
    """`count` Ornstein-Uhlenbeck processes around zero: standard deviation `sigma`, memory `time_constant_s`.

    The discretisation is exact, so a warm-up in coarse steps has the same statistics as a run in seconds.
    """

    def __init__(self, count: int, *, time_constant_s: float, sigma: float, rng: np.random.Generator) -> None:
        self._rng = rng
        self._time_constant_s = time_constant_s
        self._sigma = sigma
        self.now: FloatArray = sigma * rng.standard_normal(count)

    def step(self, dt_s: float) -> FloatArray:
        """Go on by `dt_s` and return the new values."""
        keep = float(np.exp(-dt_s / self._time_constant_s))
        kick = self._sigma * float(np.sqrt(1.0 - keep * keep))
        self.now = keep * self.now + kick * self._rng.standard_normal(self.now.size)
        return self.now
