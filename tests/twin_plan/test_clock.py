"""The site's wall clock against zoneinfo, hour by hour."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bim.schedule.timeline import NEVER
from twin.plan_clock import SiteClock, texts_of

_EPOCH = datetime(1970, 1, 1)


@pytest.mark.parametrize(
    "zone", ["Europe/Bratislava", "Asia/Taipei", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
)
def test_every_half_hour_of_two_years_is_what_zoneinfo_says(zone: str) -> None:
    """2011 is the year in which Apia skipped a day; Lord Howe moves its clocks by half an hour."""
    locals_ = [datetime(2011, 1, 1) + timedelta(minutes=30 * step) for step in range(2 * 365 * 48)]
    expected = [int(one.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp()) for one in locals_]
    found = SiteClock(zone).to_utc(np.array([(one - _EPOCH) // timedelta(seconds=1) for one in locals_], np.int64))
    assert found.tolist() == expected


def test_what_never_comes_stays_so_and_moments_come_back_as_the_clock_shows_them() -> None:
    clock = SiteClock("Europe/Bratislava")
    assert clock.to_utc(np.array([NEVER]))[0] == NEVER
    assert texts_of(np.array([NEVER, 0])) == [None, "1970-01-01T00:00:00Z"]
    assert clock.local(1_782_000_000_000_000) == datetime(2026, 6, 21, 2, 0)
    assert clock.iso(datetime(2026, 12, 24, 18, 0)) == "2026-12-24T17:00:00Z"
    assert clock.iso(None) is None
