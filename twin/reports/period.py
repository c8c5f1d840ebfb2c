"""A day of the site's clock, 23 to 25 hours long, and its hours."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["Period", "day_of", "today"]

_HOUR_US = 3_600_000_000


class Period(NamedTuple):
    """From midnight to midnight, but not beyond now."""

    day: date
    start_us: int
    end_us: int

    @property
    def hours_us(self) -> list[int]:
        """When each hour of it begins, and its end."""
        return [*range(self.start_us, self.end_us, _HOUR_US), self.end_us]


def day_of(day: date, zone: str, now_us: int) -> Period:
    """A day; one that is not over yet ends now."""
    start, end = (_midnight_us(one, zone) for one in (day, day + timedelta(days=1)))
    return Period(day, start, max(start + 1, min(end, now_us)))


def today(zone: str, now_us: int) -> date:
    """The date at the site."""
    return datetime.fromtimestamp(now_us / 1e6, ZoneInfo(zone)).date()


def _midnight_us(day: date, zone: str) -> int:
    return round(datetime.combine(day, time(), ZoneInfo(zone)).timestamp() * 1e6)
