"""Who is told of which alarm, when, and how: [[route]] tables of alarms.toml.

```toml
[[route]]
name = "duty"
kind = "email"                        # email | sms | webhook
to = "duty@park.example"              # several: a list
server = "smtp://127.0.0.1:25"        # smtp, smtps, or smtp+starttls; user and password file where it needs them
sender = "aid4@park.example"
priorities = ["critical", "high"]     # which alarms
points = "*/ahu-*/*"                  # and of which points; without it all
after_s = 0                           # escalation: told when nobody has acknowledged for so long
hours = "Mon-Fri 07:00-19:00"         # on call, in the site's time zone; without it always
language = "sk"                       # en (without it), sk or zh-TW: what people are told in

[[route]]
name = "night"
kind = "sms"                          # an SMS gateway: one POST a number
to = ["+421900123456"]
url = "https://sms.park.example/send"
headers = { authorization = "Bearer …" }
body = '{"phone": "{to}", "message": "{text}"}'   # {to}, {text}, {title}; without it {"to": …, "text": …}

[[route]]
name = "chat"
kind = "webhook"                      # anything else: one POST of JSON
url = "http://127.0.0.1:9000/send"
body = '{"text": "{text}"}'           # {text} and {title}; without it our own JSON document
```
"""

import re
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from twin.alarms.class_words import Spoken
from twin.alarms.states import Alarm

__all__ = ["OnCall", "Route", "read_hours"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(?:(\w{3})(?:-(\w{3}))?\s+)?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})\Z")
_Line = Annotated[str, Meta(pattern=r"^[^\r\n\x00]{1,500}$")]


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One [[route]] table."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,64}$")]
    kind: Literal["email", "sms", "webhook"]
    to: _Line | Annotated[list[_Line], Meta(min_length=1, max_length=50)] = []
    server: Annotated[str, Meta(pattern=r"^smtp(s|\+starttls)?://[^/\s]+$")] = "smtp://127.0.0.1:25"
    sender: _Line = "aid4@localhost"
    user: str = ""
    password_file: str = ""
    url: Annotated[str, Meta(pattern=r"^https?://\S+$")] = ""
    headers: dict[_Line, _Line] = {}
    body: Annotated[str, Meta(max_length=10_000)] = ""
    priorities: tuple[Literal["critical", "high", "medium", "low"], ...] = ("critical", "high")
    points: Annotated[str, Meta(max_length=250)] = ""
    after_s: Annotated[float, Meta(ge=0, le=604_800)] = 0.0
    language: Spoken = "en"
    hours: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=20)] | str = ""

    @property
    def receivers(self) -> list[str]:
        """The addresses."""
        return [self.to] if isinstance(self.to, str) else self.to

    def wants(self, alarm: Alarm, point_key: str) -> bool:
        """Whether it is told of this alarm at all."""
        definition = alarm.definition
        return definition.priority in self.priorities and (
            not self.points or (definition.point is not None and fnmatchcase(point_key, self.points))
        )


class OnCall(msgspec.Struct, frozen=True):
    """Days (0 is Monday) and minutes of the day in which somebody is on call; over midnight when end ≤ start."""

    days: frozenset[int]
    start: int
    end: int

    def covers(self, moment: datetime) -> bool:
        """Whether a moment of the site's wall clock lies in it; a night belongs to the day on which it began."""
        minute, day = moment.hour * 60 + moment.minute, moment.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return day in self.days
        return minute < self.end and (day - 1) % 7 in self.days


def read_hours(route: Route) -> list[OnCall]:
    """The hours of a route, empty for always; ValueError tells what is not understood."""
    texts = [route.hours] if isinstance(route.hours, str) else route.hours
    return [_read(text) for text in texts if text.strip()]


def is_on_call(hours: list[OnCall], now_us: int, zone: str) -> bool:
    """Whether anybody is, at this moment at the site."""
    moment = datetime.fromtimestamp(now_us / 1e6, ZoneInfo(zone))
    return not hours or any(one.covers(moment) for one in hours)


def _read(text: str) -> OnCall:
    found = _HOURS.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not like 'Mon-Fri 07:00-19:00'")
    first_day, last_day, *clock = found.groups()
    days = frozenset(range(7))
    if first_day:
        first, last = _day(first_day), _day(last_day or first_day)
        days = frozenset(day % 7 for day in range(first, last + 1 + (7 if last < first else 0)))
    hours_a, minutes_a, hours_b, minutes_b = map(int, clock)
    if hours_a > 24 or hours_b > 24 or minutes_a > 59 or minutes_b > 59:
        raise ValueError(f"{text!r} has no such time of day")
    return OnCall(days, hours_a * 60 + minutes_a, hours_b * 60 + minutes_b)


def _day(word: str) -> int:
    if word.lower() not in _DAYS:
        raise ValueError(f"{word!r} is none of {', '.join(_DAYS)}")
    return _DAYS.index(word.lower())
