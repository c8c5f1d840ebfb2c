"""Many independent streams at once: one tick scores them all, tile by tile.

A tile is one bundle of kind `streams` (100 to 500 channels, each with its own weights); small tiles stay in the
cache of a core, and one huge batch would take several times the memory. Windows live in a ring that is written twice
at an offset of its width, so that every window is one slice without a copy of the past.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.alarm import Alarms, Step
from inference.bundle import Bundle
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["Fleet", "Tick"]


@dataclass(frozen=True)
class Tick:
    """Scores (−log10 p) and alarms of one tick, (streams,) each; 0 without a value, or before a window is full."""

    score: Floats
    alarms: Step


class Fleet:
    """State of all streams of some bundles, in the order of their channels."""

    def __init__(self, bundles: Sequence[Bundle]) -> None:
        if not bundles or any(bundle.manifest.kind != "streams" for bundle in bundles):
            raise InputError("a fleet is made of bundles of single streams", field="kind", fix="fit with pooled=False")
        manifests = [bundle.manifest for bundle in bundles]
        if len({(one.width_rows, one.alarm) for one in manifests}) != 1:
            raise InputError(
                "bundles of one fleet differ in window or alarm policy", field="alarm", fix="fit them alike"
            )
        self._bundles, self._width = list(bundles), manifests[0].width_rows
        self._edges = np.cumsum([0, *(len(one.channels) for one in manifests)]).tolist()
        self.streams = int(self._edges[-1])
        center = np.concatenate([one.center for one in manifests])
        self._ring: Floats = np.repeat(center[:, None], 2 * self._width, axis=1)
        self._at = 0
        self._seen = np.zeros(self.streams, np.int64)  # values had, up to a full window
        self._alarms = Alarms(manifests[0].alarm, self.streams, min(one.trained_rows for one in manifests))

    def tick(self, values: Floats) -> Tick:
        """Take one value of every stream (streams,), NaN where there is none, and judge it."""
        known = np.isfinite(values)
        self._take(values, known)
        score = np.empty(self.streams)
        windows = self._ring[:, self._at + 1 : self._at + 1 + self._width]
        for bundle, low, high in zip(self._bundles, self._edges[:-1], self._edges[1:], strict=True):
            score[low:high] = bundle.run({"window": windows[None, low:high]})["score"][0]
        known = known & (self._seen >= self._width)
        score = np.where(known, score, 0.0)
        return Tick(score, self._alarms.step(score, known))

    def feedback(self, stream: int, accepted: bool) -> float:
        """The operator's verdict on a stream's last alarm; gives the threshold that now holds."""
        return self._alarms.feedback(stream, accepted)

    def _take(self, values: Floats, known: NDArray[np.bool_]) -> None:
        last = self._ring[:, self._at + self._width]
        now = np.where(known, values, last)
        self._at = (self._at + 1) % self._width
        self._ring[:, self._at] = self._ring[:, self._at + self._width] = now
        self._seen = np.minimum(self._seen + known, self._width)
