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
_BUILT_FROM, _NOT_BUILT_BELOW = 0.70, 0.20
_EARLY_FROM, _EARLY_SUPPORT_MIN, _EARLY_WIDTH, _EARLY_SIGMAS = 0.90, 20.0, 1.15, 9.0  # of what is not due yet
_SUPPORT_MIN = 4.0  # rays that ended on it
_WITNESSES_MIN = 8.0  # rays that passed through it
_STRAY_SHARE = 0.015  # of rays that end before an element, so many may seem to pass it
_MODEL_WIDTH = 1.3  # times as wide as the others lie may the points of one element lie
_MODEL_SHIFT = 3.0  # and so many times as far from its surface
_MEASURED_MIN = 40  # points of an element that make its mean and width worth comparing
_CELLS_MIN = 3  # places that were met
_CONTESTED_MAX = 0.6  # of the support, where another element has the same surface
_WITNESSES_GLASS = 30  # a ray may pass glass that is there …
_GLASS_SIGMAS = 2.0  # of counting, from which an excess tells more than nothing
_GLASS_ECHO = 0.02  # … but some come back from it or its frame
_CLOSE = 2.0  # times the reach: so far a built element may be displaced
_SOFT = 1.5  # rays of doubt on each side of a probability


@dataclass(frozen=True, slots=True)
class Decision:
    """One row an element."""

    verdict: NDArray[np.uint8]
    p_built: Floats
    supported: Floats  # rays that came from its surface
    against: Floats  # rays that came from behind it, or went through it


def decide(evidence: Evidence, tolerance: Tolerance, unexpected: NDArray[np.bool_] | None = None) -> Decision:
    """Verdict, probability and the rays behind them.

    `unexpected` elements are not due yet: formwork where a wall will stand looks like it, so more is asked of them.
    """
    early = np.zeros(len(evidence.pierced), np.bool_) if unexpected is None else unexpected
    own, close, behind = _apart(evidence.offsets.astype(np.float64), tolerance)
    pierced = (evidence.pierced - evidence.edged).astype(np.float64)
    clear = evidence.contested <= _CONTESTED_MAX * own
    own = np.maximum(own - evidence.contested, 0.0)
    against = close + behind + pierced + evidence.glazed
    met = evidence.offsets.sum(axis=1)
    glass = (evidence.glazed >= _WITNESSES_GLASS) & (met <= _GLASS_ECHO * evidence.glazed) & evidence.see_through
    p_glass = _through_glass(evidence.offsets, own, glass, early, tolerance)
    p_built = np.where(evidence.see_through, p_glass, (own + _SOFT) / (own + against + 2 * _SOFT))
    built = (p_built >= np.where(early & ~evidence.see_through, _EARLY_FROM, _BUILT_FROM)) & clear
    built &= (own >= np.where(early, _EARLY_SUPPORT_MIN, _SUPPORT_MIN)) & (evidence.cells >= _CELLS_MIN)
    built &= _in_place(evidence.offsets, built, early, tolerance)
    opaque = np.where(evidence.see_through, 0.0, behind + pierced)
    stray = _STRAY_SHARE * evidence.occluded  # some points lie behind everything: echoes of echoes
    gone = behind + pierced + evidence.glazed  # a little behind its place it is built askew at worst
    displaced = (own + close + _SOFT) / (own + close + gone + 2 * _SOFT)
    missing = (displaced < _NOT_BUILT_BELOW) & ((opaque >= _WITNESSES_MIN) & (opaque >= stray) | glass)
    verdict = np.where(built, BUILT, np.where(missing, NOT_BUILT, UNKNOWN)).astype(np.uint8)
    return Decision(verdict, p_built, own, against)


def _through_glass(
    offsets: NDArray[np.int64],
    own: Floats,
    gone: NDArray[np.bool_],
    early: NDArray[np.bool_],
    tolerance: Tolerance,
) -> Floats:
    """Probability of what is drawn as glass: light passes a window that is there, so only an excess of points at its
    surface, above how densely they lie before and behind it, tells that it stands; that nearly none lies there at all
    (`gone`), that it does not."""
    far = np.abs(_centres(tolerance)) > tolerance.reach_m + tolerance.sigma_m
    level = offsets[:, far].sum(axis=1) / max(int(far.sum()), 1) * int((~far).sum())
    sigmas = (own - level) / np.sqrt(own + level + 1.0)
    needed = np.where(early, _EARLY_SIGMAS, _GLASS_SIGMAS)
    excess = 1 / (1 + np.exp(needed - np.clip(sigmas, -30, 30)))
    found: Floats = np.where(gone, 0.1, np.maximum(excess, 0.5))
    return found


def _in_place(
    offsets: NDArray[np.int64], built: NDArray[np.bool_], early: NDArray[np.bool_], tolerance: Tolerance
) -> NDArray[np.bool_]:
    """Whether the points of each element lie where, and as tightly as, those of the others do.

    What this building tolerates is learnt from it: the spread of the elements' mean offsets, and their usual width.
    """
    centres = _centres(tolerance)
    near = np.abs(centres) <= tolerance.reach_m + 2 * tolerance.sigma_m
    count = np.maximum(offsets[:, near].sum(axis=1), 1)
    mean = offsets[:, near] @ centres[near] / count
    width = np.sqrt(np.maximum(offsets[:, near] @ centres[near] ** 2 / count - mean**2, 0.0))
    sure = built & (count >= _MEASURED_MIN)
    if sure.sum() < _MEASURED_MIN:
        return np.ones(len(built), np.bool_)
    middle = float(np.median(mean[sure]))
    spread = max(1.4826 * float(np.median(np.abs(mean[sure] - middle))), 0.001)
    usual = float(np.median(width[sure]))
    placed = np.abs(mean - middle) <= _MODEL_SHIFT * spread + usual / np.sqrt(count)
    narrow = width <= np.where(early, _EARLY_WIDTH, _MODEL_WIDTH) * usual
    found: NDArray[np.bool_] = ((count < _MEASURED_MIN) & (~early | narrow)) | (placed & narrow)
    return found


def _centres(tolerance: Tolerance) -> Floats:
    """Offsets of the bins, metres."""
    zone = tolerance.zone_m
    middles: Floats = (-zone + 2 * zone / BINS * (np.arange(BINS) + 0.5)).astype(np.float64)
    return middles


def _apart(offsets: Floats, tolerance: Tolerance) -> tuple[Floats, Floats, Floats]:
    """Of each row of binned offsets, how many came from the surface itself, from close behind it, and from farther."""
    centres, width = _centres(tolerance), 2 * tolerance.zone_m / BINS
    kernel = np.exp(-0.5 * ((centres[:, None] - centres[None]) / max(tolerance.sigma_m, width)) ** 2)
    kernel /= kernel.sum(axis=0)
    depth: Floats = np.repeat(offsets.sum(axis=1, keepdims=True) / BINS, BINS, axis=1)
    for _ in range(_ROUNDS):
        seen: Floats = depth @ kernel.T
        depth *= np.divide(offsets, seen, out=np.zeros_like(seen), where=seen > 1e-9) @ kernel
    reach = tolerance.reach_m
    own, close = np.abs(centres) <= reach, (centres > reach) & (centres <= _CLOSE * reach)
    return depth[:, own].sum(axis=1), depth[:, close].sum(axis=1), depth[:, centres > _CLOSE * reach].sum(axis=1)
