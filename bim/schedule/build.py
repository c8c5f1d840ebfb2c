"""From a reader's rows to checked tables: ids are unique, ends of links are there or named as outside.

What can be said and lived with becomes a warning; what would make the answer wrong is refused.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bim.schedule.errors import ScheduleError
from bim.schedule.limits import ScheduleLimits
from bim.schedule.rows import Assignment, Baseline, Calendar, Code, ElementTask, Link, Resource, Task, Wbs, WorkTime
from bim.schedule.tables import TABLES, About, Schedule, table_of

__all__ = ["Draft", "build"]


@dataclass(slots=True)
class Draft:
    """What a reader hands over: rows by table, and about the file."""

    about: About
    tasks: list[Task] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    calendars: list[Calendar] = field(default_factory=list)
    work_times: list[WorkTime] = field(default_factory=list)
    baselines: list[Baseline] = field(default_factory=list)
    wbs: list[Wbs] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    element_tasks: list[ElementTask] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def build(draft: Draft, limits: ScheduleLimits) -> Schedule:
    """The schedule of a draft; raises ScheduleError for what no reading can mend."""
    if len(draft.tasks) > limits.tasks:
        raise ScheduleError("too_big", f"{len(draft.tasks)} tasks; the bound is {limits.tasks}", fix="split it")
    for name in TABLES:
        if len(getattr(draft, name)) > limits.rows:
            raise ScheduleError("too_big", f"more than {limits.rows} rows of {name}", fix="export less of it")
    for name in ("tasks", "calendars", "resources"):
        _refuse_duplicates(name, getattr(draft, name))
    _settle_references(draft)
    _settle_links(draft)
    _note_odd_dates(draft)
    tables = {name: table_of(getattr(draft, name), row) for name, row in TABLES.items()}
    stated = any(task.early_start is not None and task.late_start is not None for task in draft.tasks)
    warnings = _bounded(draft.warnings, limits.warnings)
    return Schedule(msgspec.structs.replace(draft.about, scheduled=stated, warnings=tuple(warnings)), tables)


def _refuse_duplicates(name: str, found: Iterable[Any]) -> None:
    seen: dict[str, int] = {}
    for row in found:
        if row.id in seen:
            problem = f"the id {row.id!r} is that of the one in line {seen[row.id]} too"
            raise ScheduleError(
                "duplicate", problem, line=row.line, field=name, fix="export the schedule again from its tool"
            )
        seen[row.id] = row.line


def _settle_references(draft: Draft) -> None:
    """A reference to what is not in the file becomes null and a warning; a calendar's base must not go in circles."""
    tasks, calendars = {task.id for task in draft.tasks}, {one.id for one in draft.calendars}
    resources, wbs = {one.id for one in draft.resources}, {one.id for one in draft.wbs}
    lost: Counter[str] = Counter()

    def settle(found: Iterable[Any], name: str, known: set[str], what: str) -> None:
        for row in found:
            value = getattr(row, name)
            if value is not None and value not in known:
                setattr(row, name, None)
                lost[what] += 1

    settle(draft.tasks, "calendar", calendars, "tasks name a calendar that is not in the file: the default is used")
    settle(draft.tasks, "parent", tasks, "tasks name a parent that is not in the file")
    settle(draft.tasks, "wbs", wbs, "tasks name a WBS node that is not in the file")
    settle(draft.calendars, "base", calendars, "calendars name a base that is not in the file")
    settle(draft.resources, "calendar", calendars, "resources name a calendar that is not in the file")
    settle(draft.assignments, "resource", resources, "assignments name a resource that is not in the file")
    for name in ("assignments", "codes", "baselines", "element_tasks"):
        kept = [row for row in getattr(draft, name) if row.task in tasks]
        lost[f"{name} belong to a task that is not in the file and are left out"] += len(getattr(draft, name)) - len(
            kept
        )
        setattr(draft, name, kept)
    draft.work_times = [row for row in draft.work_times if row.calendar in calendars]
    _break_circles(draft, lost)
    draft.warnings.extend(f"{count} {what}" for what, count in lost.items() if count)


def _break_circles(draft: Draft, lost: Counter[str]) -> None:
    for found, name in ((draft.calendars, "base"), (draft.tasks, "parent")):
        above = {row.id: getattr(row, name) for row in found}
        settled: set[str] = set()
        for row in found:
            path: set[str] = set()
            one: str | None = row.id
            while one is not None and one not in settled:
                if one in path:
                    setattr(row, name, None)
                    above[row.id] = None
                    lost[f"rows are their own {name} and are taken as the top"] += 1
                    break
                path.add(one)
                one = above[one]
            settled |= path


def _settle_links(draft: Draft) -> None:
    """Links to tasks of other projects keep the name of that end; doubled and self-referring ones are left out."""
    tasks = {task.id for task in draft.tasks}
    kept, lost = [], Counter[str]()
    seen: set[tuple[str | None, str | None, str, float, str]] = set()
    for link in draft.links:
        missing = [end for end in (link.predecessor, link.successor) if end not in tasks]
        key = (link.predecessor, link.successor, link.type, link.lag_h, link.lag_kind)
        if len(missing) == 2:
            lost["links have neither end in the file and are left out"] += 1
        elif link.predecessor == link.successor:
            lost["links go from a task to itself and are left out"] += 1
        elif key in seen:
            lost["links are there twice and are taken once"] += 1
        else:
            seen.add(key)
            if missing:
                link.outside = missing[0] or ""
                link.predecessor = link.predecessor if link.predecessor in tasks else None
                link.successor = link.successor if link.successor in tasks else None
                lost["links lead to a task outside the file: they do not drive dates"] += 1
            kept.append(link)
    draft.links = kept
    draft.warnings.extend(f"{count} {what}" for what, count in lost.items() if count)


def _note_odd_dates(draft: Draft) -> None:
    for name in ("planned", "actual", "forecast"):
        odd = [task for task in draft.tasks if _ends_before(task, name)]
        if odd:
            first = odd[0].code or odd[0].id
            draft.warnings.append(f"{len(odd)} tasks have a {name} finish before their {name} start (first: {first})")


def _ends_before(task: Task, name: str) -> bool:
    start, finish = getattr(task, f"{name}_start"), getattr(task, f"{name}_finish")
    return start is not None and finish is not None and bool(finish < start)


def _bounded(warnings: list[str], count_max: int) -> list[str]:
    rest = len(warnings) - count_max
    return [*warnings[:count_max], f"and {rest} more"] if rest > 0 else list(warnings)
