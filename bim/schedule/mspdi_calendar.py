"""Calendars of MSPDI: week days (1 = Sunday), exceptions of old (day type 0) and new (recurring) form, work weeks."""

from collections.abc import Iterator
from datetime import date, timedelta

from bim.schedule.build import Draft
from bim.schedule.errors import ScheduleError
from bim.schedule.rows import Calendar, WorkTime
from bim.schedule.times import minute_of_day, parse_time
from bim.schedule.xml_tree import Node

__all__ = ["read_calendars"]

_NO_BASE = ("", "-1", "0")
_EXCEPTION_DAYS_MAX = 40_000  # a recurring exception over a hundred years
_DAY = timedelta(days=1)
_LAST = 4  # month position "last"


def read_calendars(project: Node, draft: Draft) -> None:
    """Add the calendars of a project and their working times; raises ScheduleError."""
    default = project.text("CalendarUID")
    for node in project.inside("Calendars", "Calendar"):
        one = Calendar(
            id=node.needed("UID"),
            name=node.text("Name"),
            base=None if node.text("BaseCalendarUID") in _NO_BASE else node.text("BaseCalendarUID"),
            default=node.text("UID") == default,
            scope="global" if node.text("IsBaseCalendar") == "1" else "resource",
            line=node.line,
        )
        draft.calendars.append(one)
        for day in node.inside("WeekDays", "WeekDay"):
            draft.work_times.append(_week_day(day, one.id))
        for week in node.inside("WorkWeeks", "WorkWeek"):
            first, last = _stretch(week)
            for day in week.inside("WeekDays", "WeekDay"):
                found = _week_day(day, one.id)
                if found.weekday is not None:
                    found.first, found.last = first, last
                    draft.work_times.append(found)
        for exception in node.inside("Exceptions", "Exception"):
            draft.work_times.extend(_exception(exception, one.id))


def _week_day(day: Node, calendar: str) -> WorkTime:
    number = int(day.number("DayType") or 0)
    if not 0 <= number <= 7:
        raise ScheduleError("value", f"day type {number} is not 0 to 7", line=day.line, field="WeekDay", fix="mend it")
    minutes = _minutes(day) if day.text("DayWorking") == "1" else []
    if number == 0:
        first, last = _stretch(day)
        return WorkTime(calendar=calendar, first=first, last=last, minutes=minutes, line=day.line)
    return WorkTime(calendar=calendar, weekday=(number - 2) % 7, minutes=minutes, line=day.line)


def _minutes(node: Node) -> list[int]:
    pairs = []
    for one in node.inside("WorkingTimes", "WorkingTime"):
        opens = one.parsed("FromTime", minute_of_day)
        closes = one.parsed("ToTime", lambda text: minute_of_day(text, closing=True))
        if opens is not None and closes is not None:
            pairs.append((opens, closes))
    return [minute for pair in sorted(pairs) for minute in pair]


def _stretch(node: Node) -> tuple[date, date]:
    """First and last day of a TimePeriod; raises ScheduleError when it has none."""
    period = node.first("TimePeriod")
    first = None if period is None else period.parsed("FromDate", parse_time)
    last = None if period is None else period.parsed("ToDate", parse_time)
    if first is None or last is None or last < first:
        raise ScheduleError(
            "value", "it has no days, or ends before it starts", line=node.line, field=node.where("TimePeriod"),
            fix="mend the calendar in its tool",
        )  # fmt: skip
    return first.date(), last.date()


def _exception(node: Node, calendar: str) -> Iterator[WorkTime]:
    """One row a stretch; a recurring exception gives one row a day."""
    first, last = _stretch(node)
    minutes = _minutes(node) if node.text("DayWorking") == "1" else []
    kind, every = int(node.number("Type") or 1), max(1, int(node.number("Period") or 1))
    if kind == 1 and every == 1:
        yield WorkTime(
            calendar=calendar, first=first, last=last, minutes=minutes, name=node.text("Name"), line=node.line
        )
        return
    left = int(node.number("Occurrences") or 0) if node.text("EnteredByOccurrences") == "1" else _EXCEPTION_DAYS_MAX
    for number in range(min((last - first).days + 1, _EXCEPTION_DAYS_MAX)):
        day = first + number * _DAY
        if left > 0 and _recurs(node, kind, every, first, day):
            left -= 1
            yield WorkTime(
                calendar=calendar, first=day, last=day, minutes=minutes, name=node.text("Name"), line=node.line
            )


def _recurs(node: Node, kind: int, every: int, first: date, day: date) -> bool:
    """Whether a recurring exception falls on a day. Kinds: 1 daily, 6 weekly, 2 and 3 yearly, 4 and 5 monthly, by
    date and by position (third Tuesday) in turn."""
    months = (day.year - first.year) * 12 + day.month - first.month
    in_month = day.month == int(node.number("Month") or 0) + 1 if kind in (2, 3) else months % every == 0
    if kind == 1:
        return (day - first).days % every == 0
    if kind == 6:
        weeks = ((day - first).days + first.isoweekday() % 7) // 7
        bits = int(node.number("DaysOfWeek") or 0)  # bit 0 = Sunday
        return bool(bits >> (day.isoweekday() % 7) & 1) and weeks % every == 0
    if kind in (2, 4):
        return in_month and day.day == int(node.number("MonthDay") or 0)
    return kind in (3, 5) and in_month and _at_position(node, day)


def _at_position(node: Node, day: date) -> bool:
    """MonthItem 0 = day, 1 = weekday, 2 = weekend day, 3 … 9 = Sunday …; MonthPosition 0 = first … 4 = last."""
    item, position = int(node.number("MonthItem") or 0), int(node.number("MonthPosition") or 0)

    def fits(one: date) -> bool:
        return (
            item == 0
            or (item == 1 and one.weekday() < 5)
            or (item == 2 and one.weekday() >= 5)
            or item - 3 == one.isoweekday() % 7
        )

    if not fits(day):
        return False
    if position == _LAST:
        return not any(fits(day + n * _DAY) for n in range(1, 31) if (day + n * _DAY).month == day.month)
    return sum(fits(day.replace(day=n)) for n in range(1, day.day)) == position
