"""Lines of text from a device, taken apart: by a pattern, by columns, or as NMEA 0183 sentences with their checksum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from edge.sources.columns import PointSpec
from wire.errors import ConfigError

__all__ = ["Form", "LineError", "LinePoint", "LineSplitter", "Taker", "value_of"]

LINE_BYTES_MAX: Final = 1_024  # what has no end by then is no line
FIELDS_MAX: Final = 128
Form = Literal["pattern", "columns", "nmea"]
_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?", re.ASCII)
_NMEA: Final = re.compile(r"[$!]([A-Z0-9]{3,10})((?:,[\x20-\x7e]*)?)\*([0-9A-Fa-f]{2})")


class LineError(ValueError):
    """A line that is not what the device is said to speak."""


class LinePoint(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A point and the field that tells it: the name of a group, or the number of a column from 1.

    `degrees` is ddmm.mmmm of NMEA, whose letter N, S, E or W stands in the field after it.
    """

    field: int | str = ""
    sentence: Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]{0,10}$")] = ""
    type: Literal["number", "text", "degrees"] = "number"
    scale: float = 1.0
    offset: float = 0.0
    command: str = ""


class LineSplitter:
    """Bytes in, whole lines out, without their ends; `skipped` counts bytes of what was too long for a line."""

    def __init__(self) -> None:
        self._rest, self._is_skipping = b"", False
        self.skipped = 0

    def feed(self, data: bytes) -> list[str]:
        """The lines that these bytes end; \\r, \\n and both together end one, and empty ones are left out."""
        *whole, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if whole and self._is_skipping:
            self.skipped += len(whole.pop(0))
            self._is_skipping = False
        if len(self._rest) > LINE_BYTES_MAX or self._is_skipping:
            self.skipped += len(self._rest)
            self._rest, self._is_skipping = b"", True
        self.skipped += sum(len(line) for line in whole if len(line) > LINE_BYTES_MAX)
        return [line.decode("utf-8", "replace").strip() for line in whole if 0 < len(line) <= LINE_BYTES_MAX]


class Taker:
    """Takes lines apart as a config says. Raises ConfigError when it cannot be done."""

    def __init__(self, form: Form, pattern: str, separator: str, points: tuple[LinePoint, ...]) -> None:
        self._form, self._separator = form, separator
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"is no pattern: {error}", field="pattern", fix="mend it as the message says") from error
        if form == "pattern" and not self._pattern.groups:
            fix = r"mark what is told: '(?P<weight>[0-9.]+) *kg'"
            raise ConfigError("tells nothing", field="pattern", fix=fix)
        if form == "columns" and not separator:
            raise ConfigError("is empty", field="separator", fix='write separator = ","')
        known = {"", *map(str, range(1, FIELDS_MAX + 1))}
        if form == "pattern":
            known = {*self._pattern.groupindex, *map(str, range(1, self._pattern.groups + 1))}
        for number, point in enumerate(points):
            if str(point.field or point.metric) not in known:
                fix = "name a group of the pattern" if form == "pattern" else "give the number of a column from 1"
                raise ConfigError(f"{point.field!r} is no field", field=f"points[{number}].field", fix=fix)
            if form == "nmea" and not point.sentence:
                raise ConfigError("is missing", field=f"points[{number}].sentence", fix='write sentence = "MWV"')

    def fields(self, line: str) -> tuple[str, Mapping[str, str]]:
        """The kind of sentence ("" but of NMEA) and its fields by name and number. Raises LineError."""
        if self._form == "nmea":
            return _sentence(line)
        if self._form == "columns":
            return "", _numbered(line.split(self._separator, FIELDS_MAX))
        found = self._pattern.search(line)
        if found is None:
            raise LineError(f"{line[:60]!r} does not fit the pattern")
        named = {name: text for name, text in found.groupdict().items() if text is not None}
        return "", _numbered([text or "" for text in found.groups()]) | named


def value_of(point: LinePoint, fields: Mapping[str, str]) -> float | str | None:
    """What a line tells of a point; None when its field is empty or not there. Raises LineError."""
    name = str(point.field or point.metric)
    text = fields.get(name, "").strip()
    if not text:
        return None
    if point.type == "text":
        return text
    plain = text.replace(" ", "")
    if not _NUMBER.fullmatch(plain):
        raise LineError(f"{point.metric}: {text[:40]!r} is no number")
    value = float(plain)
    if point.type == "degrees":
        value = _degrees(value, fields.get(str(int(name) + 1), ""))
    return value * point.scale + point.offset


def _degrees(told: float, letter: str) -> float:
    whole, minutes = divmod(told, 100.0)
    value, most = whole + minutes / 60.0, 90.0 if letter in ("N", "S") else 180.0
    if letter not in ("N", "S", "E", "W") or told < 0 or minutes >= 60.0 or value > most:
        raise LineError(f"{told:g} {letter[:4]!r} is no place on Earth")
    return -value if letter in ("S", "W") else value


def _sentence(line: str) -> tuple[str, Mapping[str, str]]:
    found = _NMEA.fullmatch(line)
    if found is None:
        raise LineError(f"{line[:60]!r} is no NMEA sentence with a checksum")
    said = 0
    for sign in line[1:-3]:
        said ^= ord(sign)
    if said != int(found[3], 16):
        raise LineError(f"{line[:60]!r}: its checksum is {said:02X}")
    kind = found[1] if found[1].startswith("P") else found[1][2:]  # two letters say who talks
    return kind, _numbered(found[2].split(",", FIELDS_MAX)[1:])


def _numbered(texts: list[str]) -> dict[str, str]:
    return {str(number): text for number, text in enumerate(texts, 1)}
