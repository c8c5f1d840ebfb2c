"""Devices that say nothing, or have just come back: whoever watches silence rings for them, detectors wait.

What a machine did while nobody heard it shows as a step when it is back, which is no fault of its own. Its streams and
relations open no episode for as long as it was away, five minutes at least, half an hour at most. So it is with all of
them where a past that was learned from ends: its rows are means, and what comes live is sampled in another way.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.runtime.settings import Stream
from inference.windows import Floats

__all__ = ["Silence", "silence_of"]

_FAR = np.iinfo(np.int64).min // 2
_PERIODS, _LEAST_US = 3.0, 120_000_000.0
_LATE_TIMES = 5.0  # a gateway that is short of time leaves some polls out
_SETTLE_US_LEAST, _SETTLE_US_MOST = 300_000_000, 1_800_000_000


class Silence:
    """Of the devices of some streams; `assets` numbers the device of each, `periods_s` NaN: by exception. A reading may
    be on its way for `late_s`, which is no silence."""

    def __init__(self, assets: NDArray[np.intp], periods_s: Floats, late_s: float) -> None:
        count = int(assets.max(initial=-1)) + 1
        self._asset = assets
        shortest = np.full(count, np.inf)
        told = np.isfinite(periods_s)
        np.minimum.at(shortest, assets[told], periods_s[told] * 1e6)
        self._late_s = late_s
        least_us = max(_LEAST_US, _LATE_TIMES * late_s * 1e6)
        self._bound_us = np.maximum(_PERIODS * shortest, least_us)  # infinite where nothing is said of its own accord
        self.heard_us, self.until_us = np.full(count, _FAR), np.full(count, _FAR)
        self._past_us: int | None = None  # since when what comes is a past

    def grown(self, streams: Sequence[Stream], assets: Mapping[str, int]) -> "Silence":
        """The same of more streams; devices keep their places."""
        found = silence_of(streams, assets, self._late_s)
        for name in ("heard_us", "until_us"):
            getattr(found, name)[: len(self.heard_us)] = getattr(self, name)
        found._past_us = self._past_us
        return found

    def step(self, cut_us: int, last_us: NDArray[np.int64], *, past: bool = False) -> NDArray[np.bool_]:
        """Streams whose device is silent at `cut_us` or has just come back; `last_us` is when each was heard last."""
        if past:
            self._past_us = cut_us if self._past_us is None else self._past_us
        elif self._past_us is not None:
            learned_us = cut_us - self._past_us
            self.until_us = np.maximum(self.until_us, cut_us + _settle_us(learned_us))
            self._past_us = None
        newest = np.full(len(self.heard_us), _FAR)
        np.maximum.at(newest, self._asset, last_us)
        known = self.heard_us > _FAR
        away_us = np.where(known, newest - self.heard_us, 0)
        back = away_us > self._bound_us
        self.until_us = np.where(back, newest + _settle_us(away_us), self.until_us)
        self.heard_us = np.maximum(self.heard_us, newest)
        silent = known & (cut_us - self.heard_us > self._bound_us)
        found: NDArray[np.bool_] = (silent | (cut_us < self.until_us))[self._asset]
        return found


def _settle_us(away_us: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return np.clip(away_us, _SETTLE_US_LEAST, _SETTLE_US_MOST)


def silence_of(streams: Sequence[Stream], assets: Mapping[str, int], late_s: float) -> Silence:
    """Of the devices of these streams; `assets` numbers them, `late_s` is the settings'."""
    periods = np.array([np.nan if one.period_s is None else one.period_s for one in streams], np.float64)
    return Silence(np.array([assets[one.asset] for one in streams], np.intp), periods, late_s)
