"""How well scores rank anomalous rows above normal ones: AUC-PR, and VUS-PR after Paparrizos et al. (VLDB 2022).

VUS-PR averages a range-aware area under precision-recall over buffer widths 0 to the period of the series: rows near
an event count in part (square root of the nearness), and recall is multiplied by the share of events touched.
"""

import numpy as np
from numpy.typing import NDArray

from inference.windows import Floats

__all__ = ["auc_pr", "events_of", "period_rows", "vus_pr"]

_THRESHOLDS = 250
_PERIOD_DEFAULT, _PERIOD_MIN, _PERIOD_MAX, _LAGS = 125, 3, 300, 400
_PERIOD_FROM_ROWS = 20_000

Labels = NDArray[np.bool_]


def events_of(labels: Labels) -> list[tuple[int, int]]:
    """Runs of true as (first, last) row, both inside."""
    edge = np.diff(np.concatenate([[False], labels, [False]]).astype(np.int8))
    pairs = zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True)
    return [(int(first), int(last) - 1) for first, last in pairs]


def auc_pr(labels: Labels, scores: Floats) -> float:
    """Average precision; rows of equal score count together. NaN without an anomalous row."""
    if not labels.any():
        return float("nan")
    levels, member = np.unique(-scores, return_inverse=True)
    hits = np.cumsum(np.bincount(member, weights=labels, minlength=len(levels)))
    taken = np.cumsum(np.bincount(member, minlength=len(levels)))
    return float((np.diff(hits, prepend=0.0) / labels.sum() * hits / taken).sum())


def period_rows(series: Floats) -> int:
    """The lag of the highest local maximum of the autocorrelation, from 3 to 300; 125 when there is none."""
    used = series[:_PERIOD_FROM_ROWS] - series[:_PERIOD_FROM_ROWS].mean()
    spectrum = np.fft.rfft(used, 2 * len(used))
    lags = np.fft.irfft(spectrum * spectrum.conj())[: _LAGS + 1]
    if lags[0] <= 0:
        return _PERIOD_DEFAULT
    inner = lags[_PERIOD_MIN:]
    peaks = 1 + np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] > inner[2:]))
    if not len(peaks):
        return _PERIOD_DEFAULT
    best = int(peaks[np.argmax(inner[peaks])])
    return best + _PERIOD_MIN if _PERIOD_MIN <= best <= _PERIOD_MAX else _PERIOD_DEFAULT


def vus_pr(labels: Labels, scores: Floats, width_rows: int) -> float:
    """Volume under the precision-recall surface for buffers of 0 to `width_rows`; NaN without an event."""
    events = events_of(labels)
    if not events:
        return float("nan")
    rows = len(scores)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    levels = falling[np.linspace(0, rows - 1, _THRESHOLDS).astype(int)]
    taken = np.searchsorted(-falling, -levels, side="right")
    areas = [_area(labels, scores, events, width, order, levels, taken) for width in range(width_rows + 1)]
    return float(np.mean(areas))


def _area(
    labels: Labels,
    scores: Floats,
    events: list[tuple[int, int]],
    width: int,
    order: NDArray[np.int64],
    levels: Floats,
    taken: NDArray[np.int64],
) -> float:
    half = width // 2
    soft = _soft_margin(labels, events, width)
    near = np.cumsum(soft[order])[taken - 1]
    hits = np.cumsum(labels[order])[taken - 1] + near
    tops = np.array([scores[first : last + 1].max() for first, last in _merged(events, half, len(scores))])
    touched = (tops[None, :] >= levels[:, None]).mean(axis=1)
    recall = np.minimum(hits / (labels.sum() + near / 2.0), 1.0) * touched
    return float((np.diff(recall, prepend=0.0) * hits / taken).sum())


def _soft_margin(labels: Labels, events: list[tuple[int, int]], width: int) -> Floats:
    """Weights of rows beside events, at most 1; zero inside them."""
    soft, half = np.zeros(len(labels)), width // 2
    if half:
        ramp = np.sqrt(1.0 - np.arange(1, half + 1) / width)
        for first, last in events:
            after = soft[last + 1 : last + 1 + half]
            after += ramp[: len(after)]
            before = soft[max(first - half, 0) : first]
            before += ramp[: len(before)][::-1]
    return np.where(labels, 0.0, np.minimum(soft, 1.0))


def _merged(events: list[tuple[int, int]], half: int, rows: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in events:
        low, high = max(first - half, 0), min(last + half, rows - 1)
        if found and first - half <= found[-1][1]:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found
