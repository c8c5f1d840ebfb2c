"""The text of a P6 XER file: tab-separated tables (%T name, %F fields, %R values), ended by %E."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from bim.schedule.errors import ScheduleError

__all__ = ["Record", "XerText", "read_tables"]

T = TypeVar("T")
_EXPORT = "export the schedule again from P6"


@dataclass(slots=True)
class Record:
    """One %R row; `table` and `line` say where it stands."""

    table: str
    line: int
    values: dict[str, str]

    def text(self, name: str) -> str:
        """A field, "" when it is empty or not there."""
        return self.values.get(name, "")

    def optional(self, name: str) -> str | None:
        """A reference, None when it is empty."""
        return self.values.get(name) or None

    def needed(self, name: str) -> str:
        """A field that must be there; raises ScheduleError."""
        value = self.values.get(name, "")
        if not value:
            raise ScheduleError("value", "it is empty", line=self.line, field=f"{self.table}.{name}", fix=_EXPORT)
        return value

    def parsed(self, name: str, parse: Callable[[str], T]) -> T | None:
        """A field through a parser, None when it is empty; raises ScheduleError naming line and field."""
        value = self.values.get(name, "")
        if not value:
            return None
        try:
            return parse(value)
        except ValueError as error:
            where = f"{self.table}.{name}"
            raise ScheduleError(
                "value", str(error), line=self.line, field=where, fix="mend it in P6 and export"
            ) from error

    def number(self, name: str) -> float | None:
        """A number, with a point or, from machines set so, a comma."""
        return self.parsed(name, _number)


def _number(text: str) -> float:
    value = float(text.replace(",", ".") if "." not in text else text.replace(",", ""))
    if not abs(value) < 1e12:
        raise ValueError(f"{text[:40]!r} is not a number that a schedule can have")
    return value


@dataclass(slots=True)
class XerText:
    """Header and tables of one file."""

    version: str = ""
    tables: dict[str, list[Record]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def rows(self, name: str) -> list[Record]:
        """Rows of one table, none when the file has no such table."""
        return self.tables.get(name, [])


def read_tables(text: str) -> XerText:
    """Every table of a file; raises ScheduleError when it is no XER or ends too early."""
    lines = text.split("\n")
    header = lines[0].rstrip("\r").split("\t")
    if header[0] != "ERMHDR":
        raise ScheduleError("format", "it does not begin with ERMHDR", line=1, fix="give a P6 XER export")
    found = XerText(version=header[1] if len(header) > 1 else "")
    name, fields, last, ended, long_rows, short_rows = "", [""], None, False, 0, 0
    for number, raw in enumerate(lines[1:], start=2):
        mark, _, rest = raw.rstrip("\r").partition("\t")
        if mark == "%T":
            name, fields, last = rest.strip(), [], None
            found.tables.setdefault(name, [])
        elif mark == "%F":
            fields = [one.strip() for one in rest.split("\t")]
        elif mark == "%R":
            if not name or not fields:
                raise ScheduleError("malformed", "a row before its %T and %F", line=number, field=name, fix=_EXPORT)
            values = rest.split("\t")
            long_rows += len(values) > len(fields) and any(values[len(fields) :])
            short_rows += 2 * len(values) < len(fields)  # editors strip empty values at the end
            last = Record(name, number, {key: _clean(value) for key, value in zip(fields, values, strict=False)})
            found.tables[name].append(last)
        elif mark == "%E":
            ended = True
            break
        elif raw.strip() and last is not None and last.values:  # a text with a line break of its own
            key = next(reversed(last.values))
            last.values[key] += "\n" + raw.rstrip("\r")
    if not ended:
        raise ScheduleError("truncated", "the file ends before its end marker %E", line=len(lines), fix=_EXPORT)
    if short_rows:
        found.warnings.append(f"{short_rows} rows have fewer than half of their values: the others are taken as empty")
    if long_rows:
        found.warnings.append(f"{long_rows} rows have more values than their table has fields")
    return found


def _clean(value: str) -> str:
    return value.strip().replace("\x7f\x7f", "\n").replace('""', '"')
