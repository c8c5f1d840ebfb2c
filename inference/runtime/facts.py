"""Plain facts about readings as they come, learned on line and without statistics of rows.

| fact | says |
|---|---|
| stuck | a stream that moves has rested four times longer than ever, by the clock, or three times by what others did |
| frozen | all that moves of a device has rested four times longer than ever, and it goes on talking |
| spikes | three times in an hour it leapt far beyond any step of it, and came back at once |
| replay | a device says, moment after moment, what it said before (`runtime.replay`) |
| clock | the times of a device's readings have left their usual distance from their arrival, and others' have not |

Others are those of its device, and the same points of its make. What moved is counted once a row, so that the past,
which is kept as means of rows, teaches as live readings do; but it may be finer than a device says it, so that a stream
must have moved live before it is called stuck.
A value at the end of its range (a closed valve, a sun that is down) rests by right, and so does one whose whole device
is at rest. A step that stays is learned as a step. In a stream's first day the bounds are three times as wide; each
time a fact begins to hold, that stream's bounds double, and come back over weeks: no stream cries every day.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.runtime.intake import Chunk
from inference.runtime.keeping import arrays_of
from inference.runtime.replay import Replays
from inference.runtime.settings import Settings, Stream
from inference.windows import Floats

__all__ = ["FACTS", "Facts", "facts_of"]

FACTS = ("stuck", "frozen", "replay", "spikes", "clock")
_FAR = np.iinfo(np.int64).min // 2
_STUCK_US_MIN, _REST_RATIO, _PACE_RATIO, _CHANGES_MIN = 300_000_000, 4.0, 60.0, 50
_COMPANY_RATIO = 3.0  # what others did meanwhile says more than the clock
_MATES_MIN = 45.0  # others that moved in rows while it rested
_KIN_MIN, _KIN_LEAST = 25.0, 3  # rows in which the same points of its make moved, on average; so many of them
_FROZEN_US_MIN = 900_000_000
_LIVELY_SHARE = 0.8
_EDGE_SHARE = 0.01  # of the range: nearer to its ends a value rests by right
_CLEAR_SHARE = 0.05  # of the range: so far from its ends must be what is called stuck
_LIVE_CHANGES_MIN = 10
_LEAP_RATIO, _BACK_SHARE, _BACK_READINGS, _LEARN_READINGS = 2.0, 0.25, 3, 300
_YOUNG_US, _YOUNG_RATIO = 86_400_000_000, 3.0
_CALM_US = 14 * 86_400_000_000  # in which widened bounds halve
_HOUR_US = 3_600_000_000
_IMPULSES = 3
_SLACK_MAX = 16.0
_CLOCK_US_MIN, _CLOCK_PERIODS, _CLOCK_READINGS, _CLOCK_PULL = 30_000_000, 10.0, 10, 0.01
_CLOCK_SPREADS, _CLOCK_LEARN = 8.0, 20  # times the usual distance from the usual lag; readings first learned from


class Facts:
    """State of `streams` streams, by slot; `assets` numbers the device of each, `nodes` its gateway, `kin` its like."""

    def __init__(
        self,
        assets: NDArray[np.intp],
        nodes: NDArray[np.intp],
        periods_s: Floats,
        rings: NDArray[np.bool_],
        learn_us: int,
        kin: NDArray[np.intp],
    ) -> None:
        count = len(assets)
        self._rings = rings
        self._kin, self._kin_size = kin, np.bincount(kin, minlength=1)[kin]
        self._asset, self._node, self._learn_us = assets, nodes, learn_us
        self._period_us = periods_s * 1e6  # NaN: by exception
        self.last, self.last_us = np.full(count, np.nan), np.full(count, _FAR)
        self.first_us = np.full(count, _FAR)
        self.changed_us, self.began_us = np.full(count, _FAR), np.full(count, _FAR)
        self.readings, self.changes = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.rest_us = np.zeros(count, np.int64)  # longest rest
        self.mates, self.mates_then, self.mates_rest = np.zeros(count), np.zeros(count), np.zeros(count)
        self.kin, self.kin_then, self.kin_rest = np.zeros(count), np.zeros(count), np.zeros(count)
        self.live_us, self.live_changes = np.full(count, _FAR), np.zeros(count, np.int64)  # of readings, not of rows
        self.lull_us, self.asset_us = np.zeros(count, np.int64), np.full(count, _FAR)  # of the whole device
        self.low, self.high = np.full(count, np.inf), np.full(count, -np.inf)
        self.step = np.zeros(count)  # largest step that stayed
        self.slack = np.ones(count)  # how much wider the bounds are than they were at first
        self.slack_us = np.zeros(count, np.int64)  # when they were last changed
        self.wide = np.ones(count)  # slack, and more in the first day
        self.leapt, self.level = np.zeros(count), np.zeros(count)  # a leap that may come back
        self.since_leap = np.zeros(count, np.int64)
        self.impulse_us = np.full((count, _IMPULSES), _FAR)  # newest first
        self.lag_us, self.lag_spread_us = np.zeros(count), np.zeros(count)
        self.lag_readings, self.off_readings = (
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
        )
        self.inner, self.inner_moves = np.zeros(count), np.zeros(count)  # readings inside its range, and moves there
        self.stuck, self.frozen, self.spikes, self.clock, self.replay = (np.zeros(count, bool) for _ in range(5))
        self.replays = Replays(assets)

    def go_on(self, old: "Facts", streams: int) -> None:
        """Take the state of the first `streams` streams over, whose places have not changed."""
        for name, value in arrays_of(old, streams).items():
            if not name.startswith("_"):
                getattr(self, name)[:streams] = value
        self.replays.go_on(old.replays)

    def arrive(self, slot: NDArray[np.intp], ts_us: NDArray[np.int64], arrived_us: int) -> None:
        """Readings came now: how far are their times from it? The last one of each stream in the batch counts."""
        mine, at = np.unique(slot[::-1], return_index=True)
        lag = (arrived_us - ts_us[::-1][at]).astype(np.float64)
        fresh = self.lag_readings[mine] == 0
        self.lag_us[mine[fresh]] = lag[fresh]
        self.lag_readings[mine] += 1
        away = np.abs(lag - self.lag_us[mine])
        least = np.fmax(_CLOCK_US_MIN, _CLOCK_PERIODS * self._period_us[mine])
        bound = np.maximum(least, _CLOCK_SPREADS * self.lag_spread_us[mine]) * self.slack[mine]
        young = self.lag_readings[mine] <= _CLOCK_LEARN
        off = (away > bound) & ~young
        self.off_readings[mine] = np.where(off, self.off_readings[mine] + 1, 0)
        near = mine[~off]
        pull = np.maximum(_CLOCK_PULL, np.where(young, 1.0 / self.lag_readings[mine], 0.0))[~off]
        self.lag_us[near] += pull * (lag[~off] - self.lag_us[near])
        self.lag_spread_us[near] += pull * (away[~off] - self.lag_spread_us[near])

    def flags(self) -> NDArray[np.bool_]:
        """Streams of which any fact holds, but for those that ring nothing."""
        found: NDArray[np.bool_] = (self.stuck | self.frozen | self.spikes | self.clock | self.replay) & self._rings
        return found

    def name(self, slot: int) -> str:
        """The fact that holds of a stream; empty when none does."""
        return next((fact for fact in FACTS if getattr(self, fact)[slot]), "")

    def feedback(self, slot: int, accepted: bool) -> None:
        """An operator's verdict: a false alarm widens the stream's bounds, a true one takes that back."""
        self.slack[slot] = min(max(self.slack[slot] * (0.5 if accepted else 2.0), 1.0), _SLACK_MAX)

    def take(self, chunk: Chunk, cut_us: int, *, past: bool = False) -> NDArray[np.bool_]:
        """Readings up to `cut_us`, ascending in time: the flags of that moment.

        Of means of rows of a `past` is learned, too, what is usual, but nothing holds."""
        if len(chunk.slot):
            self._follow(chunk.take(np.lexsort((chunk.ts_us, chunk.slot))), past=past)
        if not past:
            self.replays.take(chunk)
            self._judge(cut_us)
        return self.flags()

    def _follow(self, chunk: Chunk, *, past: bool) -> None:
        slot, ts, value = chunk
        head = np.append(True, slot[1:] != slot[:-1])
        before = np.append(np.nan, value[:-1])
        before[head] = self.last[slot[head]]
        jump = value - before
        fresh = slot[head][~np.isfinite(self.last[slot[head]])]
        self.first_us[fresh] = np.where(
            self.first_us[fresh] == _FAR, ts[head][np.isin(slot[head], fresh)], self.first_us[fresh]
        )
        inner = np.isfinite(jump) & self._inside(slot, before)
        self.inner += np.bincount(slot, inner, len(self.inner))
        self.inner_moves += np.bincount(slot, inner & (jump != 0.0), len(self.inner))
        self._rests(slot, ts, before, jump, past=past)
        if past:
            np.maximum.at(self.step, slot, np.where(np.isfinite(jump), np.abs(jump), 0.0))
        else:
            self._leaps(slot, ts, value, before, jump)
        np.minimum.at(self.low, slot, value)
        np.maximum.at(self.high, slot, value)
        tail = np.append(head[1:], True)
        self.last[slot[tail]], self.last_us[slot[tail]] = value[tail], ts[tail]
        self.readings += np.bincount(slot, minlength=len(self.readings))

    def _rests(
        self, slot: NDArray[np.intp], ts: NDArray[np.int64], before: Floats, jump: Floats, *, past: bool
    ) -> None:
        moved = np.flatnonzero(np.isfinite(jump) & (jump != 0.0))
        if not len(moved):
            return
        mine, when = slot[moved], ts[moved]
        first = np.append(True, mine[1:] != mine[:-1])
        earlier = np.append(_FAR, when[:-1])
        earlier[first] = self.changed_us[mine[first]]
        rest = np.where(earlier > _FAR, when - earlier, 0)
        rest[self.stuck[mine]] //= 2  # what was called stuck teaches half: its like may be the rule
        rest[self._by_right(mine, before[moved])] = 0
        np.maximum.at(self.rest_us, mine, rest)
        last = np.append(first[1:], True)
        self.began_us[mine[first]] = np.where(
            self.began_us[mine[first]] == _FAR, when[first], self.began_us[mine[first]]
        )
        self.changed_us[mine[last]] = when[last]
        self.changes += np.bincount(mine, minlength=len(self.changes))
        if not past:
            new = first & (self.live_us[mine] == _FAR)
            self.live_us[mine[new]] = when[new]
            self.live_changes += np.bincount(mine, minlength=len(self.changes))
        self._company(mine[first], ~self._by_right(mine[first], before[moved][first]))

    def _by_right(self, slot: NDArray[np.intp], value: Floats) -> NDArray[np.bool_]:
        """Where a rest teaches nothing: at the end of the range of a stream that elsewhere hardly ever rests."""
        lively = (self.inner >= _CHANGES_MIN) & (self.inner_moves > _LIVELY_SHARE * self.inner)
        found: NDArray[np.bool_] = lively[slot] & ~self._inside(slot, value)
        return found

    def _inside(self, slot: NDArray[np.intp], value: Floats) -> NDArray[np.bool_]:
        """Whether values are away from the ends of the range of their streams."""
        low, high = self.low[slot], self.high[slot]
        known = high >= low  # it has spoken
        low, high = np.where(known, low, 0.0), np.where(known, high, 0.0)
        edge = _EDGE_SHARE * (high - low)
        found: NDArray[np.bool_] = known & (value > low + edge) & (value < high - edge)
        return found

    def _company(self, moved: NDArray[np.intp], inside: NDArray[np.bool_]) -> None:
        """What the others of each device and make did while a stream rested, and how long whole devices rest."""
        counts = np.where(self.stuck[moved], 0.5, 1.0) * inside
        moves = np.zeros(len(self.changes))
        moves[moved] = 1.0
        for others, then, longest in (
            (self.mates, self.mates_then, self.mates_rest),
            (self.kin, self.kin_then, self.kin_rest),
        ):
            longest[moved] = np.maximum(longest[moved], (others - then)[moved] * counts)
        of_asset = np.bincount(self._asset, moves, int(self._asset.max()) + 1)
        self.mates += of_asset[self._asset] - moves
        of_kin = np.bincount(self._kin, moves, int(self._kin.max()) + 1)
        self.kin += (of_kin[self._kin] - moves) / np.maximum(self._kin_size - 1, 1)
        self.mates_then[moved], self.kin_then[moved] = self.mates[moved], self.kin[moved]
        newest = np.full(len(of_asset), _FAR)
        np.maximum.at(newest, self._asset, self.changed_us)
        now_us = newest[self._asset]
        lull = np.where((self.asset_us > _FAR) & (now_us > self.asset_us), now_us - self.asset_us, 0)
        self.lull_us = np.maximum(self.lull_us, np.where(self.frozen, lull // 2, lull))
        self.asset_us = now_us

    def _leaps(
        self, slot: NDArray[np.intp], ts: NDArray[np.int64], value: Floats, before: Floats, jump: Floats
    ) -> None:
        size = np.where(np.isfinite(jump), np.abs(jump), 0.0)
        ripe = (self.readings > _LEARN_READINGS)[slot]
        far = ripe & (size > _LEAP_RATIO * (self.wide * self.step)[slot]) & (self.step[slot] > 0.0)
        busy = far | (self.leapt[slot] != 0.0)
        busy = np.isin(slot, np.unique(slot[busy])) if busy.any() else busy
        np.maximum.at(self.step, slot[~busy], size[~busy])
        for at in np.flatnonzero(busy).tolist():
            self._leap(int(slot[at]), int(ts[at]), float(value[at]), float(before[at]))

    def _leap(self, slot: int, ts_us: int, value: float, before: float) -> None:
        """One reading of a stream that leaps: is it a leap, the way back, or a step that stays?"""
        leapt, size = self.leapt[slot], abs(value - before)
        if leapt != 0.0:
            self.since_leap[slot] += 1
            if abs(value - self.level[slot]) < _BACK_SHARE * abs(leapt):
                self.impulse_us[slot] = [ts_us, *self.impulse_us[slot, :-1]]
                self.leapt[slot] = 0.0
            elif self.since_leap[slot] >= _BACK_READINGS:
                self.step[slot] = max(self.step[slot], abs(leapt))
                self.leapt[slot] = 0.0
        elif np.isfinite(size) and size > _LEAP_RATIO * self.wide[slot] * self.step[slot]:
            self.leapt[slot], self.level[slot], self.since_leap[slot] = value - before, before, 0
        elif np.isfinite(size):
            self.step[slot] = max(self.step[slot], size)

    def _judge(self, cut_us: int) -> None:
        aged_us = cut_us - self.first_us
        self.wide = self.slack * np.where(aged_us < _YOUNG_US, _YOUNG_RATIO, 1.0)
        learned = (self.began_us > _FAR) & (aged_us >= self._learn_us)
        recent = cut_us - self.impulse_us < _HOUR_US
        before = self.stuck | self.frozen | self.spikes
        self.stuck = learned & self._rests_too_long(cut_us)
        self.frozen = learned & (aged_us >= _YOUNG_US) & self._device_rests(cut_us) & ~self.stuck
        self.spikes = learned & (recent[:, -1] | (self.spikes & recent[:, 0]))
        off = self.off_readings >= _CLOCK_READINGS
        if off.any():
            told = self.lag_readings > 0
            share = np.bincount(self._node, off & told) / np.maximum(np.bincount(self._node, told), 1)
            off = off & (share[self._node] < 0.5)  # all of a gateway's: its own clock, which others watch
        self.clock = off
        self.replay = learned & self.replays.active[self._asset] & (self.changes >= _CHANGES_MIN)
        self._widen((self.stuck | self.frozen | self.spikes) & ~before, cut_us)

    def _widen(self, begun: NDArray[np.bool_], cut_us: int) -> None:
        self.slack[begun] = np.minimum(2.0 * self.slack[begun], _SLACK_MAX)
        self.slack_us[begun] = cut_us
        calm = (self.slack > 1.0) & (cut_us - self.slack_us > _CALM_US)
        self.slack[calm] = np.maximum(0.5 * self.slack[calm], 1.0)
        self.slack_us[calm] = cut_us

    def _speaks(self, cut_us: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = cut_us - self.last_us <= 3.0 * np.nan_to_num(self._period_us) + 1e6
        return found

    def _device_rests(self, cut_us: int) -> NDArray[np.bool_]:
        moves = self.changes >= _CHANGES_MIN
        movers = np.bincount(self._asset, moves, int(self._asset.max(initial=-1)) + 1)[self._asset]
        bound = np.maximum(_FROZEN_US_MIN, _REST_RATIO * self.lull_us) * self.wide
        bound = np.where(self.frozen, 0.0, bound)
        found: NDArray[np.bool_] = moves & (movers >= 2) & self._speaks(cut_us) & (self.last_us - self.asset_us > bound)
        return found

    def _rests_too_long(self, cut_us: int) -> NDArray[np.bool_]:
        rest = self.last_us - self.changed_us
        pace = (self.changed_us - self.began_us) / np.maximum(self.changes, 1)
        live = (self.changed_us - self.live_us) / np.maximum(self.live_changes, 1)
        pace = np.where(self.live_changes >= _CHANGES_MIN, np.minimum(pace, live), pace)
        bound = np.maximum(_STUCK_US_MIN, np.maximum(_REST_RATIO * self.rest_us, _PACE_RATIO * pace)) * self.wide
        company = np.maximum(_MATES_MIN, _COMPANY_RATIO * self.mates_rest) * self.wide
        like = np.maximum(_KIN_MIN, _COMPANY_RATIO * self.kin_rest) * self.wide
        passed = (self.mates - self.mates_then > company) | (
            (self.kin - self.kin_then > like) & (self._kin_size > _KIN_LEAST)
        )
        long = (rest > bound) | (passed & (rest > _STUCK_US_MIN))
        moves = (self.changes >= _CHANGES_MIN) & (self.live_changes >= _LIVE_CHANGES_MIN)
        edge = _CLEAR_SHARE * (self.high - self.low)
        inside = (self.last > self.low + edge) & (self.last < self.high - edge)
        counted = int(self._asset.max(initial=-1)) + 1
        movers = np.bincount(self._asset, moves, counted)
        resting = np.bincount(
            self._asset, moves & (cut_us - self.changed_us > 0.5 * _STUCK_US_MIN) & (rest > 0), counted
        )
        lively = (2 * (resting - 1) < movers)[self._asset] & (movers > 1)[self._asset]
        alone = (movers <= 1)[self._asset] & (self.changes >= 20 * _CHANGES_MIN) & (rest > 2 * bound)
        still = self.stuck & (rest > 0)  # once stuck, until it moves
        found: NDArray[np.bool_] = moves & self._speaks(cut_us) & (inside & long & (lively | alone) | still)
        return found


def facts_of(streams: Sequence[Stream], assets: Mapping[str, int], settings: Settings) -> Facts:
    """Of these streams; `assets` numbers their devices."""
    nodes: dict[str, int] = {}
    node_of = [nodes.setdefault(one.key.partition("/")[0], len(nodes)) for one in streams]
    periods = np.array([np.nan if one.period_s is None else one.period_s for one in streams], np.float64)
    rings = np.array([one.alarms for one in streams], bool)
    at = np.array([assets[one.asset] for one in streams], np.intp)
    kin = np.array(_kin_of(streams), np.intp)
    return Facts(at, np.array(node_of, np.intp), periods, rings, round(settings.guard_learn_h * 3.6e9), kin)


def _kin_of(streams: Sequence[Stream]) -> list[int]:
    """The same point of devices of one make has one number."""
    metrics: dict[str, list[str]] = {}
    for one in streams:
        metrics.setdefault(one.asset, []).append(one.key.rpartition("/")[2])
    makes = {asset: tuple(sorted(names)) for asset, names in metrics.items()}
    numbers: dict[tuple[tuple[str, ...], str], int] = {}
    return [numbers.setdefault((makes[one.asset], one.key.rpartition("/")[2]), len(numbers)) for one in streams]
