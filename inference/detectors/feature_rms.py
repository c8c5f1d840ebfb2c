"""Root mean square of robustly scaled features: value, step, and at 4, 16 and 64 rows mean, spread, step size and
deviation from the mean. It finds levels, spikes, noise that grows or dies, and frozen values, at three time scales.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from inference.graph import Graph
from inference.limits import CLIP_Z
from inference.scaling import robust
from inference.windows import Floats

__all__ = ["FeatureRms", "features"]

_SPANS = (4, 16, 64)
_LOG_FLOOR = 1e-3  # scaled units: a spread below that is silence
_SCALE_MIN = 0.05  # a feature that hardly moved while learning must not outweigh all others


def features(z: Floats) -> Floats:
    """(n, channels, 14) from (n, channels, WIDTH)."""
    steps = np.abs(np.diff(z, axis=-1))
    found = [z[..., -1], z[..., -1] - z[..., -2]]
    for span in _SPANS:
        part = z[..., -span:]
        mean = part.mean(axis=-1)
        spread = np.sqrt(((part - mean[..., None]) ** 2).mean(axis=-1))
        found += [
            mean,
            np.log(spread + _LOG_FLOOR),
            np.log(steps[..., -span:].mean(axis=-1) + _LOG_FLOOR),
            z[..., -1] - mean,
        ]
    return np.stack(found, axis=-1)


@dataclass(frozen=True)
class FeatureRms:
    """Location and scale of each feature, (channels, 14)."""

    center: Floats
    scale: Floats
    pooled: bool

    @classmethod
    def fit(cls, windows: Floats, pooled: bool) -> Self:
        """Learn the features' location and scale."""
        center, scale = robust(features(windows))
        return cls(center, np.maximum(scale, _SCALE_MIN), pooled)

    def score(self, z: Floats) -> tuple[Floats, Floats]:
        """Reference in numpy."""
        scaled = np.clip((features(z) - self.center) / self.scale, -CLIP_Z, CLIP_Z)
        share = (scaled**2).mean(axis=-1)
        return np.sqrt(share.mean(axis=-1, keepdims=True) if self.pooled else share), share

    def add(self, g: Graph, z: str) -> tuple[str, str]:
        """The same as nodes."""
        scaled = g.op("Div", g.op("Sub", _feature_nodes(g, z), g.const(self.center)), g.const(self.scale))
        clipped = g.clip(scaled, -CLIP_Z, CLIP_Z)
        share = g.mean(g.op("Mul", clipped, clipped), -1)
        pooled = g.op("ReduceMean", share, g.ints(-1), keepdims=1) if self.pooled else share
        return g.op("Sqrt", pooled), share


def _feature_nodes(g: Graph, z: str) -> str:
    now, before = g.last(z, 1, -1), g.op("Slice", z, g.ints(-2), g.ints(-1), g.ints(-1))
    late = g.op("Slice", z, g.ints(1), g.ints(np.iinfo(np.int64).max), g.ints(-1))
    early = g.op("Slice", z, g.ints(0), g.ints(-1), g.ints(-1))
    steps = g.op("Abs", g.op("Sub", late, early))
    found = [now, g.op("Sub", now, before)]
    floor = g.const(_LOG_FLOOR)
    for span in _SPANS:
        part = g.last(z, span, -1)
        mean = g.op("ReduceMean", part, g.ints(-1), keepdims=1)
        away = g.op("Sub", part, mean)
        spread = g.op("Sqrt", g.op("ReduceMean", g.op("Mul", away, away), g.ints(-1), keepdims=1))
        step = g.op("ReduceMean", g.last(steps, span, -1), g.ints(-1), keepdims=1)
        logs = [g.op("Log", g.op("Add", value, floor)) for value in (spread, step)]
        found += [mean, *logs, g.op("Sub", now, mean)]
    return g.op("Concat", *found, axis=-1)
