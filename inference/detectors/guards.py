"""Guards: plain facts about a channel that need no statistics, each a flag of its own.

| flag | says |
|---|---|
| range | the value lies outside what was seen by more than half of its spread (or outside given limits) |
| step | it moved in one row by more than three times the largest step seen |
| stuck | it has not moved for the whole window, although it never rested for half as long |
| gap | more than half of the window is missing: what is scored there is held, not measured |

A channel that was constant while learning has no spread: any other value is out of range, and it is never stuck.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from inference.bundle import AlarmPolicy, Manifest, encode_manifest
from inference.detectors.shape import WIDTH
from inference.graph import Graph
from inference.windows import Floats

__all__ = ["FLAGS", "Guards"]

FLAGS = ("range", "step", "stuck", "gap")
_SPREAD_SHARE, _STEP_RATIO, _GAP_SHARE = 0.5, 3.0, 0.5
_ROUNDING = 1e-9  # relative: below that two values are the same


@dataclass(frozen=True)
class Guards:
    """Limits per channel: low, high, largest step, and whether it is one that moves (1.0) or rests (0.0)."""

    low: Floats
    high: Floats
    step: Floats
    moves: Floats

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Learn from held rows (rows, channels) of normal operation."""
        low, high = values.min(axis=0), values.max(axis=0)
        slack = np.maximum(_SPREAD_SHARE * (high - low), _ROUNDING * np.maximum(np.abs(low), np.abs(high)))
        steps = np.abs(np.diff(values, axis=0))
        rest = np.array([_longest_rest(column) for column in steps.T])
        return cls(
            low - slack, high + slack, _STEP_RATIO * steps.max(axis=0) + slack, (rest < WIDTH // 2).astype(np.float64)
        )

    def score(self, window: Floats, missing: Floats) -> Floats:
        """Reference in numpy: flags (n, channels, 4) of windows (n, channels, WIDTH), `missing` 1.0 where held."""
        now = window[..., -1]
        found = [
            (now < self.low) | (now > self.high),
            np.abs(now - window[..., -2]) > self.step,
            (window.max(axis=-1) <= window.min(axis=-1)) & (self.moves > 0),
            missing.mean(axis=-1) > _GAP_SHARE,
        ]
        return np.stack(found, axis=-1).astype(np.float64)

    def to_bytes(self, names: Sequence[str], trained_rows: int, data_sha256: str) -> bytes:
        """The same as a bundle: `window` and `missing` in, `flags` out."""
        g, channels = Graph("guards"), len(names)
        window, missing = (g.input(name, ["n", channels, WIDTH]) for name in ("window", "missing"))
        now = g.op("Squeeze", g.last(window, 1, -1), g.ints(-1))
        before = g.op("Squeeze", g.op("Slice", window, g.ints(-2), g.ints(-1), g.ints(-1)), g.ints(-1))
        outside = g.op("Or", g.op("Less", now, g.const(self.low)), g.op("Greater", now, g.const(self.high)))
        jumped = g.op("Greater", g.op("Abs", g.op("Sub", now, before)), g.const(self.step))
        top, bottom = (g.op(kind, window, g.ints(-1), keepdims=0) for kind in ("ReduceMax", "ReduceMin"))
        stuck = g.op("And", g.op("LessOrEqual", top, bottom), g.const(self.moves > 0, np.bool_))
        gap = g.op("Greater", g.mean(missing, -1), g.const(_GAP_SHARE))
        flags = [g.op("Unsqueeze", g.op("Cast", flag, to=11), g.ints(-1)) for flag in (outside, jumped, stuck, gap)]
        g.output("flags", g.op("Concat", *flags, axis=-1), ["n", channels, len(FLAGS)])
        manifest = Manifest(
            kind="guards",
            channels=tuple(names),
            center=tuple(((self.low + self.high) / 2).tolist()),
            detectors=FLAGS,
            width_rows=WIDTH,
            trained_rows=trained_rows,
            data_sha256=data_sha256,
            alarm=AlarmPolicy(),
        )
        return g.to_bytes(encode_manifest(manifest))


def _longest_rest(steps: Floats) -> int:
    """Rows of the longest run without a step."""
    moved = np.flatnonzero(steps > 0)
    ends = np.concatenate([[-1], moved, [len(steps)]])
    return int(np.diff(ends).max()) - 1
