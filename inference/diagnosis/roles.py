"""What a point is for its machine, and what kind of machine an asset is: `roles.toml`, looked up."""

import functools
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

__all__ = ["families", "family_of", "role_of", "roles", "words_of"]

_FILE = Path(__file__).with_name("roles.toml")
_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `role`."""

    name: str
    words: tuple[str, ...]
    classes: tuple[str, ...] = msgspec.field(default=(), name="class")
    without: tuple[str, ...] = msgspec.field(default=(), name="not")


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `family`."""

    name: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    roles: tuple[str, ...]


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: tuple[Role, ...]
    family: tuple[Family, ...]


@functools.cache
def _tables() -> _Tables:
    return msgspec.toml.decode(_FILE.read_bytes(), type=_Tables)


def roles() -> set[str]:
    """All roles of the table."""
    return {row.name for row in _tables().role}


def families() -> set[str]:
    """All kinds of machines of the table."""
    return {row.name for row in _tables().family}


def words_of(text: str) -> set[str]:
    """Its words in lower case; `supplyAirTemp`, `supply_air_temp` and `Supply Air Temp` have the same."""
    return set(_WORD.findall(_CAMEL.sub(" ", text).lower()))


@functools.lru_cache(maxsize=65_536)
def role_of(metric: str, point_class: str = "", brick: str = "") -> str:
    """The role of a point; its point class where no row fits, "" where it has none."""
    own, wide = words_of(metric), words_of(f"{metric} {brick}")
    for words in (own, wide):
        for row in _tables().role:
            if row.classes and point_class not in row.classes:
                continue
            if words & set(row.without) or not all(words & set(alternatives.split("|")) for alternatives in row.words):
                continue
            return row.name
    return point_class


def family_of(types: Iterable[str], name: str, of_points: Collection[str]) -> str:
    """The kind of machine by its classes (`IfcFan` or `IfcFan.VANEAXIAL`), its name, or its points' roles; "" if none.

    A class of the table that says more (`IfcTransformer.INVERTER`) wins over one that says less."""
    given = {kind for one in types if one for kind in (one, one.partition(".")[0])}
    stated = [(len(kind), row.name) for row in _tables().family for kind in row.types if kind in given]
    if stated:
        return max(stated)[1]
    words = words_of(name)
    by_name = next((row.name for row in _tables().family if words & set(row.names)), "")
    by_points = next((row.name for row in _tables().family if row.roles and set(row.roles) <= set(of_points)), "")
    return by_name or by_points
