"""What happens on this gateway as its readings come: derived points, rules, interlocks, the newest value of each point.

It hears every batch that goes to the spool, with final ids, so it works the same with and without the twin.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from edge.processing.config import DerivedRow, ProcessingConfig, RuleRow, WriteRow
from edge.processing.thinning import Columns
from edge.sources import Batch, SourceError
from edge.sources.columns import Happening, events, readings, states
from wire.catalogue import Point
from wire.expressions import Formula
from wire.quality import UNUSABLE
from wire.schemas import READINGS, STATES

if TYPE_CHECKING:
    from edge.batcher import Batcher
    from wire.clock import Clock

__all__ = ["SOURCE", "LocalAlarm", "LocalLogic"]

log = logging.getLogger("aid4.edge")
SOURCE: Final = "local"  # what derived points and rules come from; no [[source]] may have this name
LOOK_S: Final = 0.2  # how often rules look at the clock
NORMAL, ACTIVE = "normal", "active"
Write = Callable[[str, float | str | bool], Awaitable[None]]


class LocalAlarm(NamedTuple):
    """A rule whose condition holds."""

    name: str
    message: str
    severity: int
    since_us: int


class _Derived(NamedTuple):
    row: DerivedRow
    formula: Formula
    inputs: dict[str, str]  # name in the formula -> key of the point
    place: int  # in `points`


class _Rule:
    """One rule and where it stands."""

    def __init__(self, row: RuleRow, place: int) -> None:
        self.row, self.place = row, place
        self.when, self.until = row.conditions()
        self.since_s: float | None = None  # the condition holds since
        self.alarm: LocalAlarm | None = None
        self.names = {*self.when.names, *(self.until.names if self.until is not None else ())}


class LocalLogic:
    """Give it to the batcher's listeners and `run` it; `refusal` is what commands ask first."""

    def __init__(self, config: ProcessingConfig, batcher: Batcher, clock: Clock, write: Write) -> None:
        self._batcher, self._clock, self._write = batcher, clock, write
        self.values: dict[str, float] = {}  # key -> newest good number; 1 or 0 for a bool
        self.times: dict[str, int] = {}
        self.points: list[Point] = []
        self._derived = [self._point_of(row) for row in config.derived]
        self._rules = [self._rule_of(row) for row in config.rule]
        self._interlocks = [(row, row.condition()) for row in config.interlock]
        wanted = {name for rule in self._rules for name in rule.names}
        wanted |= {key for one in self._derived for key in one.inputs.values()}
        self._wanted = wanted | {name for _, condition in self._interlocks for name in condition.names}
        self._ids: dict[int, str] = {}  # final id -> key, of those that are wanted
        self._known = 0
        self._moved = asyncio.Event()
        self._fresh: set[str] = set()
        batcher.listeners.append(self._hear)

    @property
    def alarms(self) -> list[LocalAlarm]:
        """What is active now, the gravest first."""
        found = [rule.alarm for rule in self._rules if rule.alarm is not None]
        return sorted(found, key=lambda alarm: (-alarm.severity, alarm.since_us))

    def refusal(self, key: str) -> str:
        """Why no command may reach a point now; empty when one may. What is not known refuses."""
        for row, condition in self._interlocks:
            if any(fnmatchcase(key, one) for one in row.points) and self._holds(condition, unknown=True):
                return row.why or f"interlock: {row.refuse_when}"
        return ""

    async def run(self) -> None:
        """Compute, judge and act, until cancelled."""
        if self._rules:
            await self._tell([(rule, NORMAL) for rule in self._rules])
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._moved.wait()
            except TimeoutError:
                pass
            self._moved.clear()
            fresh, self._fresh = self._fresh, set()
            if fresh:
                await self._compute(fresh)
            for rule in self._rules:
                await self._judge(rule)

    # -- what is heard

    def _hear(self, schema_id: int, rows: pa.RecordBatch) -> None:
        if schema_id != READINGS:
            return
        self._learn()
        ids = rows["point"].to_numpy()
        mine = np.isin(ids, np.fromiter(self._ids, np.uint32, len(self._ids)))
        if not mine.any():
            return
        times = rows["ts"].cast("int64").to_numpy()
        quality, values = rows["quality"].to_numpy(), rows["value"].to_numpy(zero_copy_only=False)
        for at in np.flatnonzero(mine).tolist():
            self._take(self._ids[int(ids[at])], int(times[at]), float(values[at]), int(quality[at]))

    def hear_all(self, points: Sequence[Point], columns: Columns) -> None:
        """Readings of one source before they are thinned, so that a rule never waits for the next one kept."""
        for point, ts_us, value, quality in zip(*(column.tolist() for column in columns), strict=True):
            if (key := points[point].key) in self._wanted:
                self._take(key, ts_us, value, quality)

    def _take(self, key: str, ts_us: int, value: float, quality: int) -> None:
        if ts_us <= self.times.get(key, 0):
            return
        self.values[key] = nan if quality & UNUSABLE else value
        self.times[key] = ts_us
        self._fresh.add(key)
        self._moved.set()

    def _learn(self) -> None:
        known = self._batcher.catalogue.points
        for point in known[self._known :]:
            if point.key in self._wanted:
                self._ids[point.id] = point.key
        self._known = len(known)

    # -- derived points

    def _point_of(self, row: DerivedRow) -> _Derived:
        formula = row.formula()
        inputs = {name: name if "/" in name else f"{row.device}/{name}" for name in formula.names}
        meta = {"expression": row.expression}
        meta |= {name: text for name, text in (("when", row.when), ("brick", row.brick)) if text}
        self.points.append(
            Point(
                id=len(self.points), device=row.device, metric=row.metric, unit=row.unit, label=row.label,
                point_class="derived", space_hint=row.space, meta=meta,
            )
        )  # fmt: skip
        return _Derived(row, formula, inputs, len(self.points) - 1)

    async def _compute(self, fresh: set[str]) -> None:
        found: list[tuple[int, int, float]] = []
        for one in self._derived:
            keys = one.inputs.values()
            if fresh.isdisjoint(keys) or any(key not in self.values for key in keys):
                continue
            value = float(one.formula({name: self.values[key] for name, key in one.inputs.items()}))
            key = self.points[one.place].key
            if isfinite(value) or isfinite(self.values.get(key, nan)):
                found.append((one.place, max(self.times[key] for key in keys), value))
                self.values[key], self.times[key] = value, found[-1][1]
        if found:
            ids, times, values = (np.array(column) for column in zip(*found, strict=True))
            rows = readings(ids.astype(np.uint32), times, values, np.zeros(len(found), np.uint8))
            await self._batcher.put(SOURCE, self.points, Batch(READINGS, rows))

    # -- rules

    def _rule_of(self, row: RuleRow) -> _Rule:
        self.points.append(
            Point(
                id=len(self.points), device=f"rule-{row.name}"[:64], metric="state", kind="state",
                point_class="alarm", declared="enum", label=row.message or row.name,
            )
        )  # fmt: skip
        return _Rule(row, len(self.points) - 1)

    def _holds(self, condition: Any, *, unknown: bool) -> bool:
        if any(name not in self.values for name in condition.names):
            return unknown
        value = float(condition(self.values))
        return value != 0.0 if isfinite(value) else unknown

    async def _judge(self, rule: _Rule) -> None:
        now_s = self._clock.monotonic_s()
        if rule.alarm is not None:
            over = self._holds(rule.until, unknown=False) if rule.until else not self._holds(rule.when, unknown=True)
            if over:
                await self._end(rule)
            return
        if not self._holds(rule.when, unknown=False):
            rule.since_s = None
        elif rule.since_s is None and rule.row.for_s:
            rule.since_s = now_s
        elif rule.since_s is None or now_s - rule.since_s >= rule.row.for_s:
            await self._begin(rule)

    async def _begin(self, rule: _Rule) -> None:
        row, now_us = rule.row, self._clock.wall_us()
        rule.alarm = LocalAlarm(row.name, row.message or row.name, row.severity, now_us)
        await self._tell([(rule, ACTIVE)])
        await self._event(rule, "local-alarm", row.severity, row.message or row.name)
        await self._act(rule, row.write)

    async def _end(self, rule: _Rule) -> None:
        rule.alarm = rule.since_s = None
        await self._tell([(rule, NORMAL)])
        await self._event(rule, "local-alarm-over", 0, rule.row.message or rule.row.name)
        await self._act(rule, rule.row.restore)

    async def _act(self, rule: _Rule, writes: Sequence[WriteRow]) -> None:
        for one in writes:
            try:
                await self._write(one.point, one.value)
            except SourceError as error:
                log.warning("rule %s: %s", rule.row.name, error)
                await self._event(rule, "local-write-failed", 3, f"{one.point}: {error}")

    async def _event(self, rule: _Rule, kind: str, severity: int, message: str) -> None:
        seen: Mapping[str, Any] = {
            name: self.values[name] for name in sorted(rule.names) if isfinite(self.values.get(name, nan))
        }
        device = self.points[rule.place].device
        detail = {"rule": rule.row.name, "values": seen}
        happening = Happening(self._clock.wall_us(), device, kind, severity, message, detail)
        await self._batcher.put(SOURCE, self.points, events([happening]))

    async def _tell(self, told: Sequence[tuple[_Rule, str]]) -> None:
        ids = np.array([rule.place for rule, _ in told], np.uint32)
        times = np.full(len(told), self._clock.wall_us(), np.int64)
        rows = states(ids, times, [word for _, word in told], np.zeros(len(told), np.uint8))
        await self._batcher.put(SOURCE, self.points, Batch(STATES, rows))
