"""MTConnect SHDR text: `time|name|value|name|value…`, one line a report. Read after the agent's own grammar.

| line | becomes |
|---|---|
| `time\\|name\\|value…` | one observation a pair; empty values count; `device:name` names a device |
| `time\\|name\\|level\\|code\\|severity\\|qualifier\\|text` | one observation: the level, or JSON when more is said |
| `time\\|name\\|code\\|text` of a message | one observation: the text, or JSON with its code |
| `time\\|name\\|count\\|rate\\|v v v` of a time series | one observation: the values as a JSON array |
| `time\\|@ASSET@\\|…`, `@REMOVE_ASSET@`, … with their multi-line bodies | left out |
| `* command: …`, `# comment`, blank | left out |

What a name is comes from the MTConnect device file when there is one; without it, a line of seven fields whose level
is NORMAL, WARNING or FAULT is a condition, and so is every later line of a name once seen as one; a line of four
fields whose name was never a plain value is a message.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pyarrow as pa

from edge.sources.recording import BLOCK_BYTES, Block, Rejected, Series, WallClock, parse_iso, parse_numbers
from wire.errors import InputError
from wire.quality import BAD, GOOD, TIME_SUSPECT

__all__ = ["DataItem", "ShdrReader", "read_devices"]

LINE_CHARS_MAX = 1 << 20  # a line that never ends must not fill the memory
DEVICES_BYTES_MAX = 64 << 20  # a device file of a whole factory is some megabytes

_LEVELS = frozenset({"NORMAL", "WARNING", "FAULT"})
_FIELDS = {"condition": 5, "message": 2, "time_series": 3, "value": 1}  # fields that follow a name
_MULTILINE = re.compile(r"--multiline--\w*$")
_REPORT = re.compile(r"\d{4}-\d\d-\d\dT[^|<]{2,}\|")
_UCUM = {
    "MILLIMETER": "mm", "MILLIMETER/SECOND": "mm/s", "PERCENT": "%", "REVOLUTION/MINUTE": "{rev}/min", "DEGREE": "deg",
    "CELSIUS": "Cel", "SECOND": "s", "AMPERE": "A", "VOLT": "V", "WATT": "W", "HERTZ": "Hz", "NEWTON": "N",
    "COUNT": "1", "NEWTON_METER": "N.m", "PASCAL": "Pa", "KILOGRAM": "kg", "LITER": "L",
    "MILLIMETER/REVOLUTION": "mm/{rev}",
    "DEGREE/SECOND": "deg/s", "KILOWATT_HOUR": "kW.h", "WATT_SECOND": "W.s", "MILLIMETER/SECOND^2": "mm/s2",
}  # fmt: skip


class DataItem(msgspec.Struct, frozen=True):
    """What a device file says about one name of the stream."""

    form: str = "value"  # a key of _FIELDS
    device: str = ""
    unit: str = ""
    label: str = ""


def read_devices(path: Path) -> dict[str, DataItem]:
    """Data items of an MTConnect device file by every name that an adapter may use (name, id, source)."""
    if path.stat().st_size > DEVICES_BYTES_MAX:
        raise InputError(f"device file is over {DEVICES_BYTES_MAX >> 20} MiB", file=str(path))
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # no entity is expanded, so none can explode
        raise InputError("device file declares entities", file=str(path), fix="remove its DOCTYPE")
    try:
        root = ET.fromstring(text)  # noqa: S314  the two lines above refuse what makes it unsafe
    except (ET.ParseError, LookupError, ValueError) as error:  # an encoding that nobody knows, too
        raise InputError(f"not XML: {error}", file=str(path), fix="give an MTConnectDevices document") from error
    items: dict[str, DataItem] = {}
    for device in (element for element in root.iter() if element.tag.endswith("}Device") or element.tag == "Device"):
        for element in (e for e in device.iter() if e.tag.rpartition("}")[2] == "DataItem"):
            item = _data_item(element, device.get("name") or device.get("id") or "")
            sources = [s.text or "" for s in element if s.tag.rpartition("}")[2] == "Source"]
            for name in (element.get("id"), element.get("name"), *sources):
                if name:
                    items[name] = item
    return items


def _data_item(element: ET.Element, device: str) -> DataItem:
    category, kind = element.get("category", ""), element.get("type", "")
    form = "value"
    if category == "CONDITION":
        form = "condition"
    elif kind == "MESSAGE":
        form = "message"
    elif element.get("representation") == "TIME_SERIES":
        form = "time_series"
    label = " ".join(filter(None, [kind.replace("_", " ").lower(), (element.get("subType") or "").lower()]))
    return DataItem(form, device, _UCUM.get(element.get("nativeUnits") or element.get("units") or "", ""), label)


@dataclass(slots=True)
class _Columns:
    """Observations of one block before they become arrays."""

    ids: list[int] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # observations of each line, parallel to times
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class ShdrReader:
    """Reads one SHDR file in blocks of about a mebibyte of text."""

    def __init__(self, path: Path, devices: dict[str, DataItem] | None = None, zone: str = "UTC") -> None:
        self.series: list[Series] = []
        self._path, self._devices = path, devices or {}
        self._ids: dict[str, int] = {}
        self._conditions: set[str] = set()
        self._messages: set[str] = set()
        self._until = ""  # the line that closes the asset we are inside of
        self._wall = WallClock(zone)

    def blocks(self) -> Iterator[Block]:
        """Observations in file order; a line that cannot be read is among `rejected` with its number."""
        line = 1
        with self._path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            while lines := _read_lines(file):
                yield self.block(lines, line)
                line += len(lines)

    def block(self, lines: list[str], first_line: int) -> Block:
        """Observations of whole lines, the first of which has that number; for a stream that is no file, too."""
        out = _Columns()
        for number, line in enumerate(lines, first_line):
            self._line(line.rstrip("\r\n"), number, out)
        return self._columns(out)

    def _line(self, line: str, number: int, out: _Columns) -> None:
        if self._until and not self._left_asset(line, number, out):
            return
        if not line or line[0] in "*#" or line.isspace():
            return
        fields = line.split("|") if "\\|" not in line else _split_quoted(line)
        if len(fields) < 3 or len(line) > LINE_CHARS_MAX:
            self._short(fields, number, out)
        elif fields[1][:1] == "@":
            closing = _MULTILINE.search(line)
            self._until = closing.group() if closing else ""
        else:
            before = len(out.texts)
            self._observations(fields, number, out)
            if count := len(out.texts) - before:
                out.times.append(fields[0])
                out.rows.append(count)
                out.lines.append(number)

    def _left_asset(self, line: str, number: int, out: _Columns) -> bool:
        """Whether `line` stands outside the asset after all, whose closing line was lost."""
        if _REPORT.match(line):
            out.rejected.append(Rejected(number, f"an asset before this line was not closed with {self._until}"))
            self._until = ""
            return True
        if line.strip() == self._until:
            self._until = ""
        return False

    def _short(self, fields: list[str], number: int, out: _Columns) -> None:
        if len(fields) < 2 or fields[1][:1] != "@":
            out.rejected.append(Rejected(number, "line too long" if len(fields) > 2 else "no time|name|value"))

    def _observations(self, fields: list[str], number: int, out: _Columns) -> None:
        if not self._devices and len(fields) & 1 and not self._is_condition(fields):  # pairs only: nearly every line
            out.ids += [self._id(name) for name in fields[1::2]]
            out.texts += fields[2::2]
            return
        at = 1
        while at < len(fields):
            name = fields[at]
            form = self._form(fields, at)
            values = fields[at + 1 : at + 1 + _FIELDS[form]]
            if len(values) < _FIELDS[form] and (form != "condition" or not values):
                out.rejected.append(Rejected(number, f"{name[:80]!r} has no value"))
                return
            out.ids.append(self._id(name))
            out.texts.append(_FORMS[form](values))
            at += 1 + _FIELDS[form]

    def _form(self, fields: list[str], at: int) -> str:
        name = fields[at]
        item = self._devices.get(name) or self._devices.get(name.rpartition(":")[2])
        if item is not None:
            return item.form
        if at == 1 and self._is_condition(fields):
            return "condition"
        if at == 1 and len(fields) == 4 and (name in self._messages or name not in self._ids):
            self._messages.add(name)
            return "message"
        return "value"

    def _is_condition(self, fields: list[str]) -> bool:
        if len(fields) != 7:
            return False
        level = fields[2].upper()
        if level in _LEVELS:
            self._conditions.add(fields[1])
            return True
        return level == "UNAVAILABLE" and (fields[1] in self._conditions or not any(fields[3:]))

    def _id(self, name: str) -> int:
        found = self._ids.get(name)
        if found is None:
            found = self._ids[name] = len(self.series)
            device, _, short = name.rpartition(":")
            item = self._devices.get(name) or self._devices.get(short) or DataItem()
            self.series.append(Series(short, device or item.device, item.unit, item.label))
        return found

    def _columns(self, out: _Columns) -> Block:
        times = pa.array(out.times, pa.string())
        ts_us, readable, zoned = parse_iso(pa.compute.replace_substring_regex(times, r"@[\d.]*$", ""))  # @ = duration
        wall_us, never = self._wall.to_utc(ts_us)
        line_us, rows = np.where(zoned, ts_us, wall_us), np.array(out.rows, dtype=np.int64)
        for at in np.flatnonzero(~readable):
            reason = f"no ISO 8601 time: {out.times[at][:40]!r}"
            out.rejected.append(Rejected(out.lines[at], reason, int(rows[at])))
        keep = np.repeat(readable, rows)
        ids, texts = np.array(out.ids, dtype=np.uint32), pa.array(out.texts, pa.string())
        if not keep.all():
            ids, texts = ids[keep], texts.filter(pa.array(keep))
        value, is_number = parse_numbers(texts)
        text = pa.compute.if_else(pa.array(is_number), pa.scalar(None, pa.string()), texts)
        quality = np.where(np.repeat(never & ~zoned, rows)[keep], TIME_SUSPECT, GOOD).astype(np.uint8)
        quality[pa.compute.equal(texts, "UNAVAILABLE").to_numpy(zero_copy_only=False)] |= BAD
        return Block(ids, np.repeat(line_us, rows)[keep], value, text, quality, out.rejected)


def _read_lines(file: TextIOWrapper) -> list[str]:
    """About a block of whole lines; a line that never ends is cut into pieces that are rejected one by one."""
    lines: list[str] = []
    size = 0
    while size < BLOCK_BYTES and (line := file.readline(LINE_CHARS_MAX + 2)):
        lines.append(line)
        size += len(line)
    return lines


def _split_quoted(line: str) -> list[str]:
    """Fields of a line in which `\\|` stands for a bar inside a value, in quotes or not."""
    fields = [part.replace("\0", "|") for part in line.replace("\\|", "\0").split("|")]
    return [part[1:-1] if len(part) > 1 and part[0] == part[-1] == '"' else part for part in fields]


def _condition(values: list[str]) -> str:
    if not any(values[1:]):
        return values[0].upper()
    named: Iterable[tuple[str, str]] = zip(("level", "code", "severity", "qualifier", "text"), values, strict=False)
    return msgspec.json.encode({key: value for key, value in named if value}).decode()


def _message(values: list[str]) -> str:
    return msgspec.json.encode({"code": values[0], "text": values[1]}).decode() if values[0] else values[1]


def _time_series(values: list[str]) -> str:
    numbers, is_number = parse_numbers(pa.array(values[2].split(), pa.string()))
    return msgspec.json.encode(numbers.tolist() if is_number.all() else values[2].split()).decode()


def _value(values: list[str]) -> str:
    return values[0]


_FORMS = {"condition": _condition, "message": _message, "time_series": _time_series, "value": _value}
