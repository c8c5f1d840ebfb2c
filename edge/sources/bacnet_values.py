"""What stands in a BACnet object: types that become points, units as UCUM, tagged values, status flags as quality.

Numbers of object types, properties and units are those of ASHRAE 135-2020, clause 21. Pure: needs no BACnet library.
"""

import math
import struct
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

from wire.quality import BAD, SUBSTITUTED

__all__ = [
    "ACTIVE_TEXT", "DESCRIPTION", "INACTIVE_TEXT", "MAX_VALUE", "MIN_VALUE", "OBJECT_IDENTIFIER", "OBJECT_LIST",
    "OBJECT_NAME", "PRESENT_VALUE", "PRIORITY_ARRAY", "STATE_TEXT", "STATUS_FLAGS", "SYSTEM_STATUS", "TYPES", "UNITS",
    "UNITS_PROPERTY", "ObjectType", "object_id", "plain", "priorities", "quality_of", "written_as",
]  # fmt: skip

ACTIVE_TEXT: Final = 4
DESCRIPTION: Final = 28
INACTIVE_TEXT: Final = 46
MAX_VALUE: Final = 65
MIN_VALUE: Final = 69
OBJECT_IDENTIFIER: Final = 75
OBJECT_LIST: Final = 76
OBJECT_NAME: Final = 77
PRESENT_VALUE: Final = 85
PRIORITY_ARRAY: Final = 87
STATE_TEXT: Final = 110
STATUS_FLAGS: Final = 111
SYSTEM_STATUS: Final = 112
UNITS_PROPERTY: Final = 117
FAULT, OVERRIDDEN, OUT_OF_SERVICE = 1, 2, 3  # bits of status flags; 0 is in-alarm, which says nothing of the value

Kind = Literal["analog", "binary", "multi", "text"]


class ObjectType(NamedTuple):
    """An object type that holds a point: its name in configs, what kind of value, and the tag it is written with."""

    name: str
    kind: Kind
    tag: int = 4
    commandable: bool = False  # outputs always are, values when they have a priority array


NULL, BOOLEAN, UNSIGNED, INTEGER, REAL, DOUBLE, TEXT, BITS, ENUMERATED, OBJECT = 0, 1, 2, 3, 4, 5, 7, 8, 9, 12

TYPES: dict[int, ObjectType] = {
    0: ObjectType("analog-input", "analog"),
    1: ObjectType("analog-output", "analog", REAL, True),
    2: ObjectType("analog-value", "analog", REAL, True),
    3: ObjectType("binary-input", "binary", ENUMERATED),
    4: ObjectType("binary-output", "binary", ENUMERATED, True),
    5: ObjectType("binary-value", "binary", ENUMERATED, True),
    12: ObjectType("loop", "analog"),
    13: ObjectType("multi-state-input", "multi", UNSIGNED),
    14: ObjectType("multi-state-output", "multi", UNSIGNED, True),
    19: ObjectType("multi-state-value", "multi", UNSIGNED, True),
    23: ObjectType("accumulator", "analog", UNSIGNED),
    24: ObjectType("pulse-converter", "analog"),
    40: ObjectType("characterstring-value", "text", TEXT, True),
    45: ObjectType("integer-value", "analog", INTEGER, True),
    46: ObjectType("large-analog-value", "analog", DOUBLE, True),
    48: ObjectType("positive-integer-value", "analog", UNSIGNED, True),
}
_NUMBER_OF = {one.name: number for number, one in TYPES.items()} | {"device": 8}

UNITS: dict[int, str] = {
    0: "m2", 2: "mA", 3: "A", 4: "Ohm", 5: "V", 6: "kV", 8: "V.A", 9: "kV.A", 11: "var", 12: "kvar", 14: "deg",
    15: "1", 16: "J", 18: "W.h", 19: "kW.h", 27: "Hz", 29: "%", 30: "mm", 31: "m", 32: "[in_i]", 33: "[ft_i]",
    35: "W/m2", 37: "lx", 39: "kg", 41: "t", 42: "kg/s", 47: "W", 48: "kW", 49: "MW", 53: "Pa", 54: "kPa", 55: "bar",
    56: "[psi]", 58: "[in_i'H2O]", 62: "Cel", 63: "K", 64: "[degF]", 70: "d", 71: "h", 72: "min", 73: "s", 74: "m/s",
    75: "km/h", 80: "m3", 82: "L", 85: "m3/s", 87: "L/s", 88: "L/min", 90: "deg", 95: "", 96: "[ppm]", 97: "[ppb]",
    98: "%", 100: "/min", 103: "rad", 104: "{rpm}", 118: "cm", 121: "K", 124: "mV", 126: "MJ", 129: "kHz",
    133: "hPa", 134: "mbar", 135: "m3/h", 136: "L/h", 146: "MW.h", 153: "N", 159: "ms", 160: "N.m",
    161: "mm/s", 162: "mm/min", 166: "m/s2", 186: "kg/m3", 193: "km", 194: "um", 195: "g", 199: "dB",
    204: "kvar.h", 217: "g/m3", 218: "mg/m3", 219: "ug/m3", 232: "dB[SPL]", 234: "[pH]",
}  # fmt: skip


