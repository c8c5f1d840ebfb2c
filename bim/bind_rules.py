"""The [[bind]] tables of a site: which points belong to which space or element.

[[bind]]                            # all points of one machine stand in one room
points = "*/okuma/*"                # globs over node/device/metric; a list of them is fine too
space = "118 MECH RM"               # number, name, both, or GlobalId

[[bind]]                            # one point measures one element
points = "*/ahu/supply_air_temperature"
element = "3If4otxpvBjO9DSa$bK$$x"  # GlobalId, name or tag

[[bind]]                            # {node}, {device} and {metric} stand for the point's own
points = "*/meter-*/*"
element = "{device}"

[[bind]]
points = "gateway-2/*"
rule = "space_named_like_device"    # device room-118 belongs to the space 118
"""

import re
from fnmatch import translate
from pathlib import Path
from typing import Any

import msgspec

from wire.errors import ConfigError

__all__ = ["RULE_NAMES", "BindRule", "matcher", "read_rules"]

RULE_NAMES = (
    "element_named_like_device",
    "element_tagged_like_device",
    "space_named_like_device",
    "none",  # leave these points unbound on purpose
)


_PARTS = ("node", "device", "metric")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class BindRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[bind]] table; a space, an element, an element with its space, or a rule."""

    points: str | list[str]
    space: str = ""
    element: str = ""
    rule: str = ""

    @property
    def globs(self) -> list[str]:
        """The patterns over `node/device/metric`."""
        return [self.points] if isinstance(self.points, str) else self.points

    @property
    def is_template(self) -> bool:
        """Whether the target depends on the point."""
        return "{" in self.space or "{" in self.element


def read_rules(tables: list[dict[str, Any]], file: str | Path) -> list[BindRule]:
    """[[bind]] tables of a site file as rules; raises ConfigError naming file, field and fix."""
    return [_read_rule(table, f"bind[{index}]", str(file)) for index, table in enumerate(tables)]


def matcher(rule: BindRule) -> re.Pattern[str]:
    """One pattern that matches the keys of the rule's points."""
    return re.compile("|".join(translate(glob) for glob in rule.globs))


def _read_rule(table: dict[str, Any], field: str, file: str) -> BindRule:
    try:
        rule = msgspec.convert(table, BindRule)
    except msgspec.ValidationError as error:
        fix = "a [[bind]] table has `points`, and `space`, `element` or `rule`"
        raise ConfigError(str(error), file=file, field=field, fix=fix) from error
    if bool(rule.space or rule.element) == bool(rule.rule):
        problem = "it has a rule and a target" if rule.rule else "it has no target"
        raise ConfigError(problem, file=file, field=field, fix="give `space`, `element`, both of these, or `rule`")
    for name in _PLACEHOLDER.findall(f"{rule.space} {rule.element}"):
        if name not in _PARTS:
            raise ConfigError(f"unknown placeholder {{{name}}}", file=file, field=field, fix=f"use one of {_PARTS}")
    if not all(rule.globs) or not rule.globs:
        fix = 'write a pattern over node/device/metric, for example "*/okuma/*"'
        raise ConfigError("it names no points", file=file, field=f"{field}.points", fix=fix)
    if rule.rule and rule.rule not in RULE_NAMES:
        problem = f"there is no rule {rule.rule!r}"
        raise ConfigError(problem, file=file, field=f"{field}.rule", fix=f"use one of {', '.join(RULE_NAMES)}")
    return rule
