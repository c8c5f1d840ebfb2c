"""Robust location and scale of channels, learned on accepted rows: the first step of every fitted detector."""

from dataclasses import dataclass

import numpy as np

from inference.limits import CLIP_Z
from inference.windows import Floats

__all__ = ["Scaling", "fit_scaling", "robust"]

_TINY = 1e-9  # relative: below that a channel is constant and its steps are the rounding of its sensor


@dataclass(frozen=True)
class Scaling:
    """`(value - center) / scale` per channel, clipped to ±CLIP_Z."""

    center: Floats  # (channels,)
    scale: Floats  # (channels,), > 0
    constant: np.ndarray  # (channels,) bool: did not move while learning

    def apply(self, values: Floats, axis: int = -1) -> Floats:
        """Scaled values; `axis` is that of the channels."""
        shape = [1] * values.ndim
        shape[axis] = -1
        scaled: Floats = (values - self.center.reshape(shape)) / self.scale.reshape(shape)
        return np.clip(scaled, -CLIP_Z, CLIP_Z)


def robust(values: Floats) -> tuple[Floats, Floats]:
    """Median and a scale that neither outliers nor long flat stretches spoil, per column.

    The scale is the largest of what the quartiles, the 5 % to 95 % range and a tenth of the deviation say of a normal
    distribution: a valve that moves in one row of twenty still has a scale.
    """
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    scale = np.maximum((third - first) / 1.349, (high - low) / 3.290)
    return middle, np.maximum(scale, 0.1 * values.std(axis=0))


def fit_scaling(values: Floats) -> Scaling:
    """Learn from rows (rows, channels). A constant channel gets a scale that calls a step of 1 % of its value large."""
    center, scale = robust(values)
    size = np.maximum(np.abs(values).max(axis=0), 1e-300)
    constant = values.std(axis=0) <= _TINY * size
    fallback = np.maximum(1e-3 * np.abs(center), 1e-6)
    return Scaling(center, np.where(constant, fallback, np.maximum(scale, _TINY * size)), constant)
