"""Dates, times of day and durations as planning tools write them. All raise ValueError with what is wrong.

A time has no zone: it is the site's wall clock. One that carries an offset keeps its wall clock.
"""

import re
from datetime import date, datetime, time, timedelta

__all__ = [
    "DAY_MINUTES",
    "duration_hours",
    "end_of_day",
    "minute_of_day",
    "parse_at",
    "parse_finish",
    "parse_time",
    "serial_date",
]

DAY_MINUTES = 1440
_YEARS = range(1900, 2200)  # outside is a slip of the keyboard, or a tool's "no date"
_SERIAL_ZERO = date(1899, 12, 30)  # day 0 of spreadsheets and of P6 calendars
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?"
)
_DAY_FIRST = re.compile(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_DURATION = re.compile(
    r"(-?)P(?:([\d.]+)Y)?(?:([\d.]+)M)?(?:([\d.]+)W)?(?:([\d.]+)D)?"
    r"(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?"
)


def parse_time(text: str) -> datetime:
    """`2015-02-18T08:00:00`, `2015-02-18 08:00`, `2015-02-18`, `18-2-2015` (day first); seconds are the finest."""
    text = text.strip()
    found = _TIME.fullmatch(text)
    if found:
        year, month, day, *clock = found.groups()
    else:
        found = _DAY_FIRST.fullmatch(text)
        if not found:
            raise ValueError(f"{text[:40]!r} is not a date")
        day, month, year, *clock = found.groups()
    if int(year) not in _YEARS:
        raise ValueError(f"the year of {text[:40]!r} is not between 1900 and 2199")
    hour, minute, second = (int(part or 0) for part in clock)
    whole_day = timedelta(days=1 if (hour, minute, second) == (24, 0, 0) else 0)
    try:
        return datetime(int(year), int(month), int(day), hour % 24 if whole_day else hour, minute, second) + whole_day
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a date: {error}") from error


def end_of_day(moment: datetime) -> datetime:
    """The last second of its day."""
    return datetime.combine(moment.date(), time(23, 59, 59))


def parse_finish(text: str) -> datetime:
    """As parse_time; a date alone is its last second, since the day itself is still worked."""
    return end_of_day(parse_time(text)) if ":" not in text else parse_time(text)


def parse_at(text: str) -> datetime:
    """The moment that a person asks about; a date alone asks for the close of that day."""
    return parse_finish(text)


def minute_of_day(text: str, *, closing: bool = False) -> int:
    """`08:00`, `08:00:00`, `17:30:00.000`; as a closing time midnight is 1440, and 23:59:59 is too."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", text.strip())
    if not found:
        raise ValueError(f"{text[:40]!r} is not a time of day")
    hour, minute, second = (int(part or 0) for part in found.groups())
    minutes = hour * 60 + minute + (1 if second >= 30 else 0)
    if hour > 24 or minute > 59 or second > 59 or minutes > DAY_MINUTES:
        raise ValueError(f"{text[:40]!r} is not a time of day")
    return DAY_MINUTES if closing and minutes == 0 else minutes


def duration_hours(text: str) -> float:
    """Hours of an ISO 8601 duration; a day is 24 hours, as tools write work time too (P1DT16H = 40 h)."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not any(found.groups()[1:]):
        raise ValueError(f"{text[:40]!r} is not a duration")
    try:
        years, months, weeks, days, hours, minutes, seconds = (float(part or 0) for part in found.groups()[1:])
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a duration") from error
    if years or months:
        raise ValueError(f"{text[:40]!r} has years or months, which have no fixed length in hours")
    total = weeks * 168 + days * 24 + hours + minutes / 60 + seconds / 3600
    return -total if found[1] else total


def serial_date(text: str) -> date:
    """The date of a spreadsheet's day number, which P6 calendars use."""
    days = int(text)
    if not 1 <= days <= 109_938:  # 1900 … 2200
        raise ValueError(f"{days} is not a day number between 1900 and 2200")
    return _SERIAL_ZERO + timedelta(days=days)
