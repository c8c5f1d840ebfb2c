"""From scores to alarms: a budget of false-alarm episodes per stream-day, held whatever the data does.

A score is −log10 of the probability that a block of normal rows peaks as high, so the budget gives the threshold:
`−log10(budget · seconds of a block / 86400)`. It opens an alarm; two thirds of it, for some rows, closes it; what
opens again soon after is the same episode.
Three things keep the promise when normal drifts away from what was learned:

* every opened episode raises the stream's own threshold by half a decade, which decays at the rate of the budget
  (adaptive conformal inference, Gibbs and Candès 2021): over a long time no stream exceeds its budget, and no
  assumption about its data is needed. Feedback moves it too: accepted takes the raise back, false adds another;
* an exchangeability test (`inference.drift`) finds a lasting shift, which becomes one "regime change" event; the
  reference is learned anew from the rows since, and the alarm closes;
* an unknown value neither opens nor closes anything.

All state is arrays over streams; a step is a few vector operations whether there is one stream or ten thousand.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.bundle import AlarmPolicy
from inference.drift import Drift
from inference.windows import Floats

__all__ = ["Alarms", "Step", "threshold"]

_DAY_S = 86_400.0
_OPEN_MIN, _OPEN_MAX = 1.0, 8.0  # decades: one block in ten at most; beyond 8 no tail is known
_CLOSE_RATIO = 2.0 / 3.0  # of the opening threshold
_CLOSE_ROWS = 8  # so many rows below before an alarm closes
_MERGE_ROWS = 64  # an alarm that opens again within is the same episode
_RAISE = 0.5  # decades an episode costs
_RAISE_MAX = 4.0  # a stream never goes deaf
_FORGIVE_MIN = -0.5  # accepted alarms may make a stream a little keener, never more

Bools = NDArray[np.bool_]


def threshold(policy: AlarmPolicy) -> float:
    """The opening threshold that spends the budget, in decades."""
    blocks_per_day = _DAY_S / max(policy.block_rows * policy.row_s, 1e-9)
    share = policy.budget_per_day / blocks_per_day
    return min(max(-math.log10(max(share, 1e-300)), _OPEN_MIN), _OPEN_MAX)


@dataclass(frozen=True)
class Step:
    """What one row did to every stream: (streams,) booleans."""

    active: Bools
    opened: Bools
    regime: Bools


class Alarms:
    """Alarm state of `streams` streams of one policy."""

    def __init__(self, policy: AlarmPolicy, streams: int, trained_rows: int) -> None:
        self.open_at = threshold(policy)
        self._decay = _RAISE * policy.budget_per_day * policy.row_s / _DAY_S
        self.raised: Floats = np.zeros(streams)
        self.active: Bools = np.zeros(streams, bool)
        self.episodes = np.zeros(streams, np.int64)
        self._below = np.zeros(streams, np.int64)
        self._since = np.full(streams, _MERGE_ROWS, np.int64)  # rows since an alarm was active
        self._level = np.full(streams, self.open_at)  # the threshold that the episode opened at
        self.drift = Drift(streams, policy.block_rows, trained_rows)

    def step(self, score: Floats, known: Bools) -> Step:
        """Take one row: `score` (streams,), `known` false where the value is missing."""
        score, regime = self.drift.step(score, known)
        same = self._since < _MERGE_ROWS
        level = np.where(same, self._level, self.open_at + self.raised)
        high = known & (score >= level) & ~regime
        opened = high & ~self.active & ~same
        self._level = np.where(opened, level, self._level)
        low = self.active & known & (score < _CLOSE_RATIO * self._level)
        self._below = np.where(low, self._below + 1, np.where(known, 0, self._below))
        self.active = (self.active | high) & (self._below < _CLOSE_ROWS) & ~regime
        self._below[~self.active] = 0
        self._since = np.where(self.active, 0, np.minimum(self._since + known, _MERGE_ROWS))
        self._since[regime] = _MERGE_ROWS
        self.raised = np.where(self.raised > 0, np.maximum(self.raised - self._decay, 0.0), self.raised)
        self.raised[opened] = np.minimum(self.raised[opened] + _RAISE, _RAISE_MAX)
        self.episodes += opened
        return Step(self.active.copy(), opened, regime)

    def feedback(self, stream: int, accepted: bool) -> float:
        """The operator's verdict on the last alarm of a stream; gives the threshold that now holds."""
        change = -_RAISE if accepted else _RAISE
        self.raised[stream] = min(max(self.raised[stream] + change, _FORGIVE_MIN), _RAISE_MAX)
        return float(self.open_at + self.raised[stream])
