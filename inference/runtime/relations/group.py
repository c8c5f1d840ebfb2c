"""Relations judged row by row: how far from expected, against how far they usually are, within the budget.

Deviations in units of their own spread are averaged over a few minutes, a quarter of an hour and an hour; these are
judged on both sides among their own block maxima, and what they say once more among its own, as streams are
(`inference.runtime.online`). A relation holds only at times, so its blocks are of its own rows, and its decades are
corrected by how seldom it speaks: the budget is that of a day.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.alarm import Alarms
from inference.bundle import AlarmPolicy
from inference.runtime.keeping import Arrays, arrays_of, restored
from inference.runtime.reference import BLOCKS, BlockReference
from inference.runtime.relations.baseline import CHUNKS_LEAST, WIDTH, Baseline
from inference.runtime.settings import Settings
from inference.tables import TABLE_FIELDS, Table
from inference.windows import Floats

__all__ = ["BLOCK_ROWS", "Group"]

BLOCK_ROWS, BLOCK_ROWS_RARE = 64, 16  # of a relation's own; of one that speaks in less than a quarter of all rows
_RARE_SHARE, _RARE_AFTER_ROWS = 0.25, 720
_PULLS = np.array([1 / 3, 1 / 12, 1 / 45])
_COLUMNS = 2 * len(_PULLS)
_JUMP, _JUMP_ROWS = 5.0, 10  # spreads from one row to the next; rows around a beginning
_MOST = 60.0  # deviations count no more than so many spreads
_HELD, _YOUNG = 12, 24  # blocks wait so long to be learned from, once so many are
_FUSED_FROM = 6
_BEYOND, _RARELY_MOST = 1.5, 1.5
_ACCEPT_S = 86_400.0
_OWN = (
    "sums",
    "rows",
    "first",
    "known_rows",
    "means",
    "peaks",
    "fused",
    "held",
    "held_sums",
    "blocks",
    "active_rows",
    "settled",
    "jumped",
)


class Group:
    """State of relations named `keys`, whose deviations below `floors` are none."""

    def __init__(self, keys: Sequence[str], floors: Floats, settings: Settings, row_s: float) -> None:
        count = len(keys)
        self.keys, self.row_s, self._floors, self._settings = list(keys), row_s, floors, settings
        self.baseline = Baseline(count)
        self._reference, self._fusion = BlockReference(count, _COLUMNS), BlockReference(count, 1, tail_shape=0.0)
        policy = AlarmPolicy(budget_per_day=settings.budget_per_day, block_rows=BLOCK_ROWS, row_s=row_s)
        self.alarms = Alarms(policy, count, 0)
        self.score, self.active = np.zeros(count), np.zeros(count, bool)
        self.spoke = np.zeros(count, bool)  # in the last row, of what it has learned
        self.sums, self.rows = np.zeros((count, WIDTH, WIDTH)), np.zeros(count, np.int64)
        self.first = np.full(count, -1, np.int64)
        self.known_rows = np.zeros(count, np.int64)
        self.means = np.zeros((count, len(_PULLS)))
        self.peaks = np.full((count, _COLUMNS), -np.inf)
        self.fused = np.full(count, -np.inf)
        self.held = np.full((count, _HELD, _COLUMNS + 1), -np.inf)
        self.held_sums = np.zeros((count, _HELD, WIDTH, WIDTH))
        self.blocks, self.active_rows, self.settled = (np.zeros(count, np.int64) for _ in range(3))
        self.jumped, self._near = np.full(count, -1, np.int64), np.zeros(count)
        self._block_rows = np.full(count, BLOCK_ROWS)
        self._offset = np.array([zlib.crc32(key.encode()) % (BLOCK_ROWS // 2) for key in keys], np.int64)

    def step(self, row: int, given: Floats, value: Floats, settle: NDArray[np.int64]) -> None:
        """Row number `row`: operating points (count, GIVEN_MAX) and values (count,), NaN where a relation is silent.

        A relation must have spoken for `settle` rows in a row to be believed."""
        known = np.isfinite(value) & np.isfinite(given).all(axis=1)
        self.settled = np.where(known, self.settled + 1, 0)
        known &= self.settled >= settle
        given, value = np.where(known[:, None], given, 0.0), np.where(known, value, 0.0)
        self.first = np.where((self.first < 0) & known, row, self.first)
        self.known_rows += known
        expected, wide = self.baseline.expect(given)
        fitted = known & (self.baseline.chunks >= CHUNKS_LEAST - 0.5)
        spread = np.maximum(self.baseline.spread, self._floors) * wide
        away = np.where(fitted, np.clip((value - expected) / spread, -_MOST, _MOST), 0.0)
        self.means = np.where(fitted[:, None], self.means + _PULLS * (away[:, None] - self.means), self.means)
        both = np.concatenate([self.means, -self.means], axis=1)
        fused = self._reference.judge(both).max(axis=1)
        near = np.abs(away - self.means[:, -1])
        self.jumped = np.where(fitted & (near >= _JUMP) & (self._near < 0.5 * _JUMP), row, self.jumped)
        self._near = np.where(fitted, near, self._near)
        self.score, self.spoke = self._decades(row, fused, fitted), fitted
        learned = (self.first >= 0) & ((row - self.first) * self.row_s >= self._settings.learn_h * 3600.0)
        step = self.alarms.step(self.score, fitted & learned)
        self.active = step.active
        self.active_rows = np.where(step.active, self.active_rows + 1, 0)
        self._learn(known, given, value, both, fused, fitted)

    def direction(self, at: int) -> int:
        """Above (1) or below (-1) what is expected, 0 when near."""
        mean = self.means[at][int(np.argmax(np.abs(self.means[at])))]
        return int(np.sign(mean)) if abs(mean) > 1.0 else 0

    def sudden(self, at: int, since_us: int) -> bool:
        """Whether it left what is expected from one row to the next, about then."""
        return bool(abs(self.jumped[at] - since_us / 1e6 / self.row_s) <= _JUMP_ROWS)

    def parts(self) -> dict[str, Arrays]:
        """All state as arrays over relations; writing into them changes the state."""
        count, tables = len(self.keys), self.alarms.drift.tables
        things: dict[str, object] = {
            "baseline": self.baseline, "reference": self._reference, "fusion": self._fusion, "alarms": self.alarms,
            "drift": self.alarms.drift,
        }  # fmt: skip
        found = {name: arrays_of(thing, count) for name, thing in things.items()}
        found["own"] = {name: getattr(self, name) for name in _OWN}
        if tables:
            columns = {name: np.stack([getattr(one, name) for one in tables.values()]) for name in TABLE_FIELDS}
            found["tables"] = {"which": np.array(list(tables)), **columns}
        return found

    def recall(self, keys: Sequence[str], saved: Mapping[str, Arrays]) -> None:
        """Go on where relations of these names had stopped."""
        at = {key: place for place, key in enumerate(self.keys)}
        rows = np.array([at.get(key, -1) for key in keys], np.intp)
        if not len(rows):
            return
        for part, thing in (
            ("baseline", self.baseline), ("reference", self._reference), ("fusion", self._fusion),
            ("alarms", self.alarms), ("drift", self.alarms.drift),
        ):  # fmt: skip
            restored(thing, len(self.keys), rows, saved.get(part, {}))
        here = rows >= 0
        for name in _OWN:
            kept, own = saved.get("own", {}).get(name), getattr(self, name)
            if kept is not None and kept.shape[1:] == own.shape[1:]:
                own[rows[here]] = kept[here]
        tables = saved.get("tables", {})
        for number, which in enumerate(tables.get("which", np.zeros(0)).tolist()):
            if rows[which] >= 0:
                self.alarms.drift.tables[int(rows[which])] = Table(*(tables[name][number] for name in TABLE_FIELDS))

    def _decades(self, row: int, fused: Floats, fitted: NDArray[np.bool_]) -> Floats:
        """−log10 p of a block, as if the relation spoke all day."""
        span = np.maximum(row - self.first + 1, 1)
        share = self.known_rows / span
        rare = (share < _RARE_SHARE) & (span >= _RARE_AFTER_ROWS)
        self._block_rows = np.where(rare, BLOCK_ROWS_RARE, BLOCK_ROWS)
        blocks = self._block_rows / (BLOCK_ROWS * np.maximum(share, 1e-6))
        rarely = np.clip(np.log10(blocks), 0.0, _RARELY_MOST)
        most = np.log10(np.minimum(self._fusion.count, BLOCKS) + 1.0) + _BEYOND
        judged = np.clip(self._fusion.judge(fused[:, None])[:, 0], 0.0, most)
        return np.where(fitted & (judged > 0.0), judged + rarely, 0.0)

    def _learn(
        self, known: NDArray[np.bool_], given: Floats, value: Floats, both: Floats, fused: Floats,
        fitted: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        calm = (self.active_rows == 0) | (self.active_rows * self.row_s > _ACCEPT_S)
        self.held[self.active_rows == 1] = -np.inf  # what led to an alarm
        self.held_sums[self.active_rows == 1] = 0.0
        rows = np.flatnonzero(known & calm)
        point = np.concatenate([np.ones((len(rows), 1)), given[rows], value[rows, None]], axis=1)
        self.sums[rows] += point[:, :, None] * point[:, None, :]
        self.rows[rows] += 1
        told = fitted & calm
        self.peaks[told] = np.maximum(self.peaks[told], both[told])
        told &= self._reference.count >= _FUSED_FROM
        self.fused[told] = np.maximum(self.fused[told], fused[told])
        due = np.flatnonzero(known & (self.rows >= self._block_rows - np.where(self.blocks == 0, self._offset, 0)))
        if len(due):
            self._turn(due)

    def _turn(self, due: NDArray[np.intp]) -> None:
        """Blocks are over: the young learn from them at once, others from those of half a day ago."""
        young = self.baseline.chunks[due] < _YOUNG
        at = self.blocks[due] % _HELD
        block = np.concatenate([self.peaks[due], self.fused[due, None]], axis=1)
        ripe = np.where(young[:, None], block, self.held[due, at])
        sums = np.where(young[:, None, None], self.sums[due], self.held_sums[due, at])
        self.held[due, at] = np.where(young[:, None], -np.inf, block)
        self.held_sums[due, at] = np.where(young[:, None, None], 0.0, self.sums[due])
        self.blocks[due] += 1
        self.sums[due], self.rows[due], self.peaks[due], self.fused[due] = 0.0, 0, -np.inf, -np.inf
        good = sums[:, 0, 0] > 0
        self.baseline.learn(due[good], sums[good])
        good = np.isfinite(ripe[:, 0])
        self._reference.learn(due[good], ripe[good, :-1])
        good = np.isfinite(ripe[:, -1])
        self._fusion.learn(due[good], ripe[good, -1:])
