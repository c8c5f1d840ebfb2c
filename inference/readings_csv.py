"""Read a CSV of readings: the first column is time, the others are channels. Bounded; refuses with file, line and fix.

What is mended, and how (every mend is told in `notes`):
an empty cell, `NaN`, `NA`, `null` or ±inf is a missing value; rows keep the order of the file, and times that repeat
or go back are only counted, since a row may never depend on a later one; a column that has no number in its first
rows is left out; columns named like labels (`anomaly`, `label`, ...) are left out, since a score that read them
would be no score. Separators `,` and `;` are told apart by the header.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.limits import CSV_BYTES_MAX, CSV_CELLS_MAX, CSV_COLUMNS_MAX, CSV_ROWS_MAX
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["Readings", "read_readings"]

_LABELS = frozenset({"anomaly", "label", "is_anomaly", "changepoint", "outlier", "fault", "anomaly_score"})
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "inf", "-inf", "+inf", "infinity", "-infinity"})
_FORMATS = ("%m/%d/%Y %H:%M", "%m/%d/%y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M:%S")
_PLAIN_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?")
_JUDGED_ROWS = 64  # first rows that decide whether a column is one of numbers: never later ones


@dataclass
class Readings:
    """Rows as they stand in the file: `stamps` as written, `seconds` since 1970 or since the first number."""

    file: str
    stamps: list[str]
    seconds: Floats
    names: list[str]
    values: Floats  # (rows, channels), NaN is missing
    notes: list[str] = field(default_factory=list)

    def row_s(self, rows: int) -> float:
        """The usual seconds between rows, from the first `rows` only; 1 when time stands still."""
        steps = np.diff(self.seconds[: max(rows, 2)])
        steps = steps[steps > 0]
        return float(np.median(steps)) if len(steps) else 1.0


def read_readings(path: Path, *, only: Sequence[str] = (), exclude: Sequence[str] = ()) -> Readings:
    """Read `path`; `only` names the channels wanted (all missing is an error), `exclude` those left out."""
    name = str(path)
    try:
        size = path.stat().st_size
        if size > CSV_BYTES_MAX:
            raise InputError(f"{size:,} bytes; at most {CSV_BYTES_MAX:,}", file=name, fix="split the file")
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
            return _parse(name, lines, only, exclude)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=name, fix="check the path") from error


def _parse(name: str, lines: Iterable[str], only: Sequence[str], exclude: Sequence[str]) -> Readings:
    source = iter(lines)
    head_line = next(source, "")
    delimiter = ";" if head_line.count(";") > head_line.count(",") else ","
    head = [cell.strip().strip('"') for cell in next(csv.reader([head_line], delimiter=delimiter), [])]
    if len(head) < 2 or len(head) > CSV_COLUMNS_MAX:
        raise InputError(
            f"{len(head)} columns; from 2 to {CSV_COLUMNS_MAX:,} are read",
            file=name,
            field="line 1",
            fix="the first column is time, each further one a channel",
        )
    cells = _cells(name, source, delimiter, len(head))
    stamps, rows = [row[0] for row in cells], [row[1:] for row in cells]
    if not rows:
        raise InputError("no rows below the header", file=name, field="line 2", fix="give at least one row")
    notes: list[str] = []
    seconds = _seconds(name, stamps)
    back = int((np.diff(seconds) < 0).sum())
    if back:
        notes.append(f"{back} times go back; rows are scored in the order of the file")
    return _channels(name, head[1:], rows, stamps, seconds, only, exclude, notes)


def _cells(name: str, source: Iterator[str], delimiter: str, columns: int) -> list[list[str]]:
    found: list[list[str]] = []
    reader = csv.reader(source, delimiter=delimiter)
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if len(row) != columns:
                raise InputError(
                    f"{len(row)} cells where the header has {columns}",
                    file=name,
                    field=f"line {reader.line_num + 1}",
                    fix="mend or remove the line",
                )
            found.append(row)
            if len(found) > CSV_ROWS_MAX or len(found) * columns > CSV_CELLS_MAX:
                raise InputError(f"more than {CSV_ROWS_MAX:,} rows or {CSV_CELLS_MAX:,} cells", file=name, fix="split")
    except csv.Error as error:
        line = f"line {reader.line_num + 1}"
        raise InputError(f"not CSV: {error}", file=name, field=line, fix="mend or remove the line") from error
    return found


def _channels(
    name: str,
    head: list[str],
    rows: list[list[str]],
    stamps: list[str],
    seconds: Floats,
    only: Sequence[str],
    exclude: Sequence[str],
    notes: list[str],
) -> Readings:
    dropped, wanted = ({text.lower() for text in texts} for texts in (exclude, only))
    names, columns = [], []
    for index, title in enumerate(head):
        if wanted and title.lower() not in wanted:
            continue
        if not only and (title.lower() in _LABELS or title.lower() in dropped):
            notes.append(f"{title}: left out")
            continue
        column, bad = _numbers([row[index] for row in rows])
        if not np.isfinite(column[:_JUDGED_ROWS]).any() and bad[:_JUDGED_ROWS].any():
            notes.append(f"{title}: no numbers, left out")
            continue
        if bad.any():
            notes.append(f"{title}: {int(bad.sum())} cells are no numbers (first in line {int(bad.argmax()) + 2})")
        names.append(title)
        columns.append(column)
    if not names:
        raise InputError("no column of numbers", file=name, field="line 1", fix=f"name one of {list(only) or head[:5]}")
    return Readings(name, stamps, seconds, names, np.stack(columns, axis=1), notes)


def _numbers(cells: list[str]) -> tuple[Floats, NDArray[np.bool_]]:
    """Values with NaN for missing ones, and which cells were neither a number nor a known word for missing."""
    try:
        column = np.array(cells, np.float64)
        bad = np.zeros(len(cells), bool)
    except ValueError:
        column, bad = np.full(len(cells), np.nan), np.zeros(len(cells), bool)
        for index, cell in enumerate(cells):
            text = cell.strip().strip('"')
            try:
                column[index] = float({"true": "1", "false": "0"}.get(text.lower(), text))
            except ValueError:
                bad[index] = text.lower() not in _MISSING
    return np.where(np.isfinite(column) & (np.abs(column) < 1e150), column, np.nan), bad


def _seconds(name: str, stamps: list[str]) -> Floats:
    """Times as seconds: ISO 8601 (UTC unless it says otherwise), plain numbers as seconds, a few local formats."""
    try:
        numbers = np.array(stamps, np.float64)
        if not np.isfinite(numbers).all():
            line = int((~np.isfinite(numbers)).argmax()) + 2
            raise InputError("a time that is no number", file=name, field=f"line {line}", fix="give each row a time")
        return numbers
    except ValueError:
        pass
    try:
        cleaned = [text.strip().removesuffix("Z").replace(" ", "T", 1) for text in stamps]
        if all(_PLAIN_TIME.fullmatch(text) for text in cleaned):
            return np.array(cleaned, "datetime64[us]").astype(np.int64) / 1e6
    except ValueError:
        pass
    return np.array([_one_time(name, line, text) for line, text in enumerate(stamps, start=2)])


def _one_time(name: str, line: int, text: str) -> float:
    text = text.strip().strip('"')
    for parse in (datetime.fromisoformat, *(lambda t, f=f: datetime.strptime(t, f) for f in _FORMATS)):
        try:
            moment = parse(text)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise InputError(f"{text[:40]!r} is no time", file=name, field=f"line {line}", fix="write 2026-01-31T12:00:00Z")