def object_id(text: str) -> tuple[int, int]:
    """`analog-input,3` as (0, 3); a number may stand for the type. Raises ValueError."""
    name, _, instance = text.replace(":", ",").partition(",")
    name = name.strip()
    kind = int(name) if name.isdecimal() else _NUMBER_OF.get(name)
    if kind is None or not 0 <= kind < 1024 or not 0 <= int(instance) < 4_194_303:
        raise ValueError(f"{text!r} is no object: write analog-input,3")
    return kind, int(instance)


def plain(tags: Iterable[Any] | None) -> list[Any]:
    """The values of a list of tags: float, int, bool, str, None for null, (type, instance) for an object, a list of
    bits for a bit string; other types as their bytes. Raises ValueError on a length that its type cannot have."""
    return [_value(int(tag.tag_number), int(tag.tag_lvt), bytes(tag.tag_data)) for tag in tags or () if _is_value(tag)]


def _is_value(tag: Any) -> bool:
    return int(tag.tag_class) == 0


def _value(number: int, lvt: int, data: bytes) -> Any:
    match number:
        case 0:
            return None
        case 1:
            return bool(lvt)
        case 2 | 9:
            return int.from_bytes(_sized(data, 1, 8), "big")
        case 3:
            return int.from_bytes(_sized(data, 1, 8), "big", signed=True)
        case 4:
            return float(struct.unpack(">f", _sized(data, 4, 4))[0])
        case 5:
            return float(struct.unpack(">d", _sized(data, 8, 8))[0])
        case 7:
            return _text(data)
        case 8:
            unused, bits = _sized(data, 1, 1_000)[0], data[1:]
            flat = [bool(byte >> (7 - at) & 1) for byte in bits for at in range(8)]
            return flat[: len(flat) - unused] if unused else flat
        case 12:
            raw = int.from_bytes(_sized(data, 4, 4), "big")
            return raw >> 22, raw & 0x3F_FFFF
        case _:
            return data


def _sized(data: bytes, low: int, high: int) -> bytes:
    if not low <= len(data) <= high:
        raise ValueError(f"{len(data)} bytes where {low} to {high} belong")
    return data


_CHARSETS = {0: "utf-8", 3: "utf-32-be", 4: "utf-16-be", 5: "latin-1"}


def _text(data: bytes) -> str:
    charset = _CHARSETS.get(data[0] if data else 0)
    if charset is None:
        raise ValueError(f"character set {data[0]} is not known")
    return data[1:].decode(charset, errors="replace")


def quality_of(flags: Any) -> int:
    """Quality by the object's status flags: a fault is bad, overridden or out of service was put in by somebody."""
    if not isinstance(flags, list):
        return 0
    said = [*flags, False, False, False, False]
    quality = BAD if said[FAULT] else 0
    return quality | (SUBSTITUTED if said[OVERRIDDEN] or said[OUT_OF_SERVICE] else 0)


def priorities(values: list[Any]) -> list[int]:
    """The priorities (1 to 16) that command an object, highest first, from its priority array."""
    return [place for place, value in enumerate(values, start=1) if value is not None]


def written_as(kind: ObjectType, value: float | str | bool) -> tuple[int, float | int | str]:
    """The tag and the plain value with which a command is written. Raises ValueError."""
    if kind.tag == TEXT:
        return TEXT, str(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} cannot be written")
    if kind.tag in {REAL, DOUBLE}:
        return kind.tag, number
    if number != int(number) or (kind.tag != INTEGER and number < 0) or (kind.kind == "binary" and number > 1):
        raise ValueError(f"{kind.name} takes no {value}")
    return kind.tag, int(number)
