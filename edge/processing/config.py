"""The tables of edge processing in an agent's configuration.

```toml
[[process]]                              # the first that fits a point counts
points = ["meter-*/power*"]              # device/metric, with * and ?
deadband = 50.0                          # left out: what differs by no more from the last one kept
keep_s = 300.0                           # but one is kept after so long
# every_s = 60.0                         # or one reading a minute:
# how = "mean"                           #   the last, the mean, or the lowest and the highest of the minute
# scale = 0.001                          # value * scale + offset, in the new unit
# unit = "kW"

[[derived]]                              # a point of its own, from others of this gateway; see wire/expressions.py
device = "ahu-1"
metric = "filter_resistance"
unit = "Pa.s2/m6"
expression = "filter_pressure / supply_air_flow ** 2"
when = "supply_air_flow > 500"

[[rule]]                                 # acts here, whether or not the twin hears
name = "frost"
when = "\"ahu-1/supply_temperature\" < 4"
until = "\"ahu-1/supply_temperature\" > 8"   # default: when `when` is false
for_s = 10.0
message = "Frost in air handler 1"
severity = 3                             # 0 info, 1 notice, 2 warning, 3 critical
write = [{ point = "ahu-1/fan_speed", value = 0 }]
restore = [{ point = "ahu-1/fan_speed", value = 60 }]

[[interlock]]                            # commands from anywhere are refused meanwhile
points = ["ahu-1/fan_speed"]
refuse_when = "\"ahu-1/supply_temperature\" < 4"
why = "Frost: the fan stays off"
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from wire.errors import ConfigError, UserError
from wire.limits import NAME_CHARS_MAX
from wire.names import check_name

if TYPE_CHECKING:
    from wire.expressions import Expression, Formula

__all__ = ["DerivedRow", "InterlockRow", "ProcessRow", "ProcessingConfig", "RuleRow", "WriteRow"]

ROWS_MAX = 1_000
CHARS_MAX = 500  # of a formula, as wire.expressions has it, which brings numpy with it
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Text = Annotated[str, Meta(min_length=1, max_length=CHARS_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Patterns = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=ROWS_MAX)]


class ProcessRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One `[[process]]`: what happens to readings of the points that fit."""

    points: Patterns
    deadband: Annotated[float, Meta(ge=0)] | None = None
    keep_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    every_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    how: Literal["last", "mean", "extremes"] = "last"
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None

    @property
    def thins(self) -> bool:
        """Whether it leaves readings out."""
        return self.deadband is not None or self.every_s is not None


class DerivedRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One `[[derived]]`: names without a slash are metrics of its own device."""

    device: Name
    metric: Name
    expression: Text
    when: Annotated[str, Meta(max_length=CHARS_MAX)] = ""
    unit: str = "1"
    label: str = ""
    brick: Annotated[str, Meta(pattern=r"^([A-Z][A-Za-z0-9._]{1,99})?$")] = ""  # class of Brick
    space: Annotated[str, Meta(max_length=200)] = ""  # where the device is, for one that no model has

    def formula(self) -> Formula:
        """What it computes; ConfigError names the field."""
        from wire.expressions import Formula, parse

        when = parse(self.when, field=f"derived.{self.metric}.when") if self.when else None
        return Formula(parse(self.expression, field=f"derived.{self.metric}.expression"), when)


class WriteRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A value for a point of this gateway."""

    point: Annotated[str, Meta(min_length=3, max_length=200)]
    value: float | str | bool


class RuleRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One `[[rule]]`: a condition that holds for a while is told as an event, and may write."""

    name: Name
    when: Text
    until: Annotated[str, Meta(max_length=CHARS_MAX)] = ""
    for_s: Seconds = 0.0
    message: Annotated[str, Meta(max_length=500)] = ""
    severity: Annotated[int, Meta(ge=0, le=3)] = 2
    write: Annotated[list[WriteRow], Meta(max_length=64)] = []
    restore: Annotated[list[WriteRow], Meta(max_length=64)] = []

    def conditions(self) -> tuple[Expression, Expression | None]:
        """When it begins, and when it ends if that is not the opposite."""
        from wire.expressions import parse

        field = f"rule.{self.name}"
        until = parse(self.until, field=f"{field}.until") if self.until else None
        return parse(self.when, field=f"{field}.when"), until


class InterlockRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One `[[interlock]]`: no command reaches the points while the condition holds, or is not known."""

    points: Patterns
    refuse_when: Text
    why: Annotated[str, Meta(max_length=200)] = ""

    def condition(self) -> Expression:
        """When commands are refused."""
        from wire.expressions import parse

        return parse(self.refuse_when, field="interlock.refuse_when")


class ProcessingConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All of them."""

    process: Annotated[list[ProcessRow], Meta(max_length=ROWS_MAX)] = []
    derived: Annotated[list[DerivedRow], Meta(max_length=ROWS_MAX)] = []
    rule: Annotated[list[RuleRow], Meta(max_length=ROWS_MAX)] = []
    interlock: Annotated[list[InterlockRow], Meta(max_length=ROWS_MAX)] = []

    def problems(self) -> Iterator[ConfigError]:
        """What is wrong beyond the types of fields."""
        for row in self.process:
            if row.deadband is not None and row.every_s is not None:
                fix = "give deadband, or every_s"
                yield ConfigError("thins in two ways", field=f"process {row.points[0]}", fix=fix)
            if not row.scale:
                yield ConfigError("would make every value one", field=f"process {row.points[0]}.scale", fix="not 0")
        formulas: list[DerivedRow | RuleRow | InterlockRow] = [*self.derived, *self.rule, *self.interlock]
        for formula in formulas:
            yield from _unreadable(formula)
        names = [rule.name for rule in self.rule]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield ConfigError(f"two rules are called {name!r}", field="rule.name", fix="give each a name of its own")


def _unreadable(row: DerivedRow | RuleRow | InterlockRow) -> Iterator[ConfigError]:
    try:
        if isinstance(row, DerivedRow):
            check_name("derived.device", row.device)
            check_name("derived.metric", row.metric)
            row.formula()
        elif isinstance(row, RuleRow):
            check_name("rule.name", row.name)
            row.conditions()
        else:
            row.condition()
    except UserError as error:
        yield ConfigError(error.problem, field=error.field, fix=error.fix)
