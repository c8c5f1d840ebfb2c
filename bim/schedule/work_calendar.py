"""Working time: from a wall-clock second to the work done before it, and back. Pure; arrays in, arrays out.

A calendar over a horizon is the sorted list of its working stretches with the work done before each. "Work at t" is
then a look-up, "the moment by which w is done" the reverse, so a duration is an addition in working seconds.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from bim.schedule.errors import ScheduleError
from bim.schedule.rows import WorkTime
from bim.schedule.tables import Schedule

__all__ = ["BeyondHorizonError", "Calendars", "WorkCalendar", "seconds"]

Seconds = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1)
_DAY_S = 86_400
_WORK_WEEK = {weekday: [480, 720, 780, 1020] for weekday in range(5)}  # where no file says: 8–12 and 13–17


class BeyondHorizonError(Exception):
    """A moment outside of the days for which a calendar was laid out."""


def seconds(moment: datetime) -> int:
    """Wall-clock seconds since 1970 of a naive time."""
    return int((moment - _EPOCH).total_seconds())


class WorkCalendar:
    """Working stretches [opens, closes) over the days `first` … `last`."""

    def __init__(self, opens: Seconds, closes: Seconds, name: str = "") -> None:
        self.name = name
        self._opens, self._closes = opens, closes
        self._before = np.concatenate([[0], np.cumsum(closes - opens)]).astype(np.int64)
        self._open_list, self._close_list = opens.tolist(), closes.tolist()
        self._before_list = self._before.tolist()

    @classmethod
    def round_the_clock(cls, first: date, last: date) -> "WorkCalendar":
        """Every second is work: elapsed durations and lags."""
        start = seconds(datetime.combine(first, datetime.min.time()))
        end = seconds(datetime.combine(last, datetime.min.time())) + _DAY_S
        return cls(np.array([start], np.int64), np.array([end], np.int64), "24 h")

    def work(self, moments: Seconds) -> Seconds:
        """Working seconds before each moment, since the first day of the horizon."""
        at = np.searchsorted(self._opens, moments, side="right") - 1
        inside = np.maximum(at, 0)
        done = self._before[inside] + np.minimum(
            moments - self._opens[inside], self._closes[inside] - self._opens[inside]
        )
        return np.where(at < 0, 0, done)

    def work_at(self, moment: int) -> int:
        """Working seconds before one moment."""
        at = bisect_right(self._open_list, moment) - 1
        if at < 0:
            return 0
        return int(self._before_list[at] + min(moment, self._close_list[at]) - self._open_list[at])

    def start_at(self, work: int) -> int:
        """The latest moment before which exactly `work` is done: where work goes on, so a task may start there."""
        at = bisect_right(self._before_list, work) - 1
        if work < 0 or at >= len(self._open_list):
            raise BeyondHorizonError
        return int(self._open_list[at] + work - self._before_list[at])

    def finish_at(self, work: int) -> int:
        """The earliest moment by which `work` is done, so a task may finish there."""
        at = bisect_left(self._before_list, work) - 1
        if work < 0 or at >= len(self._open_list):
            raise BeyondHorizonError
        return int(self._open_list[max(at, 0)] + work - self._before_list[max(at, 0)])

    def is_open(self, moment: int) -> bool:
        """Whether work goes on at a moment."""
        at = bisect_right(self._open_list, moment) - 1
        return at >= 0 and moment < self._close_list[at]

    def between(self, start: int, finish: int) -> int:
        """Working seconds from start to finish, negative when finish is earlier."""
        return self.work_at(finish) - self.work_at(start)


class Calendars:
    """The calendars of a schedule, laid out on demand over one horizon."""

    def __init__(self, schedule: Schedule, first: date, last: date) -> None:
        self._first, self._last = first, last
        self._rows = {row["id"]: row for row in schedule["calendars"].to_pylist()}
        self._times: dict[str, list[WorkTime]] = defaultdict(list)
        for row in schedule["work_times"].to_pylist():
            self._times[row["calendar"]].append(WorkTime(**row))
        self._laid_out: dict[str | None, WorkCalendar] = {}
        self.elapsed = WorkCalendar.round_the_clock(first, last)
        self.default = self._default(schedule.about.default_calendar)

    def of(self, calendar: str | None) -> WorkCalendar:
        """One calendar; None is the schedule's default. Raises ScheduleError when it never works."""
        key = calendar if calendar in self._rows else self.default
        if key not in self._laid_out:
            self._laid_out[key] = self._lay_out(key)
        return self._laid_out[key]

    def _default(self, stated: str | None) -> str | None:
        if stated in self._rows:
            return stated
        marked = [one for one, row in self._rows.items() if row["default"]]
        return next(iter(marked), next(iter(self._rows), None))

    def _chain(self, calendar: str | None) -> list[str]:
        """A calendar and its bases, the farthest base first."""
        found: list[str] = []
        while calendar is not None and calendar not in found:
            found.append(calendar)
            calendar = self._rows[calendar]["base"]
        return found[::-1]

    def _lay_out(self, calendar: str | None) -> WorkCalendar:
        name = self._rows[calendar]["name"] if calendar in self._rows else "8–12, 13–17"
        pattern, weeks, days = self._patterns(calendar)
        opens: list[int] = []
        closes: list[int] = []
        day = self._first
        second = seconds(datetime.combine(day, datetime.min.time()))
        while day <= self._last:
            minutes = days.get(day)
            if minutes is None:
                minutes = weeks.get(day, pattern.get(day.weekday(), []))
            for start, end in zip(minutes[::2], minutes[1::2], strict=False):
                opens.append(second + start * 60)
                closes.append(second + end * 60)
            day += timedelta(days=1)
            second += _DAY_S
        starts, ends = _merged(np.array(opens, np.int64), np.array(closes, np.int64))
        if not len(starts):
            fix = "give the calendar working times, or its tasks another calendar"
            raise ScheduleError("no_work", f"the calendar {name!r} has no working time", field="calendars", fix=fix)
        return WorkCalendar(starts, ends, name)

    def _patterns(
        self, calendar: str | None
    ) -> tuple[dict[int, list[int]], dict[date, list[int]], dict[date, list[int]]]:
        """Minutes by weekday, by day of a work week, and by exception; nearer calendars override their bases."""
        chain = self._chain(calendar)
        pattern: dict[int, list[int]] = {}
        weeks: dict[date, list[int]] = {}
        days: dict[date, list[int]] = {}
        for one in chain:
            for row in self._times[one]:
                if row.first is None or row.last is None:
                    if row.weekday is not None:
                        pattern[row.weekday] = row.minutes
                    continue
                target = days if row.weekday is None else weeks
                day = max(row.first, self._first)
                while day <= min(row.last, self._last):
                    if row.weekday is None or day.weekday() == row.weekday:
                        target[day] = row.minutes
                    day += timedelta(days=1)
        return pattern or dict(_WORK_WEEK), weeks, days


def _merged(opens: Seconds, closes: Seconds) -> tuple[Seconds, Seconds]:
    """Stretches in order, those that touch or overlap made one, empty ones left out."""
    keep = closes > opens
    opens, closes = opens[keep], closes[keep]
    if not len(opens):
        return opens, closes
    order = np.argsort(opens, kind="stable")
    opens, closes = opens[order], np.maximum.accumulate(closes[order])
    fresh = np.concatenate([[True], opens[1:] > closes[:-1]])
    ends = np.concatenate([np.flatnonzero(fresh)[1:] - 1, [len(opens) - 1]])
    return opens[fresh], closes[ends]
