"""The records of an M-Bus answer (EN 13757-3, 6): every byte is accounted for, or the whole answer is refused.

pyMeterBus takes 6 of libmbus' 20 broken frames; here a data information block, a value information block or data that
end before they are complete, more than ten extensions, or bytes that no record claims raise `MbusError` (ADR 0030).
"""

import math
import struct
from datetime import datetime
from typing import Final, Literal

import msgspec

from edge.sources.mbus_frame import Header, LongFrame, MbusError, header
from edge.sources.mbus_vif import Meaning, meaning

__all__ = ["Answer", "Record", "decode_answer"]

EXTENSIONS_MAX: Final = 10
RECORDS_MAX: Final = 128  # of 252 bytes, the shortest record has two
FILLER, MANUFACTURER, MANUFACTURER_MORE = 0x2F, 0x0F, 0x1F
Function = Literal["now", "max", "min", "error"]
_FUNCTIONS: Final[tuple[Function, ...]] = ("now", "max", "min", "error")
_SIZES: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_LONG: Final = {0xF0: 16, 0xF1: 20, 0xF2: 24, 0xF3: 28, 0xF4: 32, 0xF5: 48, 0xF6: 64}
_REAL, _VARIABLE = 5, 13
_BCD: Final = {9, 10, 11, 12, 14}


class Record(msgspec.Struct, frozen=True):
    """One value: a number in the unit of `meaning`, a text (dates and times as ISO 8601 in the meter's own clock), or
    None where the meter says that it has none. `note` is what a meter adds to it: a unit of its own, or an error."""

    meaning: Meaning
    value: float | str | None
    function: Function = "now"
    storage: int = 0
    tariff: int = 0
    unit: int = 0
    note: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A decoded answer. `has_more`: the meter has another telegram to give."""

    header: Header
    records: tuple[Record, ...]
    has_more: bool = False
    manufacturer_bytes: bytes = b""


def decode_answer(frame: LongFrame) -> Answer:
    """All of a long frame. Raises MbusError."""
    about, body = header(frame)
    if about.is_fixed:
        return Answer(about, _fixed(body))
    reader = _Reader(body)
    records: list[Record] = []
    while reader.left:
        dif = reader.byte("DIF")
        if dif == FILLER:
            continue
        if dif in {MANUFACTURER, MANUFACTURER_MORE}:
            return Answer(about, tuple(records), dif == MANUFACTURER_MORE, reader.rest())
        if dif & 0x0F == 0x0F:
            raise MbusError(f"DIF {dif:02x} is reserved")
        records.append(_record(dif, reader))
        if len(records) > RECORDS_MAX:
            raise MbusError(f"more than {RECORDS_MAX} records")
    return Answer(about, tuple(records))


class _Reader:
    """Bytes in turn; asking for more than there are is an error that says in the middle of what."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            raise MbusError(f"the answer ends within {what}: {count} bytes are due, {self.left} are left")
        found = self._body[self._at : self._at + count]
        self._at += count
        return found

    def rest(self) -> bytes:
        return self.take(self.left, "the rest")

    def chain(self, first: int, what: str) -> list[int]:
        """Extension bytes as long as the one before says that another follows."""
        found: list[int] = []
        last = first
        while last & 0x80:
            if len(found) == EXTENSIONS_MAX:
                raise MbusError(f"more than {EXTENSIONS_MAX} {what}s")
            last = self.byte(what)
            found.append(last)
        return found


def _record(dif: int, reader: _Reader) -> Record:
    storage, tariff, unit = dif >> 6 & 1, 0, 0
    for place, dife in enumerate(reader.chain(dif, "DIFE")):
        storage |= (dife & 0x0F) << (1 + 4 * place)
        tariff |= (dife >> 4 & 3) << (2 * place)
        unit |= (dife >> 6 & 1) << place
    vif = reader.byte("VIF")
    text = ""
    if vif & 0x7F == 0x7C:  # its unit follows as a text, last letter first
        text = reader.take(reader.byte("the length of a unit"), "a unit")[::-1].decode("latin-1")
    vifes = reader.chain(vif, "VIFE")
    what, note = _what(vif, vifes, text)
    raw, coding = _data(dif & 0x0F, reader)
    function = _FUNCTIONS[dif >> 4 & 3]
    value = _value(raw, coding, what)
    return Record(what, value, function, storage, tariff, unit, note)


def _what(vif: int, vifes: list[int], text: str) -> tuple[Meaning, str]:
    code = vif & 0x7F
    if code == 0x7F:
        return Meaning("manufacturer_specific", kind="plain"), " ".join(f"{one:02x}" for one in vifes)
    if text:
        what, rest = Meaning("own_unit"), vifes
    elif code in {0x7B, 0x7D} and vifes:
        what, rest = meaning(vif, vifes[0]), vifes[1:]
    else:
        what, rest = meaning(vif), vifes
    notes = [text] if text else []
    for place, vife in enumerate(rest):
        one = vife & 0x7F
        if one == 0x7F:  # what follows is the manufacturer's
            notes.append("own " + " ".join(f"{left:02x}" for left in rest[place + 1 :]))
            break
        if 0x70 <= one <= 0x77:
            what = what._replace(factor=what.factor * 10.0 ** (one - 0x76))
        elif one == 0x7D:
            what = what._replace(factor=what.factor * 1_000.0)
        else:
            notes.append(f"vife {one:02x}")
    return what, ", ".join(notes)


