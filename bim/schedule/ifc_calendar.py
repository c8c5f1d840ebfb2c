"""Calendars of IFC4: IfcWorkCalendar with working and exception times, each a recurrence with time periods."""

from datetime import date
from typing import Any

from bim.schedule.build import Draft
from bim.schedule.errors import ScheduleError
from bim.schedule.rows import Calendar, WorkTime
from bim.schedule.step_instances import Instances, Ref
from bim.schedule.times import minute_of_day, parse_time

__all__ = ["CALENDAR_CLASSES", "read_calendars"]

CALENDAR_CLASSES = {"IFCWORKCALENDAR": 8, "IFCWORKTIME": 6, "IFCRECURRENCEPATTERN": 8, "IFCTIMEPERIOD": 2}
_FIX = "mend the calendar in its tool and export the model again"
_EVERY_DAY = range(1, 8)  # 1 = Monday


def read_calendars(step: Instances, draft: Draft) -> None:
    """Add the model's calendars; recurrences other than daily and weekly become a warning."""
    for number, values in step.of_class("IFCWORKCALENDAR"):
        line = step.lines[number]
        global_id = step.global_ids.get(number) or f"#{number}"
        name = values[2] if isinstance(values[2], str) else ""
        draft.calendars.append(Calendar(id=global_id, name=name, default=not draft.calendars, line=line))
        for place, working in ((6, True), (7, False)):
            for ref in values[place] or () if isinstance(values[place], list) else ():
                time = step.values(ref, "IFCWORKTIME")
                if time is not None:
                    draft.work_times.extend(_times(step, time, global_id, working, line, draft))
        if any(row.calendar == global_id and row.weekday is not None for row in draft.work_times):
            stated = {row.weekday for row in draft.work_times if row.calendar == global_id}
            draft.work_times.extend(
                WorkTime(calendar=global_id, weekday=day, line=line) for day in range(7) if day not in stated
            )


def _times(step: Instances, time: list[Any], calendar: str, working: bool, line: int, draft: Draft) -> list[WorkTime]:
    pattern = step.values(time[3], "IFCRECURRENCEPATTERN")
    minutes = _minutes(step, pattern, line)
    first, last = _day(time[4], line), _day(time[5], line)
    name = time[0] if isinstance(time[0], str) else ""
    if not working:
        if first is None:
            draft.warnings.append(f"line {line}: an exception of the calendar {calendar} names no day and is left out")
            return []
        return [WorkTime(calendar=calendar, first=first, last=last or first, minutes=minutes, name=name, line=line)]
    kind = pattern[0] if pattern is not None else "DAILY"
    if kind not in ("WEEKLY", "DAILY"):
        draft.warnings.append(f"line {line}: {kind} working times of the calendar {calendar} are left out")
        return []
    days = _EVERY_DAY if kind == "DAILY" or pattern is None or not pattern[2] else pattern[2]
    weekdays = [int(day) - 1 for day in days if isinstance(day, int | float) and 1 <= day <= 7]
    stretch = (first, last) if first is not None and last is not None else (None, None)
    return [
        WorkTime(
            calendar=calendar, weekday=day, first=stretch[0], last=stretch[1], minutes=minutes, name=name, line=line
        )
        for day in weekdays
    ]


def _minutes(step: Instances, pattern: list[Any] | None, line: int) -> list[int]:
    periods = pattern[7] if pattern is not None and isinstance(pattern[7], list) else []
    pairs = []
    for ref in periods:
        period = step.values(ref, "IFCTIMEPERIOD") if isinstance(ref, Ref) else None
        if period is None or not isinstance(period[0], str) or not isinstance(period[1], str):
            continue
        try:
            pairs.append((minute_of_day(period[0]), minute_of_day(period[1], closing=True)))
        except ValueError as error:
            raise ScheduleError("value", str(error), line=line, field="IfcTimePeriod", fix=_FIX) from error
    return [minute for pair in sorted(pairs) for minute in pair]


def _day(value: Any, line: int) -> date | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        return parse_time(value).date()
    except ValueError as error:
        raise ScheduleError("value", str(error), line=line, field="IfcWorkTime", fix=_FIX) from error
