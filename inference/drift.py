"""Is normal still what it was? An exchangeability test on p-values, and a reference that can be learned anew.

Block maxima of scores (−log10 p) bet against exchangeability with the power martingale of Vovk (2003), exponent 1/2:
each block multiplies the stake by `0.5 · p^-0.5`, which under exchangeability gains nothing in expectation. As a
CUSUM (never below 1, never above a cap) it forgets good years and bad days. By Ville's inequality a stream that did
not change passes 10^4 once in ten thousand restarts. One that stays above for as long as it was learned from
(within bounds) has a new regime: one event, and its scores are from then on judged by the blocks since.
"""

import numpy as np
from numpy.typing import NDArray

from inference.tables import Table, fit_table
from inference.windows import Floats

__all__ = ["Drift"]

_PASSES_AT, _STAKE_MAX = 4.0, 8.0  # decades
_LOG_HALF = float(np.log10(0.5))
_BET_MAX = 2.0  # decades a single block can win: one spike is an alarm, not a regime
_RELEARN_ROWS = (1_024, 4_096)  # a shift must last so long: what passes within hours is an alarm, not a regime
_TAIL_SHARE, _EXCESS_MIN = 0.25, 0.1

Bools = NDArray[np.bool_]


class Drift:
    """State of `streams` streams: running block maxima, stakes, and the tables of streams that changed."""

    def __init__(self, streams: int, block_rows: int, trained_rows: int) -> None:
        self._rows = block_rows
        self._blocks = min(max(trained_rows, _RELEARN_ROWS[0]), _RELEARN_ROWS[1]) // block_rows
        self._kept = np.zeros((streams, self._blocks), np.float32)
        self._peak = np.zeros(streams)
        self._judged = np.zeros(streams)
        self._row = np.zeros(streams, np.int64)
        self._over = np.zeros(streams, np.int64)
        self.stake: Floats = np.zeros(streams)
        self.tables: dict[int, Table] = {}

    def step(self, score: Floats, known: Bools) -> tuple[Floats, Bools]:
        """One row: the scores as the newest reference judges them, and where a new regime begins."""
        judged = score
        if self.tables:
            judged = score.copy()
            for stream, table in self.tables.items():
                judged[stream] = table.apply(score[stream : stream + 1])[0]
        self._peak = np.where(known, np.maximum(self._peak, score), self._peak)
        self._judged = np.where(known, np.maximum(self._judged, judged), self._judged)
        self._row += known
        regime = np.zeros(len(score), bool)
        full = self._row >= self._rows
        if full.any():
            regime = self._close_blocks(full)
        return judged, regime

    def _close_blocks(self, full: Bools) -> Bools:
        bet = np.minimum(_LOG_HALF + 0.5 * self._judged, _BET_MAX)
        self.stake = np.where(full, np.clip(self.stake + bet, 0.0, _STAKE_MAX), self.stake)
        self._kept[full] = np.roll(self._kept[full], -1, axis=1)
        self._kept[full, -1] = self._peak[full]
        over = self.stake >= _PASSES_AT
        self._over = np.where(full, np.where(over, self._over + 1, 0), self._over)
        regime = full & (self._over >= self._blocks)
        for stream in np.flatnonzero(regime):
            self.tables[int(stream)] = fit_table(
                self._kept[stream].astype(np.float64)[:, None], _TAIL_SHARE, _EXCESS_MIN
            )
        self.stake[regime] = 0.0
        self._over[regime] = 0
        self._row[full] = 0
        self._peak[full] = self._judged[full] = 0.0
        return regime
