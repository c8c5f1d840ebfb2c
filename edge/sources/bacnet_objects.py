"""From what a BACnet device says of its objects to points, and from a present value to a reading."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from edge.sources.bacnet_values import (
    ACTIVE_TEXT,
    DESCRIPTION,
    INACTIVE_TEXT,
    MAX_VALUE,
    MIN_VALUE,
    OBJECT_NAME,
    PRESENT_VALUE,
    PRIORITY_ARRAY,
    STATE_TEXT,
    STATUS_FLAGS,
    TYPES,
    UNITS,
    UNITS_PROPERTY,
    ObjectType,
    quality_of,
)
from edge.sources.columns import PointSpec
from wire.quality import BAD

__all__ = ["BacnetDevice", "BacnetObject", "Described", "Said", "describe", "reading", "wanted_of"]

LIMIT_MAX: Final = 1e30  # devices say ±3.4e38 where nobody set a limit

Said = Mapping[int, list[Any] | None]
"""Properties of one object by number, as `plain` reads them; None is an error in place of the value."""


class BacnetObject(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One object of a device by its id (`analog-input,3`), and what a config says beyond the device's own words."""

    object: str
    cov: bool = True
    priority: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None


class BacnetDevice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One device: by address, or by its instance, which is then looked for with Who-Is. `only`: no object but these."""

    name: str
    address: str = ""
    instance: Annotated[int, msgspec.Meta(ge=0, le=4_194_302)] | None = None
    only: bool = False
    cov: bool = True
    read_only: bool = False
    points: tuple[BacnetObject, ...] = ()


class Described(msgspec.Struct):
    """An object as it is read: its point, its type, the words of its states, how it is watched."""

    object: tuple[int, int]
    type: ObjectType
    point: int
    words: dict[int, str]
    priority: int | None
    cov: bool
    subscribed: bool = False
    notified: int = 0  # how often, so that an older answer to a read is known as older


def wanted_of(kind: ObjectType) -> tuple[int, ...]:
    """The properties that describe an object of a type; the last one says whether it can be commanded."""
    texts = {
        "analog": (UNITS_PROPERTY, MIN_VALUE, MAX_VALUE),
        "binary": (INACTIVE_TEXT, ACTIVE_TEXT),
        "multi": (STATE_TEXT,),
        "text": (),
    }[kind.kind]
    return (OBJECT_NAME, DESCRIPTION, *texts, *((PRIORITY_ARRAY,) if kind.commandable else ()))


def describe(
    object_id: tuple[int, int], said: Said, told: BacnetObject | None
) -> tuple[dict[str, Any], dict[int, str]]:
    """The fields of its point (with `metric` and `kind`) and the words of its states."""
    kind = TYPES[object_id[0]]
    name, text = _first(said, OBJECT_NAME), _first(said, DESCRIPTION)
    words = _words(kind, said)
    about: dict[str, Any] = {
        "metric": str(name or f"{kind.name}-{object_id[1]}"),
        "kind": "state" if kind.kind == "text" or (kind.kind == "multi" and words) else "value",
        "label": str(text or ""),
        "declared": {"analog": "f64", "binary": "bool", "multi": "enum" if words else "u32", "text": "text"}[kind.kind],
        "writable": kind.commandable and bool(said.get(PRIORITY_ARRAY)),
        "meta": {"object": f"{kind.name},{object_id[1]}"},
    }
    if about["writable"]:
        about["meta"]["takes_null"] = True  # as a command: takes ours out of the priority array
    if kind.kind == "binary" and words:
        about["meta"]["states"] = {str(raw): word for raw, word in words.items()}
    if kind.kind == "analog":
        unit = _first(said, UNITS_PROPERTY)
        about["unit"] = UNITS.get(unit, "") if isinstance(unit, int) else ""
        about["low"], about["high"] = _limit(said, MIN_VALUE), _limit(said, MAX_VALUE)
        if isinstance(unit, int) and unit not in UNITS:
            about["meta"]["bacnet_unit"] = unit
    if told is not None:
        about |= {field: value for field, value in told.about().items() if value not in (None, "")}
        about["metric"] = told.metric or about["metric"]
    return about, words


def reading(described: Described, said: Said) -> tuple[float | str | None, int]:
    """The value (None when there is none that can be used) and its quality by the object's status flags."""
    value, flags = _first(said, PRESENT_VALUE), _first(said, STATUS_FLAGS)
    quality = quality_of(flags)
    if described.type.kind == "text":
        return (value, quality) if isinstance(value, str) else (None, quality | BAD)
    if isinstance(value, str | list | tuple | bytes) or value is None:
        return None, quality | BAD
    if described.type.kind == "multi" and described.words:
        return described.words.get(int(value), str(value)), quality
    return float(value), quality


def _first(said: Said, number: int) -> Any:
    values = said.get(number)
    return values[0] if values else None


def _limit(said: Said, number: int) -> float | None:
    value = _first(said, number)
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < LIMIT_MAX:
        return float(value)
    return None


def _words(kind: ObjectType, said: Said) -> dict[int, str]:
    if kind.kind == "multi":
        texts = said.get(STATE_TEXT) or ()
        return {number: str(text) for number, text in enumerate(texts, start=1) if text}
    if kind.kind == "binary":
        off, on = _first(said, INACTIVE_TEXT), _first(said, ACTIVE_TEXT)
        return {0: str(off), 1: str(on)} if off and on else {}
    return {}
