"""Texts, numbers and times of reports in English, Slovak and Traditional Chinese."""

import functools
import json
from datetime import date, datetime
from importlib import resources
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

__all__ = ["LANGUAGES", "Language", "Words"]

Language = Literal["en", "sk", "zh-TW"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_DATES: Final = {"en": "{d} {m} {y}", "sk": "{d}. {n}. {y}", "zh-TW": "{y}年{n}月{d}日"}
_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_THIN: Final = "\u202f"  # narrow no-break space


@functools.cache
def _catalogue() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(resources.files("twin.reports").joinpath("words.json").read_text("utf-8"))
    return found


class Words:
    """`words("alarms")` in one language; numbers and times as people there write them."""

    def __init__(self, language: Language, zone: str) -> None:
        self.language, self._zone = language, ZoneInfo(zone)
        self._at = LANGUAGES.index(language)

    def __call__(self, key: str, **values: str | int) -> str:
        """The text of a key with its places filled."""
        return _catalogue()[key][self._at].format(**values)

    def number(self, value: float | None, digits: int = 0) -> str:
        """With grouped thousands; a dash for none."""
        if value is None:
            return "–"
        text = f"{value:,.{digits}f}"
        if self.language == "sk":
            return text.replace(",", _THIN).replace(".", ",")
        return text

    def percent(self, share: float, digits: int = 0) -> str:
        """A share of 1."""
        return f"{self.number(share * 100, digits)}{_THIN if self.language == 'sk' else ''}%"

    def day(self, day: date) -> str:
        """A date."""
        return _DATES[self.language].format(d=day.day, n=day.month, m=_MONTHS[day.month - 1], y=day.year)

    def moment(self, ts_us: int | None) -> str:
        """A moment of the site's clock."""
        if ts_us is None:
            return "–"
        local = datetime.fromtimestamp(ts_us / 1e6, self._zone)
        return f"{self.day(local.date())} {local:%H:%M}"

    def clock(self, ts_us: int) -> str:
        """Hours and minutes of the site's clock."""
        return f"{datetime.fromtimestamp(ts_us / 1e6, self._zone):%H:%M}"

    def duration(self, seconds: float | None) -> str:
        """Seconds, minutes or hours."""
        if seconds is None:
            return "–"
        if seconds < 120:
            return f"{self.number(seconds)} s"
        return f"{self.number(seconds / 60)} min" if seconds < 7_200 else f"{self.number(seconds / 3_600, 1)} h"
