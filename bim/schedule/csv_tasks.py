"""CSV: one row a task, or one row an element and task (a column GlobalId), as people and 4D tools export it.

```
id,name,start,finish,duration,predecessors,percent,actual_start,actual_finish,wbs,Storey
A100,Raft,2026-03-02,2026-03-06,5d,,100,2026-03-02,2026-03-09,1.1,00
A110,Columns,2026-03-09,2026-03-13,5d,A100FS+1d,,,,1.2,00
```
Names of columns may be those of COLUMNS; any other column becomes a field of its tasks. Comma, semicolon or tab.
A date alone is the whole day; a duration is `5d` (8 hours each), `40h`, `2w`, or a number of days.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bim.schedule.build import Draft
from bim.schedule.constraints import LINK_TYPES
from bim.schedule.decode import decode
from bim.schedule.errors import ScheduleError
from bim.schedule.rows import Baseline, Code, ElementTask, Link, Task
from bim.schedule.tables import About
from bim.schedule.times import parse_finish, parse_time

__all__ = ["COLUMNS", "read_csv"]

T = TypeVar("T")
_HOURS = {"h": 1.0, "d": 8.0, "w": 40.0, "": 8.0}
_GLOBAL_ID = re.compile(r"[0-9A-Za-z_$]{22}")
_LINK_CHARS_MAX = 200  # an id, a type, a lag
_DURATION = re.compile(r"(-?\d+(?:[.,]\d+)?)\s*(e?)(h|d|w|)(?:ours?|ays?|eeks?|r?s)?", re.IGNORECASE)
_LINK = re.compile(r"(.+?)\s*(?:(FS|SS|FF|SF)\s*)?(?:([+-])\s*(\d+(?:[.,]\d+)?)\s*(e?)(h|d|w|%|))?", re.IGNORECASE)

# field: what a column may be called, without case, spaces and underscores
COLUMNS: dict[str, tuple[str, ...]] = {
    "element": ("globalid", "guid", "ifcguid", "elementid"),
    "id": ("taskid", "id", "uid", "activityid", "task", "code"),
    "name": ("taskname", "name", "activityname", "description"),
    "start": ("start", "plannedstart", "taskstart", "startdate"),
    "finish": ("finish", "plannedfinish", "taskfinish", "end", "finishdate", "enddate"),
    "actual_start": ("actualstart", "actstart"),
    "actual_finish": ("actualfinish", "actfinish", "actualend"),
    "forecast_start": ("forecaststart", "currentstart"),
    "forecast_finish": ("forecastfinish", "currentfinish", "forecastend"),
    "baseline_start": ("baselinestart",),
    "baseline_finish": ("baselinefinish", "baselineend"),
    "duration": ("duration", "durationdays", "originalduration"),
    "percent": ("percent", "percentcomplete", "%complete", "complete"),
    "predecessors": ("predecessors", "predecessor"),
    "wbs": ("wbs", "wbscode"),
    "parent": ("parent", "parentid"),
    "kind": ("kind", "type", "activitytype"),
}
_KINDS = {
    "": "task", "task": "task", "milestone": "finish_milestone", "startmilestone": "start_milestone",
    "finishmilestone": "finish_milestone", "summary": "summary", "levelofeffort": "level_of_effort",
}  # fmt: skip


@dataclass(slots=True)
class _Row:
    line: int
    fields: dict[str, str]
    others: dict[str, str]

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    def parsed(self, name: str, parse: Callable[[str], T]) -> T | None:
        value = self.fields.get(name, "")
        if not value:
            return None
        try:
            return parse(value)
        except ValueError as error:
            raise ScheduleError("value", str(error), line=self.line, field=name, fix="mend this cell") from error


def read_csv(data: bytes, encoding: str = "") -> Draft:
    """Rows of one CSV file; raises ScheduleError with line and column."""
    text, used, warnings = decode(data, encoding)
    draft = Draft(about=About(format="csv", encoding=used, lag_calendar="predecessor"), warnings=warnings)
    known: dict[str, Task] = {}
    for row in _rows(text):
        task = _task(row)
        element = row.text("element")
        if element:
            if not _GLOBAL_ID.fullmatch(element):
                problem = f"{element[:40]!r} is not a GlobalId"
                raise ScheduleError(
                    "value", problem, line=row.line, field="element", fix="give the 22 characters of IFC"
                )
            draft.element_tasks.append(ElementTask(element=element, task=task.id, how="file", line=row.line))
            if task.id in known:
                _refuse_other_dates(known[task.id], task)
                continue
        known[task.id] = task
        draft.tasks.append(task)
        draft.links.extend(_links(row, task.id))
        _read_extras(row, task, draft)
    if not draft.tasks:
        raise ScheduleError("format", "it has no row", fix="give one row a task")
    return draft


def _rows(text: str) -> Iterator[_Row]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(reader)]
        plain = [re.sub(r"[\s_-]", "", name).lower() for name in names]
        places = {
            key: next((plain.index(one) for one in aliases if one in plain), -1) for key, aliases in COLUMNS.items()
        }
        if places["id"] < 0 and places["name"] < 0:
            fix = f"name one of {', '.join(COLUMNS['id'][:4])}"
            raise ScheduleError("format", "no column holds the task's id", line=1, fix=fix)
        if places["element"] < 0 and places["start"] < 0 and places["duration"] < 0:
            fix = "give start and finish, or duration and predecessors"
            raise ScheduleError("format", "no column holds dates or durations", line=1, fix=fix)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            values = [cell.strip() for cell in cells] + [""] * (len(names) - len(cells))
            fields = {key: values[place] for key, place in places.items() if place >= 0}
            taken = set(places.values())
            others = {name: values[at] for at, name in enumerate(names) if at not in taken and name and values[at]}
            yield _Row(reader.line_num, fields, others)
    except (csv.Error, StopIteration) as error:
        raise ScheduleError("malformed", str(error), line=reader.line_num, fix="mend the CSV") from error


def _task(row: _Row) -> Task:
    key = row.text("id") or row.text("name")
    if not key:
        raise ScheduleError("value", "it is empty", line=row.line, field="id", fix="give every task an id")
    start, finish = row.parsed("start", parse_time), row.parsed("finish", parse_finish)
    actual_start, actual_finish = row.parsed("actual_start", parse_time), row.parsed("actual_finish", parse_finish)
    percent = row.parsed("percent", _percent)
    done = actual_finish is not None or (percent is not None and percent >= 100.0)
    kind = re.sub(r"[\s_-]", "", row.text("kind")).lower()
    return Task(
        id=key,
        code=key,
        name=row.text("name"),
        manual=not row.text("duration") and not row.text("predecessors"),  # dates that somebody typed
        kind=_KINDS.get(kind, "task"),
        parent=row.text("parent") or None,
        wbs_code=row.text("wbs"),
        status="finished" if done else "in_progress" if actual_start is not None or percent else "not_started",
        percent=percent,
        percent_kind="duration" if percent is not None else "",
        duration_h=row.parsed("duration", _duration),
        planned_start=start,
        planned_finish=finish,
        planned_from="schedule" if start is not None else "",
        actual_start=actual_start,
        actual_finish=actual_finish,
        forecast_start=actual_start or row.parsed("forecast_start", parse_time) or start,
        forecast_finish=actual_finish or row.parsed("forecast_finish", parse_finish) or finish,
        line=row.line,
    )


def _percent(text: str) -> float:
    value = float(text.rstrip("% ").replace(",", "."))
    if not 0.0 <= value <= 100.0:
        raise ValueError(f"{text[:40]!r} is not between 0 and 100")
    return value


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is not a duration such as 5d or 40h")
    return float(found[1].replace(",", ".")) * _HOURS[found[3].lower()]


def _links(row: _Row, successor: str) -> Iterator[Link]:
    for part in re.split(r"[;,|]", row.text("predecessors")):
        if not part.strip():
            continue
        found = _LINK.fullmatch(part.strip()) if len(part) <= _LINK_CHARS_MAX else None
        if found is None:
            problem = f"{part[:40]!r} is no link"
            raise ScheduleError("value", problem, line=row.line, field="predecessors", fix="write A100 or A100FS+1d")
        kind = (found[2] or "FS").upper()
        assert kind in LINK_TYPES
        lag = float((found[4] or "0").replace(",", ".")) * (-1.0 if found[3] == "-" else 1.0)
        percent, elapsed = found[6] == "%", bool(found[5])
        hours = {"h": 1.0, "d": 24.0, "w": 168.0, "": 24.0} if elapsed else _HOURS
        yield Link(
            predecessor=found[1].strip(),
            successor=successor,
            type=kind,
            lag_h=lag if percent else lag * hours[(found[6] or "").lower()],
            lag_kind=("elapsed_percent" if elapsed else "percent") if percent else ("elapsed" if elapsed else "work"),
            line=row.line,
        )


def _read_extras(row: _Row, task: Task, draft: Draft) -> None:
    start: datetime | None = row.parsed("baseline_start", parse_time)
    finish = row.parsed("baseline_finish", parse_finish)
    if start is not None or finish is not None:
        draft.baselines.append(Baseline(task=task.id, name="0", start=start, finish=finish, line=row.line))
    for name, value in row.others.items():
        draft.codes.append(Code(task=task.id, type=name, value=value, kind="field", line=row.line))


def _refuse_other_dates(first: Task, again: Task) -> None:
    if (first.planned_start, first.planned_finish) != (again.planned_start, again.planned_finish):
        problem = f"the task {again.id!r} has other dates in line {first.line}"
        raise ScheduleError(
            "value", problem, line=again.line, field="start", fix="give a task the same dates everywhere"
        )
