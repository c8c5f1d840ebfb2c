"""P6 PMXML: `APIBusinessObjects` with global objects, projects and the baselines of projects.

Percentages are ratios, durations hours, and closing times of work are one minute early (16:59 is 17:00).
"""

from datetime import datetime

from bim.schedule.build import Draft
from bim.schedule.constraints import PMXML_CONSTRAINTS
from bim.schedule.errors import ScheduleError
from bim.schedule.limits import ScheduleLimits
from bim.schedule.pmxml_extras import read_baselines, read_codes, resource_of
from bim.schedule.rows import Assignment, Calendar, Link, Task, Wbs, WorkTime
from bim.schedule.tables import About
from bim.schedule.times import minute_of_day, parse_finish, parse_time
from bim.schedule.wbs_paths import set_paths
from bim.schedule.xml_tree import Node, parse_xml

__all__ = ["read_pmxml"]

_SKIPPED = frozenset({"Spread", "ActivitySpread", "Document", "ProjectDocument", "Currency", "Thumbnail"})
_FIX = "mend it in P6 and export again"
_KINDS = {
    "Task Dependent": "task", "Resource Dependent": "task", "Level of Effort": "level_of_effort",
    "Start Milestone": "start_milestone", "Finish Milestone": "finish_milestone", "WBS Summary": "summary",
}  # fmt: skip
_STATUS = {"Not Started": "not_started", "In Progress": "in_progress", "Completed": "finished"}
_LINKS = {"Finish to Start": "FS", "Start to Start": "SS", "Finish to Finish": "FF", "Start to Finish": "SF"}
_LAG = {
    "Predecessor Activity Calendar": "predecessor", "Successor Activity Calendar": "successor",
    "Project Default Calendar": "project", "24 Hour Calendar": "24h",
}  # fmt: skip
_FLOAT = {"Start Float = Late Start - Early Start": "start", "Smallest of Start Float and Finish Float": "least"}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RATIO = 100.0


def read_pmxml(data: bytes, limits: ScheduleLimits) -> Draft:
    """Rows of one PMXML file; raises ScheduleError with line and field."""
    root = parse_xml(data, limits, _SKIPPED)
    projects = list(root.all("Project"))
    if root.tag != "APIBusinessObjects" or not projects:
        raise ScheduleError("malformed", "it holds no project", line=root.line, fix="export a project from P6")
    draft = Draft(about=_about(root, projects))
    for one in (root, *projects):
        for calendar in one.all("Calendar"):
            _read_calendar(calendar, draft)
    for project in projects:
        _read_project(project, draft)
    set_paths(draft.wbs)
    paths = {one.id: one.path for one in draft.wbs}
    for task in draft.tasks:
        task.wbs_code = paths.get(task.wbs or "", "")
        task.outline = task.wbs_code.count(".")
    read_codes(root, projects, draft)
    read_baselines(root, projects, draft)
    for node in root.all("Resource"):
        draft.resources.append(resource_of(node))
    return draft


def _about(root: Node, projects: list[Node]) -> About:
    main = projects[0]
    options = main.first("ScheduleOptions") or main
    lag = options.text("RelationshipLagCalendar")
    return About(
        format="pmxml",
        version=root.text("Version"),
        encoding="xml",
        name=main.text("Name"),
        projects=tuple(one.text("Id") for one in projects),
        start=main.parsed("PlannedStartDate", parse_time),
        finish=main.parsed("FinishDate", parse_finish),
        must_finish=main.parsed("MustFinishByDate", parse_finish),
        data_date=main.parsed("DataDate", parse_time),
        default_calendar=main.text("ActivityDefaultCalendarObjectId") or None,
        lag_calendar=_LAG.get(lag, "predecessor"),
        progress="override" if options.text("OutOfSequenceScheduleType") == "Progress Override" else "retained",
        float_kind=_FLOAT.get(options.text("ComputeTotalFloatType"), "finish"),
        critical_float_h=main.number("CriticalActivityFloatLimit") or 0.0,
        critical_by="longest_path" if main.text("CriticalActivityPathType") == "Longest Path" else "float",
    )


def _read_calendar(node: Node, draft: Draft) -> None:
    one = Calendar(
        id=node.needed("ObjectId"),
        name=node.text("Name"),
        base=node.text("BaseCalendarObjectId") or None,
        default=node.text("IsDefault") == "1",
        scope=node.text("Type").lower() or "global",
        hours_per_day=node.number("HoursPerDay"),
        hours_per_week=node.number("HoursPerWeek"),
        line=node.line,
    )
    draft.calendars.append(one)
    for day in node.inside("StandardWorkWeek", "StandardWorkHours"):
        name = day.text("DayOfWeek")
        if name not in _WEEKDAYS:
            raise ScheduleError(
                "value", f"{name[:40]!r} is no day of the week", line=day.line, field=one.name, fix="Monday … Sunday"
            )
        draft.work_times.append(
            WorkTime(calendar=one.id, weekday=_WEEKDAYS.index(name), minutes=_minutes(day), line=day.line)
        )
    for exception in node.inside("HolidayOrExceptions", "HolidayOrException"):
        on = exception.parsed("Date", parse_time)
        if on is not None:
            draft.work_times.append(
                WorkTime(
                    calendar=one.id, first=on.date(), last=on.date(), minutes=_minutes(exception), line=exception.line
                )
            )


