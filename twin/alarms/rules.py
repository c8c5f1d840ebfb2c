"""Which points have which alarms: `alarms.toml` of a site, and what holds where it says nothing.

```toml
[[class]]                             # what an alarm means to a person
name = "comfort"
priority = "low"                      # critical | high | medium | low
consequence = "People in the room tire and complain."
action = "Open the damper; check the air handling unit."
respond_min = 60

[[alarm]]                             # the first rule that matches a point decides each kind of its alarms
points = "*/room-*/co2"               # glob over node/device/metric; or devices = ["room-*"], metrics = ["co2"]; or
point_class = "co2"
high = 1200                           # also high_high, low, low_low; in the point's unit
deadband = 50                         # returns below 1150
on_delay_s = 60                       # must last so long to ring
off_delay_s = 120
class = "comfort"

[[alarm]]
points = "*/press-*/state"
states = ["FAULT", "EMERGENCY"]       # texts that ring
class = "machine"

[[alarm]]
points = "*/gw-radio/*"
stale_periods = 10                    # silent for so many of its periods; or stale_s = 900, also without a period

[[alarm]]
points = "*/lab/*"
off = ["stale", "bad"]                # kinds that do not ring here

[alike]                               # one cause that reaches many alike devices is one alarm
devices = 4                           # from so many on
window_min = 15                       # that follow each other within so many minutes

[[equipment]]                         # what these devices are: their profile brings its alarms, after the rules here
profile = "heat-pump"                 # see aid4 edge profile list
devices = ["hp-*"]
```

Without a rule a point rings at its limits, when its values are bad (unless a gateway computes them: what they are
computed from rings), and when it has been silent for three periods.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from twin.alarms.class_words import OWN_WORDS, ClassWords, Spoken
from twin.alarms.classes import OWN_CLASSES, AlarmClass
from twin.alarms.routes import Route, read_hours
from twin.alarms.states import Definition
from twin.directory import PointView
from twin.scoring_rules import Detectors
from wire.errors import ConfigError

__all__ = [
    "KINDS",
    "LEVELS",
    "AlarmRule",
    "Alike",
    "Equipment",
    "PointAlarm",
    "Rules",
    "alarms_of",
    "meanings",
    "read_rules",
    "rules_from_toml",
]

Kind = Literal["high_high", "high", "low", "low_low", "bad", "stale", "state"]
KINDS: tuple[Kind, ...] = ("high_high", "high", "low", "low_low", "bad", "stale", "state")
LEVELS: tuple[Kind, ...] = ("high_high", "high", "low", "low_low")
_STALE_PERIODS, _STALE_S_MIN = 3.0, 60.0
_OFF_DELAY_S = 5.0  # so that a value that trembles at its limit is one alarm
_BAD_ON_S = 10.0
_COMPUTED = ("derived",)  # a gateway computes them, and they have no value while their condition does not hold
_RULES_MAX = 5_000
_ALIKE_DEVICES, _ALIKE_WINDOW_MIN = 4, 15.0  # of one kind, past one limit: one cause
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}\Z")  # E.164
_Glob = Annotated[str, Meta(min_length=1, max_length=250)]
_Text = Annotated[str, Meta(max_length=500)]
_Delay = Annotated[float, Meta(ge=0, le=86_400)]


class AlarmRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[alarm]] table."""

    points: _Glob = "*"
    devices: Annotated[list[_Glob], Meta(max_length=1_000)] = []  # globs over names of devices
    metrics: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=100)] = []
    point_class: Annotated[str, Meta(max_length=64)] = ""
    high_high: float | None = None
    high: float | None = None
    low: float | None = None
    low_low: float | None = None
    states: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=100)] = []
    stale_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None
    stale_periods: Annotated[float, Meta(ge=1, le=1_000_000)] | None = None  # of points that have a period
    bad: bool = False
    off: list[Kind] = []
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    on_delay_s: _Delay = 0.0
    off_delay_s: _Delay = _OFF_DELAY_S
    class_: str = msgspec.field(default="limit", name="class")
    text: _Text = ""

    def matches(self, view: PointView) -> bool:
        """Whether it speaks of this point."""
        if self.metrics and view.metric not in self.metrics:
            return False
        if self.devices and not any(fnmatchcase(view.device, one) for one in self.devices):
            return False
        return self.point_class in ("", view.point_class) and fnmatchcase(view.key, self.points)

    def has(self, kind: Kind) -> bool:
        """Whether it defines alarms of this kind."""
        match kind:
            case "bad":
                return self.bad
            case "stale":
                return self.stale_s is not None or self.stale_periods is not None
            case "state":
                return bool(self.states)
            case _:
                return getattr(self, kind) is not None


