"""The table of causes (`rules.toml`), read once and checked against the tables of roles."""

import functools
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inference.diagnosis.roles import families, roles
from wire.errors import ConfigError
from wire.point_classes import POINT_CLASSES

__all__ = ["Generic", "Rule", "Rules", "Sign", "load_rules"]

_FILE = Path(__file__).with_name("rules.toml")
Way = Literal["high", "low", "stuck", "gap", "spike", "noisy", "clock", "replay", "any", ""]
_Share = Annotated[float, Meta(gt=0.0, lt=1.0)]
_Prior = Annotated[float, Meta(gt=0.0, le=10.0)]


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one role shows when this is the cause, with probability `p`."""

    role: str
    ways: tuple[Way, ...] = msgspec.field(name="is")
    p: _Share
    at: Literal["self", "up", "down", "peers"] = "self"
    must: bool = False


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cause of some kinds of machines."""

    name: str
    on: tuple[str, ...]
    signs: tuple[Sign, ...]
    prior: _Prior = 1.0
    sudden: _Prior = 1.0  # how much likelier what came from one moment to the next makes it


class Generic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cause of any machine: the same way over one point, or over all points of a line."""

    name: str
    over: Literal["point", "device", "gateway", "fed", "asset"]
    ways: tuple[Way, ...] = msgspec.field(name="is")
    p: _Share
    prior: _Prior
    sudden: _Prior = 1.0
    seldom_of: tuple[str, ...] = ()  # roles of which it is all but never true
    alone: _Prior = 1.0  # over a point: how much likelier each other point of the machine that does the same makes it


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    in_loop: tuple[str, ...]  # relations of a quantity that is controlled by its own sensor
    relations: tuple[str, ...]  # the names of those in runtime/relations/relations.toml, which are roles here
    cause: tuple[Rule, ...]
    generic: tuple[Generic, ...]

    def of(self, family: str) -> list[Rule]:
        """The causes of one kind of machine."""
        return [rule for rule in self.cause if family in rule.on]


@functools.cache
def load_rules(file: Path = _FILE) -> Rules:
    """Read and check the table; ConfigError names the cause that is wrong."""
    try:
        found = msgspec.toml.decode(file.read_bytes(), type=Rules)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(str(error), file=str(file), fix="see the head of inference/diagnosis/rules.toml") from error
    known = roles() | set(POINT_CLASSES) | set(found.relations)
    for rule in found.cause:
        for where, names, allowed in (
            ("on", rule.on, families()),
            ("role", tuple(s.role for s in rule.signs), known),
        ):
            strange = [name for name in names if name not in allowed]
            if strange:
                raise ConfigError(
                    f"{strange[0]!r} is not known", file=str(file), field=f"{rule.name}.{where}", fix="see roles.toml"
                )
    return found
