"""Alarms against labels: points, events with delay, and false-alarm episodes against the budget."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.evaluate.ranking import events_of
from inference.windows import Floats

__all__ = ["Alarmed", "Budget", "Events", "Points", "budget_of", "event_quality", "point_quality"]

_NEAR_ROWS = 32  # an alarm so close to an event is about it
_DAY_S = 86_400.0

Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Alarmed:
    """One series after its training rows: what was labelled, what was alarmed, the rows in which alarms opened."""

    labels: Labels
    alarm: Labels
    opened: NDArray[np.int64]
    scores: Floats
    row_s: float


class Points(msgspec.Struct, frozen=True):
    """Pooled rows: F1, false-alarm rate and missed-alarm rate in percent (the measures of SKAB)."""

    f1: float
    far_percent: float
    mar_percent: float


class Events(msgspec.Struct, frozen=True):
    """Events found, the share of alarms that were about one, and how long it took."""

    events: int
    found: int
    alarms: int
    precision: float
    recall: float
    f1: float
    delay_s_median: float


class Budget(msgspec.Struct, frozen=True):
    """False-alarm episodes in normal time against those allowed; no `ratio` where not even one was allowed.

    Half an hour of recordings cannot tell whether one false alarm in two days is kept.
    """

    budget_per_day: float
    false_episodes: int
    normal_days: float
    allowed: float
    ratio: float | None
    regime_changes: int


def point_quality(series: Iterable[Alarmed]) -> Points:
    """Rows of all series pooled."""
    hit = false = missed = quiet = 0
    for one in series:
        hit += int((one.labels & one.alarm).sum())
        false += int((~one.labels & one.alarm).sum())
        missed += int((one.labels & ~one.alarm).sum())
        quiet += int((~one.labels & ~one.alarm).sum())
    return Points(
        f1=_ratio(2 * hit, 2 * hit + false + missed),
        far_percent=100.0 * _ratio(false, false + quiet),
        mar_percent=100.0 * _ratio(missed, missed + hit),
    )


def event_quality(series: Iterable[Alarmed]) -> Events:
    """Events of all series; an event is found when an alarm is active within it."""
    events = found = alarms = right = 0
    delays: list[float] = []
    for one in series:
        wide = _widened(one.labels)
        for first, last in events_of(one.labels):
            events += 1
            inside = np.flatnonzero(one.alarm[first : last + 1])
            if len(inside):
                found += 1
                delays.append(float(inside[0]) * one.row_s)
        for first, last in events_of(one.alarm):
            alarms += 1
            right += bool(wide[first : last + 1].any())
    precision, recall = _ratio(right, alarms), _ratio(found, events)
    return Events(
        events=events,
        found=found,
        alarms=alarms,
        precision=precision,
        recall=recall,
        f1=_ratio(2 * precision * recall, precision + recall),
        delay_s_median=float(np.median(delays)) if delays else 0.0,
    )


def budget_of(series: Iterable[Alarmed], budget_per_day: float, regime_changes: int) -> Budget:
    """Alarms that opened away from every event, over the time away from every event."""
    false, days = 0, 0.0
    for one in series:
        wide = _widened(one.labels)
        false += int((~wide[one.opened]).sum())
        days += float((~wide).sum()) * one.row_s / _DAY_S
    allowed = budget_per_day * days
    return Budget(
        budget_per_day=budget_per_day,
        false_episodes=false,
        normal_days=days,
        allowed=allowed,
        ratio=false / allowed if allowed >= 1.0 else None,
        regime_changes=regime_changes,
    )


def _widened(labels: Labels) -> Labels:
    wide = labels.copy()
    for first, last in events_of(labels):
        wide[max(first - _NEAR_ROWS, 0) : last + _NEAR_ROWS + 1] = True
    return wide


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