def _minutes(day: Node) -> list[int]:
    pairs = []
    for one in day.all("WorkTime"):
        opens, closes = one.parsed("Start", minute_of_day), one.parsed("Finish", _closing)
        if opens is not None and closes is not None:
            pairs.append((opens, closes))
    return [minute for pair in sorted(pairs) for minute in pair]


def _closing(text: str) -> int:
    """P6 writes the last minute that is worked: 11:59 closes at 12:00."""
    minute = minute_of_day(text, closing=True)
    return minute + 1 if minute % 10 == 9 else minute


def _read_project(project: Node, draft: Draft) -> None:
    name = project.text("Id")
    for node in project.all("WBS"):
        draft.wbs.append(
            Wbs(
                id=node.needed("ObjectId"),
                parent=node.text("ParentObjectId") or None,
                project=name,
                code=node.text("Code"),
                name=node.text("Name"),
                line=node.line,
            )
        )
    draft.tasks.extend(_task(node, name) for node in project.all("Activity"))
    draft.links.extend(_link(node) for node in project.all("Relationship"))
    for node in project.all("ResourceAssignment"):
        draft.assignments.append(
            Assignment(
                task=node.needed("ActivityObjectId"),
                resource=node.text("ResourceObjectId") or None,
                units=node.number("PlannedUnitsPerTime"),
                planned=node.number("PlannedUnits"),
                actual=node.number("ActualUnits"),
                remaining=node.number("RemainingUnits"),
                start=node.parsed("StartDate", parse_time) or node.parsed("PlannedStartDate", parse_time),
                finish=node.parsed("FinishDate", parse_finish) or node.parsed("PlannedFinishDate", parse_finish),
                line=node.line,
            )
        )


def _task(node: Node, project: str) -> Task:
    status = _STATUS.get(node.text("Status"), "not_started")
    kind = node.text("PercentCompleteType") or "Duration"
    ratio = node.number("PhysicalPercentComplete" if kind == "Physical" else "PercentComplete")
    actual_start, actual_finish = (
        node.parsed("ActualStartDate", parse_time),
        node.parsed("ActualFinishDate", parse_finish),
    )
    start, finish = node.parsed("PlannedStartDate", parse_time), node.parsed("PlannedFinishDate", parse_finish)
    return Task(
        id=node.needed("ObjectId"),
        code=node.text("Id"),
        name=node.text("Name"),
        project=project,
        kind=_KINDS.get(node.text("Type"), "task"),
        wbs=node.text("WBSObjectId") or None,
        calendar=node.text("CalendarObjectId") or None,
        status=status,
        percent=None if ratio is None else min(_RATIO, ratio * _RATIO),
        percent_kind=kind.lower(),
        duration_h=node.number("PlannedDuration"),
        remaining_h=node.number("RemainingDuration"),
        planned_start=start,
        planned_finish=finish,
        planned_from="target" if start is not None else "",
        actual_start=actual_start,
        actual_finish=actual_finish,
        forecast_start=actual_start or _first(node, "RemainingEarlyStartDate", "StartDate", "PlannedStartDate"),
        forecast_finish=actual_finish or _first(node, "RemainingEarlyFinishDate", "FinishDate", "PlannedFinishDate"),
        suspended=node.parsed("SuspendDate", parse_time),
        resumed=node.parsed("ResumeDate", parse_time),
        early_start=node.parsed("EarlyStartDate", parse_time) or node.parsed("RemainingEarlyStartDate", parse_time),
        early_finish=node.parsed("EarlyFinishDate", parse_finish)
        or node.parsed("RemainingEarlyFinishDate", parse_finish),
        late_start=node.parsed("LateStartDate", parse_time) or node.parsed("RemainingLateStartDate", parse_time),
        late_finish=node.parsed("LateFinishDate", parse_finish) or node.parsed("RemainingLateFinishDate", parse_finish),
        total_float_h=node.number("TotalFloat"),
        free_float_h=node.number("FreeFloat"),
        constraint=PMXML_CONSTRAINTS.get(node.text("PrimaryConstraintType"), ""),
        constraint_at=node.parsed("PrimaryConstraintDate", parse_time),
        constraint2=PMXML_CONSTRAINTS.get(node.text("SecondaryConstraintType"), ""),
        constraint2_at=node.parsed("SecondaryConstraintDate", parse_time),
        line=node.line,
    )


def _first(node: Node, *tags: str) -> datetime | None:
    return next((found for tag in tags if (found := node.parsed(tag, parse_time)) is not None), None)


def _link(node: Node) -> Link:
    kind = node.text("Type")
    if kind not in _LINKS:
        raise ScheduleError(
            "value", f"there is no link type {kind[:40]!r}", line=node.line, field="Relationship, Type", fix=_FIX
        )
    return Link(
        predecessor=node.needed("PredecessorActivityObjectId"),
        successor=node.needed("SuccessorActivityObjectId"),
        type=_LINKS[kind],
        lag_h=node.number("Lag") or 0.0,
        line=node.line,
    )