class Equipment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices are of a profile (configs/profiles/devices)."""

    profile: Annotated[str, Meta(min_length=1, max_length=64)]
    devices: Annotated[list[_Glob], Meta(min_length=1, max_length=1_000)]


class Alike(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When one alarm stands for many alike devices."""

    devices: Annotated[int, Meta(ge=2, le=100_000)] = _ALIKE_DEVICES
    window_min: Annotated[float, Meta(gt=0, le=1_440)] = _ALIKE_WINDOW_MIN


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of a site in their order, its classes (ours stand in for those it lacks), and its routes."""

    classes: Annotated[list[AlarmClass], Meta(max_length=1_000)] = msgspec.field(default_factory=list, name="class")
    rules: Annotated[list[AlarmRule], Meta(max_length=_RULES_MAX)] = msgspec.field(default_factory=list, name="alarm")
    routes: Annotated[list[Route], Meta(max_length=200)] = msgspec.field(default_factory=list, name="route")
    equipment: Annotated[list[Equipment], Meta(max_length=1_000)] = []
    alike: Alike = Alike()
    detectors: Detectors = Detectors()  # the budget of anomalies and what is scored: twin/scoring_rules.py

    def class_of(self, name: str) -> AlarmClass:
        """The class of this name."""
        return next((one for one in (*self.classes, *OWN_CLASSES) if one.name == name), OWN_CLASSES[0])


def meanings(rules: Rules, language: Spoken) -> dict[str, str]:
    """What the classes' English texts say in another language; a text without a translation stays English."""
    if language == "en":
        return {}
    found = {}
    for one in (*OWN_CLASSES, *rules.classes):
        own = OWN_WORDS.get(one.name, (ClassWords(), ClassWords()))[language == "zh-TW"]
        said = one.sk if language == "sk" else one.zh_tw
        is_ours = one in OWN_CLASSES
        pairs = ((one.consequence, said.consequence or (own.consequence if is_ours else "")),
                 (one.action, said.action or (own.action if is_ours else "")))  # fmt: skip
        found.update({english: text for english, text in pairs if english and text})
    return found


class PointAlarm(msgspec.Struct, frozen=True):
    """One alarm of one point, as the watch follows it. Times in µs; `limit` NaN where there is none."""

    definition: Definition
    point: int
    kind: Kind
    limit: float
    deadband: float
    on_us: int
    off_us: int
    states: frozenset[str]


def read_rules(path: Path) -> Rules:
    """Read alarms.toml; rules of ours alone when there is no such file. ConfigError names field and fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Rules()
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8: {error}", file=str(path), fix="save it as UTF-8") from error
    return rules_from_toml(text, file=str(path))


def rules_from_toml(text: str, *, file: str) -> Rules:
    """Check the text of an alarms.toml; ConfigError names field and fix."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", file=file, fix="mend the line that it names") from error
    try:
        rules = msgspec.convert(data, type=Rules)
    except msgspec.ValidationError as error:
        detail, _, at = str(error).partition(" - at ")
        field = at.strip("`").removeprefix("$").strip(".")
        raise ConfigError(detail, file=file, field=field, fix="see the sample in twin/alarms/rules.py") from error
    known = {one.name for one in (*rules.classes, *OWN_CLASSES)}
    for number, rule in enumerate(rules.rules):
        if rule.class_ not in known:
            fix = f"define it as [[class]], or use one of {', '.join(sorted(known))}"
            problem = f"no alarm class {rule.class_!r}"
            raise ConfigError(problem, file=file, field=f"alarm[{number}].class", fix=fix)
        levels = [level for level in (rule.low_low, rule.low, rule.high, rule.high_high) if level is not None]
        if levels != sorted(levels):
            fix = "low_low ≤ low ≤ high ≤ high_high"
            raise ConfigError("the levels are not in order", file=file, field=f"alarm[{number}]", fix=fix)
    for number, route in enumerate(rules.routes):
        _check_route(route, file, f"route[{number}]")
    names = [route.name for route in rules.routes]
    if len(set(names)) < len(names):
        raise ConfigError("two routes of one name", file=file, field="route", fix="name each once")
    return rules


