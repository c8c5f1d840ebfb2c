"""Working days of a plan and the dates of its tasks: pure, in whole days, so that every date can be checked by hand.

A task takes whole working days. FS: it starts on the day after its predecessor's last (plus lag), SS: on the
predecessor's first day plus lag, FF: it ends on the predecessor's last day plus lag. A milestone takes no day: it falls
on the close of its latest predecessor's last day.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

__all__ = ["Link", "Span", "WorkDays", "easter", "floats", "schedule"]


class Link(NamedTuple):
    """A task waits for another one."""

    before: str
    type: str  # FS, SS or FF
    lag_days: int


class Span(NamedTuple):
    """First and last working day of a task by number; of a milestone both are the day at whose close it falls."""

    first: int
    last: int


class WorkDays:
    """The working days from a Monday on, numbered from 0."""

    def __init__(self, start: date, count: int, holidays: Iterable[date]) -> None:
        free, day = set(holidays), start
        days: list[date] = []
        while len(days) < count:
            if day.weekday() < 5 and day not in free:
                days.append(day)
            day += timedelta(days=1)
        self._days = days

    def day(self, number: int) -> date:
        """The date of a working day; days before the first count back over weekdays."""
        return self._days[number] if number >= 0 else self._days[0] + timedelta(days=number)

    def number(self, day: date) -> int:
        """The first working day on or after a date."""
        return bisect_left(self._days, day)


def easter(year: int) -> date:
    """Easter Sunday (Gauss, as corrected by Lichtenberg)."""
    a, k = year % 19, year // 100
    m = (15 + (3 * k + 3) // 4 - (8 * k + 13) // 25) % 30
    s = 2 - (3 * k + 3) // 4
    d = (19 * a + m) % 30
    r = (d + a // 11) // 29
    full = 21 + d - r
    week = 7 - (year + year // 4 + s) % 7
    return date(year, 3, 1) + timedelta(days=full + (7 - (full - week) % 7) - 1)


def schedule(days: Mapping[str, int], links: Mapping[str, Sequence[Link]], late: Mapping[str, int]) -> dict[str, Span]:
    """The earliest spans; `days` are durations in an order in which every task comes after what it waits for, `late`
    says by how many days a task starts later than it could."""
    spans: dict[str, Span] = {}
    for task, length in days.items():
        first = 0
        for link in links.get(task, ()):
            before = spans[link.before]
            gone = days[link.before] == 0
            match link.type:
                case "SS":
                    bound = before.first + link.lag_days
                case "FF":
                    bound = before.last + link.lag_days - max(length - 1, 0)
                case _:
                    bound = before.last + 1 + link.lag_days
            if length == 0 and link.type != "SS":
                bound = before.last + link.lag_days
            elif gone and link.type == "FS":
                bound = before.last + 1 + link.lag_days
            first = max(first, bound)
        first += late.get(task, 0)
        spans[task] = Span(first, first + max(length - 1, 0))
    return spans


def floats(days: Mapping[str, int], links: Mapping[str, Sequence[Link]], spans: Mapping[str, Span]) -> dict[str, int]:
    """Days by which each task may slip without moving the end of the plan."""
    end = max(span.last for span in spans.values())
    latest = dict.fromkeys(days, end)
    for task in reversed(list(days)):
        own_first = latest[task] - max(days[task] - 1, 0)
        for link in links.get(task, ()):
            length = max(days[link.before] - 1, 0)
            match link.type:
                case "SS":
                    bound = own_first - link.lag_days + length
                case "FF":
                    bound = latest[task] - link.lag_days
                case _:
                    bound = (latest[task] if days[task] == 0 else own_first - 1) - link.lag_days
            latest[link.before] = min(latest[link.before], bound)
    return {task: latest[task] - spans[task].last for task in days}
