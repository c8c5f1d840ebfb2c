"""Sparkplug B payloads, written and read byte by byte: what an edge node needs, apart from any protobuf library.

The agent reads them with another decoder, so that the two check each other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["BOOLEAN", "DOUBLE", "INT64", "STRING", "Told", "payload", "read"]

INT32, INT64, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = 3, 4, 8, 9, 10, 11, 12
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5

Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Told:
    """One metric of a payload; None is a value that the node does not have."""

    name: str = ""
    type: int = DOUBLE
    value: Value = None
    alias: int | None = None
    ms: int | None = None
    historical: bool = False
    properties: Mapping[str, float | str | bool] = field(default_factory=dict)


def payload(ms: int, metrics: Sequence[Told], seq: int | None = None) -> bytes:
    """The bytes of a payload."""
    body = _number(1, ms) + b"".join(_bytes(2, _metric(one)) for one in metrics)
    return body + (b"" if seq is None else _number(3, seq))


def read(raw: bytes) -> list[Told]:
    """The metrics of a command; ValueError when it is none."""
    found = []
    for number, value in _fields(raw):
        if number == 2 and isinstance(value, bytes):
            found.append(_told(value))
    return found


def _metric(one: Told) -> bytes:
    out = _bytes(1, one.name.encode()) if one.name else b""
    out += b"" if one.alias is None else _number(2, one.alias)
    out += b"" if one.ms is None else _number(3, one.ms)
    out += _number(4, one.type)
    out += _number(5, 1) if one.historical else b""
    if one.properties:
        keys = b"".join(_bytes(1, key.encode()) for key in one.properties)
        out += _bytes(9, keys + b"".join(_bytes(2, _property(value)) for value in one.properties.values()))
    return out + (_number(7, 1) if one.value is None else _scalar(one.type, one.value, 10))


def _property(value: float | str | bool) -> bytes:
    kind = BOOLEAN if isinstance(value, bool) else STRING if isinstance(value, str) else DOUBLE
    if isinstance(value, int) and not isinstance(value, bool):
        kind = INT32
    return _number(1, kind) + _scalar(kind, value, 3)


def _scalar(kind: int, value: float | str | bool, first: int) -> bytes:
    """The value in the field of its type; fields of a value follow one another from `first` on."""
    if kind == DOUBLE:
        return _key(first + 3, _EIGHT) + struct.pack("<d", float(value))
    if kind == FLOAT:
        return _key(first + 2, _FOUR) + struct.pack("<f", float(value))
    if kind == BOOLEAN:
        return _number(first + 4, int(bool(value)))
    if kind == STRING:
        return _bytes(first + 5, str(value).encode())
    wide = kind in (INT64, UINT64)
    return _number(first + (1 if wide else 0), int(value) & ((1 << 64) - 1 if wide else (1 << 32) - 1))


def _told(raw: bytes) -> Told:
    name, alias, kind, value = "", None, 0, None
    for number, found in _fields(raw):
        if number == 1 and isinstance(found, bytes):
            name = found.decode()
        elif number == 2 and isinstance(found, int):
            alias = found
        elif number == 4 and isinstance(found, int):
            kind = found
        elif 10 <= number <= 15:
            value = _value(number, found, kind)
    return Told(name, kind, value, alias)


def _value(number: int, found: int | bytes, kind: int) -> Value:
    if isinstance(found, bytes):
        if number == 15:
            return found.decode()
        form = {12: "<f", 13: "<d"}[number]
        return float(struct.unpack(form, found)[0])
    if number == 14:
        return bool(found)
    bits = 64 if number == 11 else 32
    signed = kind in (1, 2, 3, 4)
    return found - (1 << bits) if signed and found >> (bits - 1) else found


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, form = key >> 3, key & 7
        if form == _VARINT:
            value, at = _varint(raw, at)
            yield number, value
            continue
        if form == _BYTES:
            size, at = _varint(raw, at)
        elif form in (_EIGHT, _FOUR):
            size = 8 if form == _EIGHT else 4
        else:
            raise ValueError(f"wire type {form}")
        if at + size > len(raw):
            raise ValueError("cut off")
        yield number, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:
        value |= (raw[at] & 0x7F) << shift
        at += 1
        if raw[at - 1] < 0x80:
            return value, at
        shift += 7
    raise ValueError("cut off")


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _encoded(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _key(number, _BYTES) + _encoded(len(value)) + value


def _key(number: int, form: int) -> bytes:
    return _encoded(number << 3 | form)


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
