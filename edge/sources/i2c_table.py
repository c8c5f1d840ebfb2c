"""A sensor on an I²C bus as a table: what is written to it, what is read, and which bits are which quantity."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from edge.sources.columns import PointSpec
from edge.sources.i2c_formulas import FORMULAS
from wire.errors import ConfigError

__all__ = ["Field", "I2cProfile", "Read", "TableError", "decoded", "without_crc"]

READ_BYTES_MAX: Final = 64
Hex = Annotated[str, msgspec.Meta(pattern="^([0-9a-fA-F]{2}){0,32}$")]
Wait = Annotated[float, msgspec.Meta(ge=0, le=2_000)]
_SIZES: Final = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3}


class TableError(ValueError):
    """An answer that the sensor's own table refuses."""


class Field(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A quantity: `type` at byte `at`, highest byte first, right by `shift`, times `scale`, plus `offset`.

    A bit of `bad_mask` that is set makes it bad. With a formula only its metric counts.
    """

    metric: str
    at: Annotated[int, msgspec.Meta(ge=0, lt=READ_BYTES_MAX)] = 0
    type: Literal["u8", "i8", "u16", "i16", "u24", "i24"] = "u16"
    shift: Annotated[int, msgspec.Meta(ge=0, le=23)] = 0
    bad_mask: int = 0
    scale: float = 1.0
    offset: float = 0.0


class Write(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Bytes that are written, and how long the sensor then needs."""

    write: Hex
    wait_ms: Wait = 0.0


class Check(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A register that tells which chip it is."""

    write: Hex
    value: Hex


class Read(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """`start` sets a measurement off, `wait_ms` later `write` names the register and `bytes` are read."""

    bytes: Annotated[int, msgspec.Meta(ge=1, le=READ_BYTES_MAX)]
    fields: tuple[Field, ...] = ()
    start: Hex = ""
    wait_ms: Wait = 0.0
    write: Hex = ""
    crc: Literal["", "sensirion"] = ""  # a checksum after each two bytes, which count without it
    formula: str = ""


class I2cProfile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A sensor; `calibration` is read once and goes into the formula."""

    title: str
    addresses: tuple[Annotated[int, msgspec.Meta(ge=0x08, le=0x77)], ...]
    read: Annotated[tuple[Read, ...], msgspec.Meta(min_length=1, max_length=16)]
    check: Check | None = None
    setup: tuple[Write, ...] = ()
    calibration: tuple[Read, ...] = ()

    def checked(self, name: str) -> I2cProfile:
        """Itself; ConfigError where a field lies outside of what is read, or a formula is none of ours."""
        for number, read in enumerate(self.read):
            at = f"read[{number}]"
            size = read.bytes * 2 // 3 if read.crc else read.bytes
            if read.crc and read.bytes % 3:
                raise ConfigError("is no multiple of 3", file=name, field=f"{at}.bytes", fix="two bytes and one of CRC")
            if read.formula and read.formula not in FORMULAS:
                fix = f"use one of: {', '.join(FORMULAS)}"
                raise ConfigError(f"unknown {read.formula!r}", file=name, field=f"{at}.formula", fix=fix)
            for field in read.fields:
                if not read.formula and field.at + _SIZES[field.type] > size:
                    problem, fix = f"{field.metric} lies beyond what is read", f"read more than {size}"
                    raise ConfigError(problem, file=name, field=f"{at}.bytes", fix=fix)
        return self


def decoded(read: Read, answer: bytes, calibration: bytes) -> dict[str, float | None]:
    """The quantities of one answer, None where it says itself that one is bad. Raises TableError."""
    if len(answer) != read.bytes:
        raise TableError(f"{len(answer)} bytes instead of {read.bytes}")
    data = without_crc(answer) if read.crc else answer
    if read.formula:
        told = FORMULAS[read.formula](calibration, data)
        return {field.metric: told.get(field.metric) for field in read.fields}
    return {field.metric: _value(field, data) for field in read.fields}


def _value(field: Field, data: bytes) -> float | None:
    size, signed = _SIZES[field.type], field.type.startswith("i")
    raw = int.from_bytes(data[field.at : field.at + size], "big", signed=signed)
    return None if raw & field.bad_mask else (raw >> field.shift) * field.scale + field.offset


def without_crc(answer: bytes) -> bytes:
    """The words of an answer whose checksums hold (CRC-8, polynomial 0x31, start 0xFF). Raises TableError."""
    words = [answer[at : at + 3] for at in range(0, len(answer), 3)]
    for number, word in enumerate(words):
        if _crc8(word[:2]) != word[2]:
            raise TableError(f"the checksum of word {number + 1} does not hold")
    return b"".join(word[:2] for word in words)


def _crc8(data: bytes) -> int:
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc
