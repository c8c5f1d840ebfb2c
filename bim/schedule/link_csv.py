"""A CSV of links: columns for the element's GlobalId and for the task (id, code or name).

```
GlobalId,task_id,task_name,start
0$5GRLLgn7I8ZPcI7rOsbG,ST00370,Afstorten kanaalplaat,2015-04-16
```
Name and start of the task may be there too: a 4D tool gives tasks ids of its own, which their planning tool never saw,
and then the name with the day of the start tells which task is meant. Any other column is left alone.
"""

import csv
import re
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.csv_tasks import COLUMNS
from bim.schedule.decode import decode
from bim.schedule.errors import ScheduleError
from bim.schedule.rows import ElementTask
from bim.schedule.tables import Schedule, schema_of
from bim.schedule.task_names import TaskNames
from bim.schedule.times import parse_time

__all__ = ["GIVEN_LINKS", "read_links", "resolve_links"]

GIVEN_LINKS = pa.schema(
    [
        pa.field("element", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),  # of the task, "" when it is not given
        pa.field("start", pa.date32()),  # planned, null when it is not given
        pa.field("detail", pa.string(), nullable=False),  # "line 7"
    ]
)
_BYTES_MAX = 128 << 20  # a million links with names and dates
_ROWS_MAX = 2_000_000
_TASK_CHARS_MAX = 500
_BY_NAME_AND_DAY, _BY_NAME = 0.9, 0.8  # how sure a link is whose task was not known by its id
_GLOBAL_ID = re.compile(r"[0-9A-Za-z_$]{22}")
_FIX = "give a CSV with the columns GlobalId and task_id"


def read_links(path: Path, encoding: str = "") -> pa.Table:
    """Rows of table GIVEN_LINKS, each pair once; raises ScheduleError with file, line and column."""
    try:
        if not path.is_file():
            raise ScheduleError("missing", "no such file", fix=_FIX)
        if path.stat().st_size > _BYTES_MAX:
            raise ScheduleError("too_big", f"more than {_BYTES_MAX >> 20} MiB", fix="leave other columns out")
        return _read(path.read_bytes(), encoding)
    except ScheduleError as refusal:
        raise refusal.in_file(str(path)) from refusal.__cause__
    except (OSError, ValueError) as error:
        raise ScheduleError("missing", str(error), file=str(path), fix=_FIX) from error


def resolve_links(given: pa.Table, schedule: Schedule) -> tuple[pa.Table, list[str]]:
    """Rows of GIVEN_LINKS as ElementTask rows, and the tasks that were not found.

    A task is what its id, code or unique name says; else the only one of that name that starts on that day.
    """
    key = pc.binary_join_element_wise(
        given["task"], given["name"], given["start"].cast(pa.string()).fill_null(""), "\x1f"
    ).combine_chunks()
    coded = key.dictionary_encode()
    first = pc.index_in(coded.dictionary, value_set=key)  # a row that has each of the different keys
    match = _Matcher(schedule)
    known = [match(row["task"], row["name"], row["start"]) for row in given.take(first).to_pylist()]
    missing = sorted(
        {row["task"] for row, found in zip(given.take(first).to_pylist(), known, strict=True) if not found[0]}
    )
    task, confidence, how = (
        pa.array([one[at] for one in known], kind).take(coded.indices)
        for at, kind in enumerate((pa.string(), pa.float64(), pa.string()))
    )
    columns = {
        "element": given["element"], "task": task, "how": pa.array(["file"] * len(key), pa.string()),
        "role": pa.array(["output"] * len(key), pa.string()), "confidence": confidence,
        "detail": pc.binary_join_element_wise(given["detail"], how, ""),
        "line": pa.array(np.zeros(len(key), np.int32)),
    }  # fmt: skip
    schema = schema_of(ElementTask)
    table = pa.table({name: columns[name] for name in schema.names})
    return table.filter(pc.is_valid(table["task"])).cast(schema), missing


class _Matcher:
    """Finds a task by what a link file says of it: (id or None, how sure, by what)."""

    def __init__(self, schedule: Schedule) -> None:
        self._names = TaskNames(schedule)
        self._by_day: dict[tuple[str, date], list[str]] = defaultdict(list)
        for row in schedule.tasks.select(["id", "name", "planned_start"]).to_pylist():
            if row["planned_start"] is not None:
                self._by_day[row["name"].strip().lower(), row["planned_start"].date()].append(row["id"])

    def __call__(self, task: str, name: str, start: date | None) -> tuple[str | None, float, str]:
        if (by_id := self._names.id(task)) is not None:
            return by_id, 1.0, ""
        if start is not None and len(same := self._by_day.get((name.lower(), start), [])) == 1:
            return same[0], _BY_NAME_AND_DAY, ", by name and start"
        if name and (by_name := self._names.named(name)) is not None:
            return by_name, _BY_NAME, ", by name"
        return None, 0.0, ""


def _read(data: bytes, encoding: str) -> pa.Table:
    text, _, _ = decode(data, encoding)
    head = text.split("\n", 1)[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(",;\t", key=head.count))
    found: dict[tuple[str, str], tuple[str, date | None, str]] = {}
    try:
        places = _places(next(reader, []))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            values = {field: cells[at].strip() if at < len(cells) else "" for field, at in places.items()}
            pair = (values["element"], values["task"])
            _check(pair, reader.line_num)
            found.setdefault(pair, (values.get("name", ""), _day(values.get("start", "")), f"line {reader.line_num}"))
            if len(found) > _ROWS_MAX:
                raise ScheduleError("too_big", f"more than {_ROWS_MAX} links", fix="link by rules instead")
    except csv.Error as error:
        raise ScheduleError("malformed", str(error), line=reader.line_num, fix="mend the CSV") from error
    if not found:
        raise ScheduleError("format", "it has no link", fix=_FIX)
    columns = list(zip(*((*pair, *more) for pair, more in found.items()), strict=True))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, GIVEN_LINKS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=GIVEN_LINKS)


def _places(names: list[str]) -> dict[str, int]:
    """Column of each field."""
    plain = [re.sub(r"[\s_-]", "", name.lstrip("\ufeff")).lower() for name in names]
    fields = {"element": COLUMNS["element"], "task": (*COLUMNS["id"], *COLUMNS["name"])}
    found = {}
    for field, aliases in (fields | {name: COLUMNS[name] for name in ("name", "start")}).items():
        place = next((plain.index(one) for one in aliases if one in plain), -1)
        if place >= 0:
            found[field] = place
        elif field in fields:
            fix = f"name one of {', '.join(aliases[:4])}"
            raise ScheduleError("format", f"no column is one of {', '.join(aliases[:4])}", line=1, fix=fix)
    return found


def _day(text: str) -> date | None:
    """The day of a start; what cannot be read tells nothing, the id does."""
    try:
        return parse_time(text).date() if text else None
    except ValueError:
        return None


def _check(pair: tuple[str, str], line: int) -> None:
    element, task = pair
    if not _GLOBAL_ID.fullmatch(element):
        problem = f"{element[:40]!r} is not a GlobalId"
        raise ScheduleError("value", problem, line=line, field="element", fix="give the 22 characters of IFC")
    if not task or len(task) > _TASK_CHARS_MAX:
        problem = f"a task has 1 to {_TASK_CHARS_MAX} characters"
        raise ScheduleError("value", problem, line=line, field="task", fix="give its id or code")
