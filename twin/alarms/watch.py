"""Follows the readings of all points with alarms, vectorised: of ten million readings only those that turn something
are looked at one by one.

A reading older than the last one seen of its point is history (a backlog behind a live link) and rings nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.alarms.rules import LEVELS, PointAlarm
from twin.alarms.states import Definition
from twin.state import NO_TIME, Rows
from wire.quality import BAD, HISTORICAL, NOT_A_NUMBER

__all__ = ["PointWatch", "Turn"]

_BROKEN = BAD | NOT_A_NUMBER
TOGETHER = 3  # points of a device that are silent for one cause: its own
_LOOKED_AT_MAX = 20_000  # readings of one batch; of more, only those at which a point crosses its limits


class Turn(NamedTuple):
    """An alarm's condition began (`active`) or ended, at this time of the process, with this value."""

    alarm: PointAlarm
    active: bool
    at_us: int
    value: float | str | None


class _Follow:
    """Where one alarm stands: whether its condition holds, and since when the opposite has been seen."""

    __slots__ = ("active", "alarm", "since_us")

    def __init__(self, alarm: PointAlarm) -> None:
        self.alarm, self.active, self.since_us = alarm, False, NO_TIME


class PointWatch:
    """Used by one thread. `of` carries over what goes on when rules change."""

    def __init__(self, alarms: Iterable[PointAlarm], active: Iterable[str] = ()) -> None:
        self._by_key = {alarm.definition.key: _Follow(alarm) for alarm in alarms}
        self.late = 0  # readings that came behind newer ones
        for key in active:
            if key in self._by_key:
                self._by_key[key].active = True
        self._of_point: defaultdict[int, list[_Follow]] = defaultdict(list)
        self._stale: list[_Follow] = []
        for follow in self._by_key.values():
            (self._stale if follow.alarm.kind == "stale" else self._of_point[follow.alarm.point]).append(follow)
        size = max((follow.alarm.point for follow in self._by_key.values()), default=0) + 1
        self._low, self._high = np.full(size, -np.inf), np.full(size, np.inf)
        self._watched, self._texts = np.zeros(size, bool), np.zeros(size, bool)
        self._bad = np.zeros(size, bool)
        self._attentive = np.zeros(size, bool)  # something of the point is active, or about to change
        self._seen_us = np.full(size, NO_TIME)
        self._waiting: set[_Follow] = set()
        for point, follows in self._of_point.items():
            self._prepare(point, follows)
        self._stale_points = np.array([follow.alarm.point for follow in self._stale], np.uint32)
        self._stale_us = np.array([follow.alarm.limit * 1e6 for follow in self._stale], np.float64)
        self._stale_active = np.array([follow.active for follow in self._stale], bool)
        devices = [follow.alarm.definition.group for follow in self._stale]
        names, first, self._stale_device = np.unique(np.array(devices, object), return_index=True, return_inverse=True)
        self._devices = [self._stale[at].alarm.definition for at in first.tolist()]
        self._device_points = np.bincount(self._stale_device, minlength=len(names))

    @property
    def keys(self) -> set[str]:
        """Keys of all alarms."""
        return set(self._by_key)

    @property
    def alarms(self) -> list[PointAlarm]:
        """All alarms."""
        return [follow.alarm for follow in self._by_key.values()]

    @property
    def stale_points(self) -> NDArray[np.uint32]:
        """Points whose silence rings; `silent` takes their ages in this order."""
        return self._stale_points

    def take(self, rows: Rows) -> list[Turn]:
        """What a batch of readings turns, in the order of the readings of each point."""
        ids = rows.point
        if not len(ids):
            return []
        inside = ids < len(self._watched)
        known = inside & self._watched.take(ids, mode="clip")
        if not known.any():
            return []
        fresh = known & (rows.ts_us >= self._seen_us.take(ids, mode="clip")) & ((rows.quality & HISTORICAL) == 0)
        self.late += int(np.count_nonzero(known) - np.count_nonzero(fresh))
        self._seen_us[ids[fresh]] = rows.ts_us[fresh]
        beyond = self._beyond(rows, ids)
        astir = self._attentive.copy()
        astir[ids[fresh & beyond]] = True
        rows_at = np.flatnonzero(fresh & astir.take(ids, mode="clip"))
        if not len(rows_at):
            return []
        rows_at = rows_at[np.argsort(ids[rows_at], kind="stable")]
        if len(rows_at) > _LOOKED_AT_MAX:
            rows_at = rows_at[_crossings(ids[rows_at], beyond[rows_at])]
        turns: list[Turn] = []
        for at in rows_at.tolist():
            turns += self._look(rows, at)
        return turns

    def tick(self, now_us: int) -> list[Turn]:
        """What has lasted long enough although no reading came since."""
        turns = []
        for follow in list(self._waiting):
            alarm = follow.alarm
            due_us = follow.since_us + (alarm.off_us if follow.active else alarm.on_us)
            if now_us >= due_us:
                turns.append(self._turn(follow, due_us, None))
        return turns

    def silent(self, now_us: int, heard_us: NDArray[np.int64]) -> list[Turn]:
        """Points that went silent or spoke again: `heard_us` is when each of `stale_points` was heard last."""
        if not len(self._stale):
            return []
        stale = (heard_us != NO_TIME) & (now_us - heard_us > self._stale_us)
        turns = []
        for at in np.flatnonzero(stale != self._stale_active).tolist():
            follow = self._stale[at]
            follow.active = bool(stale[at])
            at_us = int(heard_us[at]) + (int(self._stale_us[at]) if follow.active else 0)
            turns.append(Turn(follow.alarm, follow.active, at_us, None))
        self._stale_active = stale
        return turns

    def mute(self, now_us: int, heard_us: NDArray[np.int64]) -> list[tuple[Definition, int]]:
        """Devices of several points of which none was heard for as long as the most talkative may be silent: the stale
        alarm of one of its points, and since when. `heard_us` as in `silent`."""
        heard = np.full(len(self._devices), NO_TIME)
        shortest = np.full(len(self._devices), np.inf)
        np.maximum.at(heard, self._stale_device, heard_us)
        np.minimum.at(shortest, self._stale_device, self._stale_us)
        mute = (self._device_points > 1) & (heard != NO_TIME) & (now_us - heard > shortest)
        return [(self._devices[at], int(heard[at] + shortest[at])) for at in np.flatnonzero(mute).tolist()]

    def partly_mute(self, now_us: int, heard_us: NDArray[np.int64]) -> list[tuple[Definition, int]]:
        """As `mute`, of devices of which several points are silent beyond their own limits: one cause, so one call."""
        late_us = heard_us + self._stale_us
        silent = (heard_us != NO_TIME) & (now_us > late_us)
        count = np.bincount(self._stale_device, silent, minlength=len(self._devices))
        latest = np.full(len(self._devices), -np.inf)
        np.maximum.at(latest, self._stale_device[silent], late_us[silent])
        return [(self._devices[at], int(latest[at])) for at in np.flatnonzero(count >= TOGETHER).tolist()]

    def _prepare(self, point: int, follows: Sequence[_Follow]) -> None:
        self._watched[point] = True
        for follow in follows:
            alarm = follow.alarm
            if alarm.kind in ("high", "high_high"):
                self._high[point] = min(self._high[point], alarm.limit)
            elif alarm.kind in ("low", "low_low"):
                self._low[point] = max(self._low[point], alarm.limit)
            self._texts[point] |= alarm.kind == "state"
            self._bad[point] |= alarm.kind == "bad"
        self._attentive[point] = any(follow.active for follow in follows)

    def _beyond(self, rows: Rows, ids: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Readings that are outside the tightest limits, bad, or texts of points whose texts ring."""
        if rows.text is not None:
            texts: NDArray[np.bool_] = self._texts.take(ids, mode="clip")
            return texts
        outside = rows.value > self._high.take(ids, mode="clip")
        outside |= rows.value < self._low.take(ids, mode="clip")
        broken = (rows.quality & _BROKEN) != 0
        if broken.any():
            outside &= ~broken
            outside |= broken & self._bad.take(ids, mode="clip")
        return outside

    def _look(self, rows: Rows, at: int) -> list[Turn]:
        point, ts_us = int(rows.point[at]), int(rows.ts_us[at])
        value: float | str = str(rows.text[at]) if rows.text is not None else float(rows.value[at])
        broken = bool(rows.quality[at] & _BROKEN)
        turns = []
        for follow in self._of_point[point]:
            holds = _holds(follow.alarm, value, broken=broken, active=follow.active)
            if holds is None:
                continue
            if holds == follow.active:
                follow.since_us = NO_TIME
                self._waiting.discard(follow)
                continue
            if follow.since_us == NO_TIME:
                follow.since_us = ts_us
            wait_us = follow.alarm.off_us if follow.active else follow.alarm.on_us
            if ts_us - follow.since_us >= wait_us:
                turns.append(self._turn(follow, follow.since_us + wait_us, value))
            else:
                self._waiting.add(follow)
        self._attend(point)
        return turns

    def _turn(self, follow: _Follow, at_us: int, value: float | str | None) -> Turn:
        follow.active, follow.since_us = not follow.active, NO_TIME
        self._waiting.discard(follow)
        self._attend(follow.alarm.point)
        return Turn(follow.alarm, follow.active, at_us, value)

    def _attend(self, point: int) -> None:
        self._attentive[point] = any(one.active or one.since_us != NO_TIME for one in self._of_point[point])


def _holds(alarm: PointAlarm, value: float | str, *, broken: bool, active: bool) -> bool | None:
    """Whether the condition holds; None when this reading says nothing about it."""
    if alarm.kind == "bad":
        return broken
    if broken:
        return None
    if alarm.kind == "state":
        return value in alarm.states if isinstance(value, str) else None
    if isinstance(value, str) or alarm.kind not in LEVELS:
        return None
    room = alarm.deadband if active else 0.0
    return value > alarm.limit - room if alarm.kind.startswith("high") else value < alarm.limit + room


def _crossings(ids: NDArray[np.uint32], beyond: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Of readings sorted by point: where a point crosses its limits, and the last reading of each point."""
    last = np.append(ids[1:] != ids[:-1], True)
    first = np.append(True, last[:-1])
    crossed = np.append(True, beyond[1:] != beyond[:-1])
    return np.flatnonzero(first | last | crossed)
