"""Streams of one row length, scored from their first reading without training: one row of all of them at a time.

Two steps: each feature against its own past, on both sides; what they say (the rarest of them, and their agreement)
against its own past again, so that a stream's budget holds whatever its features have in common. A stream never claims
to be rarer than what it has seen lets it say, log10(blocks) + 1.5 decades: how long it learns before it may alarm
follows from the budget. The features are those of `detectors.adaptive` (its numpy form, equal to the graph within 1e-9)
and the extremes of the last six hours, which see what no longer comes to rest. Blocks are
learned from when they are half a day old, so that what creeps in is judged by what was before it; what ended in an
alarm is not learned from, until the alarm has stood so long that it is the new normal.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.alarm import Alarms
from inference.bundle import AlarmPolicy
from inference.detectors.adaptive import FEATURES, STATE, Adaptive
from inference.novelty import slots_of
from inference.runtime.keeping import Arrays, arrays_of, grown
from inference.runtime.reference import BLOCKS, BlockReference
from inference.runtime.settings import Settings, Stream
from inference.tables import TABLE_FIELDS, Table
from inference.windows import Floats

__all__ = ["BLOCK_ROWS", "OnlineGroup", "RowScores"]

Bools = NDArray[np.bool_]
BLOCK_ROWS = 64  # correlated rows count once: an hour of minutes
_HOURS = 6
_SIDES = len(FEATURES)  # columns: features, their negatives, then the lowest and the negative highest of six hours
_COLUMNS = 2 * _SIDES + 2
_RARE = [FEATURES.index(name) for name in ("value", "step", "mean4", "away16", "away64", "calendar", "holt")]
_NEW = [index for index, name in enumerate(FEATURES) if name not in ("step", "holt")]
_AGREEMENT = 2.0
_TWO_READINGS = float(np.log10(2.0))  # the better of two costs so much
_BEYOND = 1.5  # decades that a tail may be believed beyond what was seen
_HELD_BLOCKS, _YOUNG_BLOCKS = 12, 30  # blocks wait so long to be learned from, once so many are
_FUSED_FROM = 6  # blocks, before what is fused means nothing
_ACCEPT_S = 86_400.0  # an alarm that stood so long is learned from
_WARM_ROWS = 64  # before, windows are not full
_BANK_ROWS, _BANK_SLOTS = 16, 24
_OWN = (
    *(
        "_rows",
        "_peaks",
        "_fused",
        "_held",
        "_blocks",
        "_active_rows",
        "_before",
        "_before_row",
        "_before_us",
        "_falls",
        "_bank",
        "_bank_ts",
        "_first",
        "_stepped",
    ),
)
_STEP = FEATURES.index("step")
_SPREADS = [FEATURES.index("spread16"), FEATURES.index("spread64")]
_PLACE = FEATURES.index("calendar16")
_SUDDEN, _SUDDEN_ROWS = 3.0, 10  # decades of a step, or of a spread; rows around a beginning
_APART_LEAST = 0.1  # rows between the readings of two rows
_AROUND = 0.6  # spreads from its usual place within which a stream is unsteady rather than away
_LEVELS = [FEATURES.index("value"), FEATURES.index("mean4")]
_SIDED = [FEATURES.index(name) for name in ("value", "mean4", "calendar", "calendar4", "calendar16", "calendar64")]
_LEAN = 1.0  # decades by which one side must be rarer to say which way a stream went
_TURNS, _TURN_ROWS = 3, 16  # changes of direction in so many rows that make it unsteady: a step has none


class RowScores:
    """What one row said: (streams,) score in −log10 p, whether it was known, active, just opened, new regime."""

    __slots__ = ("active", "known", "opened", "regime", "score", "ts_us")

    def __init__(self, ts_us: int, score: Floats, known: Bools, active: Bools, opened: Bools, regime: Bools) -> None:
        self.ts_us, self.score, self.known = ts_us, score, known
        self.active, self.opened, self.regime = active, opened, regime


class _Extremes:
    """The lowest and highest value of the last six hours."""

    def __init__(self, streams: int) -> None:
        self.low, self.high = np.full((streams, _HOURS), np.inf), np.full((streams, _HOURS), -np.inf)
        self.hour = np.full(streams, -1, np.int64)

    def step(self, values: Floats, known: Bools, hour: int) -> tuple[Floats, Floats, Bools]:
        """Take a row in; lows, highs, and where six hours are full."""
        fresh = known & (self.hour != hour)
        slot = hour % _HOURS
        self.low[fresh, slot], self.high[fresh, slot] = np.inf, -np.inf
        self.hour[fresh] = hour
        self.low[known, slot] = np.minimum(self.low[known, slot], values[known])
        self.high[known, slot] = np.maximum(self.high[known, slot], values[known])
        full = np.isfinite(self.low).all(axis=1)
        low, high = self.low.min(axis=1), self.high.max(axis=1)
        return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0), full


class OnlineGroup:
    """State of all streams that share a row length."""

    def __init__(self, row_s: float, settings: Settings) -> None:
        self.row_s, self.settings = row_s, settings
        self.policy = AlarmPolicy(budget_per_day=settings.budget_per_day, block_rows=BLOCK_ROWS, row_s=row_s)
        self.streams: list[Stream] = []
        self.heard_us: Floats | None = None  # when the readings of a row were made, on average; None: evenly
        self._rows = self._first = self._stepped = self._active_rows = self._falls = np.zeros(0, np.int64)
        self._make(0)

    def add(self, streams: Sequence[Stream]) -> None:
        """Take more streams in, behind those there are."""
        before = len(self.streams)
        self.streams += streams
        old = dict(vars(self))
        self._make(len(self.streams))
        for name in ("_reference", "_fusion", "_extremes", "alarms"):
            grown(old[name], getattr(self, name), before)
        grown(old["alarms"].drift, self.alarms.drift, before)
        self.alarms.drift.tables = old["alarms"].drift.tables
        for name, value in old["_state"].items():
            self._state[name][:before] = value
        for name in _OWN:
            getattr(self, name)[:before] = old[name]

    def step(self, row: int, values: Floats, known: Bools) -> RowScores:
        """Score row number `row` (of the day of 1970): `values` (streams,), `known` false where there is none."""
        end_us = round((row + 1) * self.row_s * 1e6)
        values, known = self._rates(row, values, known)
        both, full = self._features(values, known, end_us / 1e6)
        judged = self._reference.judge(both)
        log_p = np.maximum(judged[:, :_SIDES], judged[:, _SIDES : 2 * _SIDES])
        climbs = self._falls == 0  # nothing that only ever rises is new for being high
        log_p[:, _LEVELS] = np.where(climbs[:, None], 0.0, log_p[:, _LEVELS])
        self._lean = (judged[:, _SIDED] - judged[:, [_SIDES + at for at in _SIDED]]).sum(axis=1)
        long = np.where(full & ~climbs, judged[:, -2:].max(axis=1), 0.0)
        rare, new = log_p[:, _RARE].max(axis=1), log_p[:, _NEW].mean(axis=1)
        fused = np.stack([(rare + _AGREEMENT * new) / (1.0 + _AGREEMENT), np.maximum(rare, long)], axis=1)
        most = np.log10(np.minimum(self._fusion.count, BLOCKS) + 1.0) + _BEYOND
        score = np.clip(self._fusion.judge(fused).max(axis=1) - _TWO_READINGS, 0.0, most)
        self._stepped = np.where(known & (log_p[:, _STEP] >= _SUDDEN), row, self._stepped)
        wide = log_p[:, _SPREADS].max(axis=1) >= _SUDDEN
        self._unsteady = wide & (np.abs(both[:, _PLACE]) < _AROUND * both[:, _SPREADS[0]])
        self._first = np.where((self._first < 0) & known, row, self._first)
        self._rows += known
        learned = (self._first >= 0) & ((row - self._first) * self.row_s >= self.settings.learn_h * 3600.0)
        score = np.where(known & (self._rows > _WARM_ROWS), score, 0.0)
        step = self.alarms.step(score, known & learned & self._rings)
        self._active_rows = np.where(step.active, self._active_rows + 1, 0)
        self._learn(row, both, fused, known)
        self._keep_window(row, end_us)
        return RowScores(end_us, score, known, step.active, step.opened, step.regime)

    def mute(self, covered: Bools) -> None:
        """Streams that a trained model watches ring nothing here; they go on learning."""
        self._rings = np.array([one.alarms for one in self.streams], bool) & ~covered

    def direction(self, slot: int) -> int:
        """Whether a stream is above (1) or below (-1) what it usually is, then, and in the hour before."""
        if abs(self._lean[slot]) >= _LEAN:
            return int(np.sign(self._lean[slot]))
        ring = self._state["ring"][slot]
        middle = np.median(ring)
        away, spread = ring[-1] - middle, np.median(np.abs(ring - middle))
        if abs(away) <= 2.0 * spread:  # it may have been away for the whole window: against the hour of the day
            away = middle - self._state["slot_mean"][slot].mean()
        return int(np.sign(away))

    def sudden(self, slot: int, since_us: int) -> bool:
        """Whether a stream stepped about then as it never does."""
        return bool(abs(self._stepped[slot] - since_us / 1e6 / self.row_s) <= _SUDDEN_ROWS)

    def noisy(self, slot: int) -> bool:
        """Whether it is unsteady now rather than away from where it should be."""
        steps = np.diff(self._state["ring"][slot, -_TURN_ROWS:])
        large = steps[np.abs(steps) > 0.5 * np.abs(steps).max(initial=0.0)]
        turns = int(np.count_nonzero(large[1:] * large[:-1] < 0.0))
        return bool(self._unsteady[slot]) and turns >= _TURNS

    def parts(self) -> list[tuple[str, Arrays]]:
        """All state as arrays over streams; writing into them changes the state."""
        count, tables = len(self.streams), self.alarms.drift.tables
        own = {name: value for name, value in arrays_of(self, count).items() if name in _OWN}
        things = {
            "reference": self._reference,
            "fusion": self._fusion,
            "extremes": self._extremes,
            "alarms": self.alarms,
        }
        found = [("state", self._state), ("own", own), ("drift", arrays_of(self.alarms.drift, count))]
        found += [(name, arrays_of(thing, count)) for name, thing in things.items()]
        if tables:
            columns = {name: np.stack([getattr(one, name) for one in tables.values()]) for name in TABLE_FIELDS}
            found.append(("tables", {"which": np.array(list(tables)), **columns}))
        return found

    def recall(self, rows: NDArray[np.intp], saved: Mapping[str, Arrays]) -> None:
        """Saved row k becomes stream `rows[k]`, -1 for nobody."""
        here = rows >= 0
        for part, arrays in self.parts():
            for name, value in arrays.items() if part != "tables" else ():
                kept = saved.get(part, {}).get(name)
                if kept is not None and kept.shape[1:] == value.shape[1:]:
                    value[rows[here]] = kept[here]
        tables = saved.get("tables", {})
        for at, which in enumerate(tables.get("which", np.zeros(0)).tolist()):
            if rows[which] >= 0:
                self.alarms.drift.tables[int(rows[which])] = Table(*(tables[name][at] for name in TABLE_FIELDS))

    def nearest(self, slot: int) -> tuple[int, int] | None:
        """From when to when the stream looked most like now, among one window for each hour of the day."""
        stamps = self._bank_ts[slot]
        have = np.flatnonzero(stamps > 0)
        if not len(have):
            return None
        now = self._state["ring"][slot, -_BANK_ROWS:]
        away = ((self._bank[slot, have] - now) ** 2).mean(axis=1)
        end_us = int(stamps[have[int(np.argmin(away))]])
        return end_us - round(_BANK_ROWS * self.row_s * 1e6), end_us

    def _make(self, streams: int) -> None:
        self._state = Adaptive.start(streams)
        self._reference = BlockReference(streams, _COLUMNS)
        self._fusion = BlockReference(streams, 2, tail_shape=0.0)
        self._extremes = _Extremes(streams)
        self.alarms = Alarms(self.policy, streams, 0)
        self._rows, self._active_rows = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
        self._first, self._stepped = np.full(streams, -1, np.int64), np.full(streams, -1, np.int64)
        self._unsteady, self._lean = np.zeros(streams, bool), np.zeros(streams)
        self._peaks = np.full((streams, _COLUMNS), -np.inf, np.float32)
        self._fused = np.full((streams, 2), -np.inf, np.float32)
        self._held = np.full((streams, _HELD_BLOCKS, _COLUMNS + 2), -np.inf, np.float32)
        self._blocks = np.zeros(streams, np.int64)
        self._before = np.full(streams, np.nan)
        self._before_row, self._before_us = np.full(streams, -1, np.int64), np.full(streams, np.nan)
        self._falls = np.zeros(streams, np.int64)
        self._bank = np.zeros((streams, _BANK_SLOTS, _BANK_ROWS), np.float32)
        self._bank_ts = np.zeros((streams, _BANK_SLOTS), np.int64)
        self._counts = np.array([one.counts for one in self.streams], bool)
        self._rings = np.array([one.alarms for one in self.streams], bool)
        self._offset = np.array([zlib.crc32(one.key.encode()) % BLOCK_ROWS for one in self.streams], np.int64)

    def _rates(self, row: int, values: Floats, known: Bools) -> tuple[Floats, Bools]:
        """Counters as what they rose in a row's time; reset, or after a silence, they say nothing in that row."""
        rise = values - self._before
        if self.heard_us is not None:
            apart = (self.heard_us - self._before_us) / (self.row_s * 1e6)
            self._before_us = np.where(known, self.heard_us, self._before_us)
            rise = np.where(apart > _APART_LEAST, rise / np.maximum(apart, _APART_LEAST), rise)
        self._falls += known & (rise < 0)
        rate_known = known & (rise >= 0) & (self._before_row == row - 1)
        self._before = np.where(known, values, self._before)
        self._before_row = np.where(known, row, self._before_row)
        return np.where(self._counts, np.where(rate_known, rise, 0.0), values), np.where(
            self._counts, rate_known, known
        )

    def _features(self, values: Floats, known: Bools, at_s: float) -> tuple[Floats, Bools]:
        held = np.where(known, values, self._state["ring"][:, -1])
        slots = np.broadcast_to(slots_of(np.array([at_s])), held.shape)
        state, found = Adaptive.run(self._state, held[None], slots[None])
        if known.all():
            self._state = state
        else:
            self._state = {name: np.where(known[:, None], state[name], self._state[name]) for name in STATE}
        low, high, full = self._extremes.step(values, known, int(at_s // 3600))
        return np.concatenate([found[0], -found[0], low[:, None], -high[:, None]], axis=1), full

    def _learn(self, row: int, both: Floats, fused: Floats, known: Bools) -> None:
        counted = known & (self._rows > _WARM_ROWS)
        calm = counted & ((self._active_rows == 0) | (self._active_rows * self.row_s > _ACCEPT_S))
        self._peaks[calm] = np.maximum(self._peaks[calm], both[calm])
        told = calm & (self._reference.count >= _FUSED_FROM)
        self._fused[told] = np.maximum(self._fused[told], fused[told])
        self._held[self._active_rows == 1] = -np.inf  # what led to an alarm
        due = np.flatnonzero(((row + self._offset) % BLOCK_ROWS == 0) & np.isfinite(self._peaks[:, 0]))
        if not len(due):
            return
        young = self._reference.count[due] < _YOUNG_BLOCKS
        block = np.concatenate([self._peaks[due], self._fused[due]], axis=1)
        at = self._blocks[due] % _HELD_BLOCKS
        ripe = np.where(young[:, None], block, self._held[due, at])
        self._held[due, at] = np.where(young[:, None], -np.inf, block)
        self._blocks[due] += 1
        self._peaks[due], self._fused[due] = -np.inf, -np.inf
        good = np.isfinite(ripe[:, 0])
        self._reference.learn(due[good], ripe[good, :-2].astype(np.float64))
        good = np.isfinite(ripe[:, -1])
        self._fusion.learn(due[good], ripe[good, -2:].astype(np.float64))

    def _keep_window(self, row: int, end_us: int) -> None:
        """Once an hour of each stream's own, keep its last rows as a window of normal, unless it is not."""
        due = np.flatnonzero(
            ((row + self._offset) % BLOCK_ROWS == 0) & (self._active_rows == 0) & (self._rows > _WARM_ROWS)
        )
        if len(due):
            slot = int(end_us // 3_600_000_000) % _BANK_SLOTS
            self._bank[due, slot] = self._state["ring"][due, -_BANK_ROWS:]
            self._bank_ts[due, slot] = end_us
