"""What a family of MQTT devices publishes: topic patterns, and where in a payload the values stand."""

import re
from typing import Literal

import msgspec

from edge.sources.columns import PointSpec
from wire.errors import ConfigError

__all__ = ["Metric", "MqttProfile", "TopicMatch", "TopicRule", "compile_pattern", "filter_of", "parse_path"]

Key = str | int

_LEVEL = re.compile(r"\{(device|metric)\}|\+|#$|[^{}+#]+")
_STEP = re.compile(r'"([^"]+)"|\[(\d+)\]|([^.\[\]"]+)')


class Metric(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One value of a payload. In a `generic` rule `path` is a glob, and only describes what is found anyway."""

    path: str = ""
    kind: Literal["auto", "value", "state"] = "auto"  # auto: a number is a reading, anything else a state
    scale: float = 1.0
    offset: float = 0.0
    values: dict[str, float] = msgspec.field(default_factory=dict)  # words that stand for numbers, such as ON = 1
    command: str = ""  # topic that sets it; {device} stands for the device's level
    command_payload: str = "{value}"


class TopicRule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One kind of topic. `{device}` and `{metric}` stand for one level each, `+` for any, a last `#` for the rest."""

    pattern: str
    payload: Literal["json", "generic", "text", "availability"] = "json"
    device: str = ""  # where no level names it
    device_path: str = ""  # or the payload names it
    metric_path: str = ""
    time: str = ""  # path of the reading's time; without one, the time of arrival
    time_zone: str = "UTC"  # of texts without an offset
    strip: str = ""  # what to leave out at the front of found paths, e.g. "params."
    texts: bool = False  # generic: keep texts as states
    ignore: tuple[str, ...] = ()  # generic: globs of paths
    metrics: tuple[Metric, ...] = ()
    offline: tuple[str, ...] = ("offline", "Offline", "false", "0")  # availability: words of a dead device


class MqttProfile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A profile file; the first topic rule that matches wins."""

    topic: tuple[TopicRule, ...]
    title: str = ""


class TopicMatch(msgspec.Struct, frozen=True):
    """What a topic's levels name."""

    device: str
    metric: str


def filter_of(pattern: str) -> str:
    """The MQTT filter of a pattern."""
    return re.sub(r"\{(device|metric)\}", "+", pattern)


def compile_pattern(rule: TopicRule) -> re.Pattern[str]:
    """The pattern as a regular expression with the groups device, metric and rest, ConfigError when it is none."""
    parts = list(_LEVEL.finditer(rule.pattern))
    whole = "".join(part.group() for part in parts)
    if not rule.pattern or whole != rule.pattern or max(whole.count("{device}"), whole.count("{metric}")) > 1:
        fix = 'write levels such as "shellies/{device}/status/{metric}", "+", and "#" only at the end'
        raise ConfigError(f"{rule.pattern!r} is no topic pattern", field="pattern", fix=fix)
    text = ""
    for part in parts:
        match part.group():
            case "+":
                text += "[^/]+"
            case "#":
                text += "(?P<rest>.*)"
            case "{device}" | "{metric}" as name:
                text += f"(?P<{name[1:-1]}>[^/]+)"
            case literal:
                text += re.escape(literal)
    return re.compile(text)


def parse_path(path: str) -> tuple[Key, ...]:
    """`a.b[0]."c.d"` as its steps. ConfigError when it is none."""
    steps: list[Key] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ConfigError(f"{path!r} is no path", field="path", fix='write steps such as ENERGY.Power or "a.b"[0]')
        quoted, index, plain = found.groups()
        steps.append(int(index) if index is not None else quoted or plain)
        at = found.end()
        at += at < len(path) and path[at] == "."
    return tuple(steps)