def _check_route(route: Route, file: str, field: str) -> None:
    try:
        read_hours(route)
    except ValueError as error:
        raise ConfigError(str(error), file=file, field=f"{field}.hours", fix="write Mon-Fri 07:00-19:00") from error
    if route.kind == "email" and not route.receivers:
        raise ConfigError("an e-mail goes to somebody", file=file, field=f"{field}.to", fix='write to = "duty@…"')
    if route.kind == "sms" and not all(_NUMBER.match(number) for number in route.receivers or [""]):
        fix = 'write to = ["+421900123456"]'
        raise ConfigError("short messages go to numbers", file=file, field=f"{field}.to", fix=fix)
    if route.kind in ("sms", "webhook") and not route.url:
        raise ConfigError(
            f"a route of kind {route.kind} has an address",
            file=file,
            field=f"{field}.url",
            fix='write url = "https://…"',
        )


def alarms_of(views: Iterable[PointView], rules: Rules) -> Iterator[PointAlarm]:
    """Every alarm of every point, by rule and by default."""
    for view in views:
        mine = [rule for rule in rules.rules if rule.matches(view)]
        mine.append(_default(view))
        for kind in KINDS:
            rule = next((rule for rule in mine if rule.has(kind) or kind in rule.off), None)
            if rule is not None and rule.has(kind) and kind not in rule.off and not _may_rest(view, kind, rule):
                yield _alarm(view, kind, rule, rules, by_default=rule is mine[-1])


def _may_rest(view: PointView, kind: Kind, rule: AlarmRule) -> bool:
    """Whether the silence of a point says nothing: it reports by exception, and the rule counts periods."""
    return kind == "stale" and rule.stale_s is None and view.period_s is None


def _default(view: PointView) -> AlarmRule:
    measured = view.kind == "value" and view.point_class not in _COMPUTED
    return AlarmRule(high=view.high, low=view.low, stale_periods=_STALE_PERIODS, bad=measured)


def _alarm(view: PointView, kind: Kind, rule: AlarmRule, rules: Rules, *, by_default: bool) -> PointAlarm:
    level = getattr(rule, kind) if kind in LEVELS else None
    limit = level if level is not None else _patience_s(view, rule) if kind == "stale" else None
    meaning = rules.class_of(_class_name(kind, rule, by_default=by_default))
    definition = Definition(
        key=f"point:{view.key}:{kind}", kind=kind, source="point", priority=meaning.priority,
        group=f"{view.node}/{view.device}", point=view.id, element=view.element or view.space,
        limit=", ".join(rule.states) if kind == "state" else limit, text=rule.text,
        consequence=meaning.consequence, action=meaning.action, respond_min=meaning.respond_min,
    )  # fmt: skip
    on_s = _BAD_ON_S if kind == "bad" and by_default else rule.on_delay_s
    return PointAlarm(
        definition, view.id, kind, float("nan") if limit is None else float(limit), rule.deadband,
        round(on_s * 1e6), round(rule.off_delay_s * 1e6), frozenset(rule.states),
    )  # fmt: skip


def _patience_s(view: PointView, rule: AlarmRule) -> float | None:
    if rule.stale_s is not None or view.period_s is None:
        return rule.stale_s
    return max((rule.stale_periods or _STALE_PERIODS) * view.period_s, _STALE_S_MIN)


def _class_name(kind: Kind, rule: AlarmRule, *, by_default: bool) -> str:
    if not by_default and rule.class_ != "limit":
        return rule.class_
    own = {"bad": "instrument", "stale": "communication", "state": "machine"}
    return own.get(kind, "extreme" if kind in ("high_high", "low_low") else "limit")