# -- data

_Coding = Literal["none", "int", "real", "bcd", "text"]


def _data(field: int, reader: _Reader) -> tuple[bytes, _Coding]:
    if field != _VARIABLE:
        raw = reader.take(_SIZES[field], "data")
        coding: _Coding = "bcd" if field in _BCD else "real" if field == _REAL else "int"
        return raw, coding if raw else "none"
    length = reader.byte("the length of data")
    if length < 0xC0:
        return reader.take(length, "a text"), "text"
    if length < 0xE0:
        raw = reader.take(length & 0x0F, "a long number")
        return (raw + b"\xf0" if length >= 0xD0 else raw), "bcd"
    if length < 0xF0:
        return reader.take(length & 0x0F, "a long number"), "int"
    if length in _LONG:
        return reader.take(_LONG[length], "a long number"), "int"
    raise MbusError(f"data of length code {length:02x} are reserved")


def _value(raw: bytes, coding: _Coding, what: Meaning) -> float | str | None:
    if coding == "none":
        return None
    if coding == "text":
        return raw[::-1].decode("latin-1")
    if coding == "int" and what.kind in {"date", "time"}:
        return _moment(raw)
    if coding == "real":
        number = float(struct.unpack("<f", raw)[0])
        return number * what.factor if math.isfinite(number) else None
    if coding == "int" and len(raw) > 8:
        return raw[::-1].hex()
    whole = _bcd(raw) if coding == "bcd" else int.from_bytes(raw, "little", signed=True)
    return None if whole is None else whole * what.factor


def _bcd(raw: bytes) -> int | None:
    """Digits, least first; F as the highest one is a minus. None when another letter stands among them."""
    digits = raw[::-1].hex()
    sign = -1 if digits.startswith("f") else 1
    digits = digits[1:] if sign < 0 else digits
    return sign * int(digits) if digits.isdecimal() else None


def _moment(raw: bytes) -> str | None:
    """Types G (2 bytes), F (4), I (6) as ISO 8601; None for a date that is not valid or not set."""
    if len(raw) == 2:
        day = raw
        clock = None
    elif len(raw) == 4 and not raw[0] & 0x80:
        day, clock = raw[2:4], (raw[1] & 0x1F, raw[0] & 0x3F, 0)
    elif len(raw) == 6 and not raw[1] & 0x80:
        day, clock = raw[3:5], (raw[2] & 0x1F, raw[1] & 0x3F, raw[0] & 0x3F)
    else:
        return None
    year = (day[0] & 0xE0) >> 5 | (day[1] & 0xF0) >> 1
    year += 2000 if year < 80 else 1900  # as libmbus and most readers take it
    try:
        moment = datetime(year, day[1] & 0x0F, day[0] & 0x1F, *(clock or (0, 0, 0)))
    except ValueError:
        return None
    return moment.date().isoformat() if clock is None else moment.isoformat()


# -- the fixed answer of old meters

_FIXED_UNITS: Final = {
    **{0x02 + n: Meaning("energy", "W.h", 10.0**n) for n in range(9)},
    **{0x0B + n: Meaning("energy", "J", 10.0 ** (n + 3)) for n in range(9)},
    **{0x14 + n: Meaning("power", "W", 10.0**n) for n in range(9)},
    **{0x1D + n: Meaning("power", "W", 10.0 ** (n + 3) / 3_600.0) for n in range(9)},
    **{0x26 + n: Meaning("volume", "m3", 10.0 ** (n - 6)) for n in range(9)},
    **{0x2F + n: Meaning("volume_flow", "m3/h", 10.0 ** (n - 6)) for n in range(9)},
    0x38: Meaning("temperature", "Cel", 1e-3),
    0x39: Meaning("heat_cost_units"),
}
_SAME_BUT_STORED = 0x3E


def _fixed(body: bytes) -> tuple[Record, ...]:
    """Two counters; `body` is status, two unit bytes, two counters of four bytes."""
    is_binary, records = bool(body[0] & 0x80), []
    codes = (body[1] & 0x3F, body[2] & 0x3F)
    for place, code in enumerate(codes):
        stored = int(code == _SAME_BUT_STORED)
        what = _FIXED_UNITS.get(codes[0] if stored else code, Meaning(f"unknown_fixed_{code:02x}", kind="plain"))
        raw = body[3 + 4 * place : 7 + 4 * place]
        whole = int.from_bytes(raw, "little", signed=True) if is_binary else _bcd(raw)
        records.append(Record(what, None if whole is None else whole * what.factor, storage=stored))
    return tuple(records)
