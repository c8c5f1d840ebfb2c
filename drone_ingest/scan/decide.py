"""From evidence to verdicts: built, not built, or unknown where the scan cannot tell. Pure.

The offsets of the points that met an element are taken apart into the depths they came from (Richardson-Lucy with the
noise of a ray as kernel): what came from the element's own surface supports it, what came from behind it speaks
against it, what came from before it says nothing. So a cladding that is missing two centimetres before a wall, or a
formwork that stands five before it, is not taken for the element.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.scan.elements import Floats
from drone_ingest.scan.evidence import BINS, Evidence, Tolerance

__all__ = ["BUILT", "NOT_BUILT", "UNKNOWN", "VERDICTS", "Decision", "decide"]

UNKNOWN, BUILT, NOT_BUILT = 1, 2, 3
VERDICTS = {UNKNOWN: "unknown", BUILT: "built", NOT_BUILT: "not built"}
_ROUNDS = 60  # of Richardson-Lucy; the depths stand still after 40
_BUILT_FROM, _NOT_BUILT_BELOW = 0.75, 0.20
_WITNESSES_MIN = 8.0  # rays for or against
_CELLS_MIN = 3  # places that were met
_CONTESTED_MAX = 0.5  # of the support, where another element has the same surface
_WITNESSES_GLASS = 30  # a ray may pass glass that is there …
_GLASS_ECHO = 0.02  # … but some come back from it or its frame
_CLOSE = 2.0  # times the reach: so far a built element may be displaced
_SOFT = 2.0  # rays of doubt on each side of a probability


@dataclass(frozen=True, slots=True)
class Decision:
    """One row an element."""

    verdict: NDArray[np.uint8]
    p_built: Floats
    supported: Floats  # rays that came from its surface
    against: Floats  # rays that came from behind it, or went through it


def decide(evidence: Evidence, tolerance: Tolerance) -> Decision:
    """Verdict, probability and the rays behind them."""
    own, close, behind = _apart(evidence.offsets.astype(np.float64), tolerance)
    pierced = (evidence.pierced - evidence.edged).astype(np.float64)
    clear = evidence.contested <= _CONTESTED_MAX * own
    own = np.maximum(own - evidence.contested, 0.0)
    against = close + behind + pierced + evidence.glazed
    total = own + against
    p_built = (own + _SOFT) / (total + 2 * _SOFT)
    enough = total >= _WITNESSES_MIN
    built = enough & (p_built >= _BUILT_FROM) & (own >= _WITNESSES_MIN) & (evidence.cells >= _CELLS_MIN) & clear
    opaque = behind + pierced
    glass = (evidence.glazed >= _WITNESSES_GLASS) & (evidence.offsets.sum(axis=1) <= _GLASS_ECHO * evidence.glazed)
    displaced = (own + close + _SOFT) / (total + 2 * _SOFT)  # a little behind its place, it is built askew at worst
    missing = enough & (displaced < _NOT_BUILT_BELOW) & ((opaque >= _WITNESSES_MIN) | glass)
    verdict = np.where(built, BUILT, np.where(missing, NOT_BUILT, UNKNOWN)).astype(np.uint8)
    return Decision(verdict, p_built, own, against)


def _apart(offsets: Floats, tolerance: Tolerance) -> tuple[Floats, Floats, Floats]:
    """Of each row of binned offsets, how many came from the surface itself, from close behind it, and from farther."""
    zone, width = tolerance.zone_m, 2 * tolerance.zone_m / BINS
    centres = -zone + width * (np.arange(BINS) + 0.5)
    kernel = np.exp(-0.5 * ((centres[:, None] - centres[None]) / max(tolerance.sigma_m, width)) ** 2)
    kernel /= kernel.sum(axis=0)
    depth = np.repeat(offsets.sum(axis=1, keepdims=True) / BINS, BINS, axis=1)
    for _ in range(_ROUNDS):
        seen = depth @ kernel.T
        depth *= np.divide(offsets, seen, out=np.zeros_like(seen), where=seen > 1e-9) @ kernel
    reach = tolerance.reach_m
    own, close = np.abs(centres) <= reach, (centres > reach) & (centres <= _CLOSE * reach)
    return depth[:, own].sum(axis=1), depth[:, close].sum(axis=1), depth[:, centres > _CLOSE * reach].sum(axis=1)
