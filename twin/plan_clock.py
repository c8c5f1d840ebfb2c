"""The site's wall clock, in which schedules are written, to UTC and back; by the column. Daylight saving included.

A wall-clock time that comes twice (the hour in autumn) is the first of the two; one that never comes (the hour in
spring) is as long after the change as the clocks would have shown.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bim.schedule.timeline import NEVER, Timeline
from bim.schedule.work_calendar import Seconds

__all__ = ["SiteClock", "texts_of"]

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = (datetime(year, month, day, tzinfo=UTC) for year, month, day in ((1, 1, 3), (9999, 12, 29)))


class SiteClock:
    """Of one IANA zone. Seconds since 1970, local (wall clock) or UTC; NEVER stays NEVER."""

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone
        self._zone = ZoneInfo(time_zone)

    def to_utc(self, local: Seconds) -> Seconds:
        """UTC of wall-clock seconds: the offset of each day is looked up once, only days of change by the second."""
        utc = local.copy()
        known = np.flatnonzero(local < NEVER)
        days, of_day = np.unique(local[known] // _DAY_S, return_inverse=True)
        first = np.array([self._offset_s(int(day) * _DAY_S) for day in days], np.int64)
        last = np.array([self._offset_s(int(day) * _DAY_S + _DAY_S - 1) for day in days], np.int64)
        utc[known] -= first[of_day]
        for place in known[(first != last)[of_day]].tolist():
            utc[place] = int(local[place]) - self._offset_s(int(local[place]))
        return utc

    def line(self, local: Timeline) -> Timeline:
        """The same dates in UTC seconds."""
        return Timeline(self.to_utc(local.start), self.to_utc(local.finish), local.known)

    def local(self, at_us: int) -> datetime:
        """What the site's clock shows at a moment, to the second; the ends of time are a day earlier."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_us // 1_000_000)
        moment = min(max(moment, _FIRST), _LAST)
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def iso(self, local: datetime | None) -> str | None:
        """One wall-clock time as ISO 8601 UTC."""
        if local is None:
            return None
        return texts_of(self.to_utc(np.array([(local - _EPOCH) // timedelta(seconds=1)], np.int64)))[0]

    def _offset_s(self, local_s: int) -> int:
        offset = (_EPOCH + timedelta(seconds=local_s)).replace(tzinfo=self._zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())


def texts_of(utc: NDArray[np.int64]) -> list[str | None]:
    """ISO 8601 with Z of UTC seconds; None for NEVER."""
    texts = np.datetime_as_string(np.where(utc < NEVER, utc, 0).astype("M8[s]"), unit="s").tolist()
    return [f"{text}Z" if known else None for text, known in zip(texts, (utc < NEVER).tolist(), strict=True)]
