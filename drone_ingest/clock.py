"""Time out of logs: UTC from many doubtful samples, the span that most records agree on, steps of the clock."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from drone_ingest.damage import Notes
from drone_ingest.found import Clock
from wire.limits import TIMESTAMP_US_MAX, TIMESTAMP_US_MIN

__all__ = ["gps_us", "iso_utc", "last_before", "note_drift", "note_steps", "robust_clock", "robust_span"]

_US = 1_000_000
_UTC_MIN_US = 1_104_537_600 * _US  # 2005: no drone log is older; receivers without a fix say 1970 or 1980
_UTC_MAX_US = 4_102_444_800 * _US  # 2100
_HOUR_US = 3_600 * _US
_GAP_HOURS = 6  # records further from all others than that carry a wrong time
_STEP_BACK_US = _US  # a log whose clock goes back by more was spliced, or its clock was set
_LEAP_FORWARD_US = 60 * _US  # a pause of the recorder, or a clock that was set: nobody logs once a minute
_LEAP_S = 18  # GPS − UTC since 2017
_LEAPS = ((1_435_708_800, 16), (1_483_228_800, 17))  # before these UTC seconds: 16, 17
_GPS_EPOCH_S = 315_964_800
_DRIFT_US = _US


def robust_clock(source: str, log_us: NDArray[np.int64], utc_us: NDArray[np.int64]) -> Clock | None:
    """The offset from a log's clock to UTC: median over plausible samples, with their median absolute deviation."""
    known = (utc_us > _UTC_MIN_US) & (utc_us < _UTC_MAX_US)
    if not known.any():
        return None
    offsets = utc_us[known].astype(np.int64) - log_us[known].astype(np.int64)
    offset = int(np.median(offsets))
    spread = int(np.median(np.abs(offsets - offset)))
    return Clock(source=source, offset_us=offset, spread_us=spread, samples=int(known.sum()))


def iso_utc(us: int | None) -> str | None:
    """Microseconds since 1970 as ISO 8601 in UTC; None for none, and for times that no flight of ours can have."""
    if us is None or not TIMESTAMP_US_MIN <= us <= TIMESTAMP_US_MAX:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def note_drift(clock: Clock, notes: Notes) -> None:
    """Say when the samples of a clock do not agree."""
    if clock.spread_us > _DRIFT_US:
        notes.warn(f"UTC is uncertain: samples of {clock.source} differ by {clock.spread_us / _US:.1f} s")


def gps_us(week: NDArray[np.float64], ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """GPS week and milliseconds of it as UTC microseconds, leap seconds since 2012 taken off; week 0 gives 0."""
    seconds = _GPS_EPOCH_S + week.astype(np.int64) * 604_800
    leap = np.full(len(seconds), _LEAP_S, np.int64)
    for before_s, leap_s in reversed(_LEAPS):
        leap[seconds < before_s] = leap_s
    us = (seconds - leap) * _US + ms.astype(np.int64) * 1_000
    return np.where(week > 0, us, 0)


def robust_span(times: Iterable[NDArray[np.int64]]) -> tuple[int, int, int] | None:
    """First and last of the times that belong together, and how many lie hours away from them.

    A single invalid time must not stretch a flight: hours are counted, hours with more than six empty ones between
    them fall apart, and the group with most records wins.
    """
    arrays = [one for one in times if len(one)]
    counts: Counter[int] = Counter()
    for one in arrays:
        hours = one // _HOUR_US
        starts = np.concatenate([[0], np.flatnonzero(np.diff(hours)) + 1])
        sizes = np.diff(np.append(starts, len(hours)))
        for hour, size in zip(hours[starts].tolist(), sizes.tolist(), strict=True):
            counts[hour] += size
    if not counts:
        return None
    groups: list[list[int]] = []
    for hour in sorted(counts):
        if groups and hour - groups[-1][-1] <= _GAP_HOURS:
            groups[-1].append(hour)
        else:
            groups.append([hour])
    best = max(groups, key=lambda group: sum(counts[hour] for hour in group))
    low, high = best[0] * _HOUR_US, (best[-1] + 1) * _HOUR_US
    inside = [one[(one >= low) & (one < high)] for one in arrays]
    first = min(int(one.min()) for one in inside if len(one))
    last = max(int(one.max()) for one in inside if len(one))
    return first, last, sum(counts.values()) - sum(len(one) for one in inside)


def note_steps(tables: Mapping[str, NDArray[np.int64]], notes: Notes) -> None:
    """Say where a log's clock goes back or leaps, by the times of its most frequent message."""
    if not tables:
        return
    what = max(tables, key=lambda name: len(tables[name]))
    steps = np.diff(tables[what])
    for wrong, words in ((steps < -_STEP_BACK_US, "goes back"), (steps > _LEAP_FORWARD_US, "leaps")):
        rows = np.flatnonzero(wrong)
        if len(rows):
            far = rows[np.argmax(np.abs(steps[rows]))]
            most = f"most at record {far + 1} by {abs(int(steps[far])) / _US:.1f} s"
            often = "once" if len(rows) == 1 else f"{len(rows)} times"
            notes.warn(f"the clock of {what} {words} {often}, {most}")


def last_before(
    at: NDArray[np.int64], times: NDArray[np.int64], age_us_max: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each of `at` the row of `times` (in any order) that is newest and not later, and whether it is recent."""
    if not len(times):
        return np.zeros(len(at), np.int64), np.zeros(len(at), bool)
    order = np.argsort(times, kind="stable")
    place = np.searchsorted(times[order], at, side="right") - 1
    rows = order[np.maximum(place, 0)]
    age = at - times[rows]
    return rows, (place >= 0) & (age <= age_us_max)
