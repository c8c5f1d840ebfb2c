"""Calibration tables: from a detector's raw score to −log10 p under what was normal.

A table is piecewise linear in the score, strictly rising between its knots, and goes on as a straight line above the
last one: the tail of the score is taken as exponential above a high quantile (the peaks-over-threshold estimate with
shape 0). Rank p-values are conformal, (count of normal scores >= s, plus 1) / (n + 1), so they can never be zero.
The same table exists twice, as numpy (`apply`) and as ONNX nodes (`add`), and both agree within 1e-9.
"""

from dataclasses import dataclass

import numpy as np

from inference.graph import Graph
from inference.limits import LOG_P_MAX
from inference.windows import Floats

__all__ = ["KNOTS", "TABLE_FIELDS", "Table", "block_maxima", "fit_table"]

KNOTS = 32
TABLE_FIELDS = ("start", "width", "rise", "top", "tail")
_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Table:
    """Knots of one or several units: `start`, `width`, `rise` are (units, KNOTS), `tail` and `top` are (units,)."""

    start: Floats
    width: Floats
    rise: Floats
    top: Floats
    tail: Floats

    def apply(self, score: Floats) -> Floats:
        """−log10 p, same shape (..., units)."""
        steps = np.clip((score[..., None] - self.start) / self.width, 0.0, 1.0)
        above = np.maximum(score - self.top, 0.0) * self.tail
        total: Floats = np.minimum((steps * self.rise).sum(axis=-1) + above, LOG_P_MAX)
        return total

    def add(self, g: Graph, score: str) -> str:
        """The same as nodes; `score` is (n, units)."""
        column = g.op("Unsqueeze", score, g.ints(-1))
        steps = g.clip(g.op("Div", g.op("Sub", column, g.const(self.start)), g.const(self.width)), 0.0, 1.0)
        inner = g.total(g.op("Mul", steps, g.const(self.rise)), -1)
        above = g.op("Mul", g.op("Relu", g.op("Sub", score, g.const(self.top))), g.const(self.tail))
        return g.op("Min", g.op("Add", inner, above), g.const(LOG_P_MAX))


def block_maxima(scores: Floats, rows: int) -> Floats:
    """Maxima of whole blocks of `rows` rows, counted from the end; (blocks, units) from (rows, units)."""
    blocks = len(scores) // rows
    used = scores[len(scores) - blocks * rows :]
    peaks: Floats = used.reshape(blocks, rows, *scores.shape[1:]).max(axis=1)
    return peaks


def fit_table(normal: Floats, tail_share: float, excess_min: float) -> Table:
    """Learn from scores of normal rows or blocks, (n, units); the tail is fitted above the quantile 1 - tail_share.

    The mean excess in the tail is never taken below `excess_min`: where normal never moved, the first step away from
    it must be large, not infinite, or all steps would be the same.
    """
    columns = [_fit_one(column, tail_share, excess_min) for column in normal.T]
    start, width, rise = (np.stack([column[k] for column in columns]) for k in range(3))
    top, tail = (np.array([column[k] for column in columns]) for k in (3, 4))
    return Table(start, width, rise, top, tail)


def _fit_one(normal: Floats, tail_share: float, excess_min: float) -> tuple[Floats, Floats, Floats, float, float]:
    ordered = np.sort(normal)
    n = len(ordered)
    exceeding = min(max(int(n * tail_share), 5), n - 1)
    top = ordered[n - exceeding - 1]
    excess = ordered[n - exceeding :] - top
    mean_excess = max(float(excess.mean()), 1e-3 * abs(top), excess_min)
    at, value = _knots(ordered[ordered <= top], n, top)
    top_log_p = -np.log10((exceeding + 1) / (n + 1))
    value = np.minimum(value, top_log_p)
    value[-1] = top_log_p
    width = np.maximum(np.diff(at), 1e-12)
    return at[:-1], width, np.diff(value), float(top), 1.0 / (mean_excess * _LN10)


def _knots(ordered: Floats, n: int, top: float) -> tuple[Floats, Floats]:
    """KNOTS + 1 points of the empirical curve, evenly spread in −log10 p, the first at lp 0 below every score."""
    at, first = np.unique(ordered, return_index=True)
    log_p = -np.log10((n - first + 1) / (n + 1))
    low = min(0.0, at[0]) if at[0] >= 0 else at[0] - max(abs(at[0]), 1e-9)
    if at[0] > low:
        at, log_p = np.concatenate([[low], at]), np.concatenate([[0.0], log_p])
    wanted = np.linspace(0.0, log_p[-1], KNOTS + 1)
    picked = np.unique(np.searchsorted(log_p, wanted).clip(0, len(at) - 1))
    at, log_p = at[picked], log_p[picked]
    missing = KNOTS + 1 - len(at)
    if missing > 0:  # few distinct scores: the spare knots rise nothing
        at = np.concatenate([np.repeat(at[0], missing), at])
        log_p = np.concatenate([np.repeat(log_p[0], missing), log_p])
    at[-1] = top
    return at, log_p
