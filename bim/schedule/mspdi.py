"""MSPDI: the XML of Microsoft Project, which Asta, Synchro, ProjectLibre and others write too.

Project's row 0 (the project summary) is a summary task. Planned dates are those of baseline 0; a task without one
is planned as it is scheduled (`planned_from`).
"""

from datetime import datetime

from bim.schedule.build import Draft
from bim.schedule.constraints import MSP_CONSTRAINTS, MSP_LINKS
from bim.schedule.errors import ScheduleError
from bim.schedule.limits import ScheduleLimits
from bim.schedule.mspdi_calendar import read_calendars
from bim.schedule.rows import Assignment, Baseline, Code, Link, Resource, Task
from bim.schedule.tables import About
from bim.schedule.times import duration_hours, parse_finish, parse_time
from bim.schedule.xml_tree import Node, parse_xml

__all__ = ["read_mspdi", "read_mspdi_tree"]

_SKIPPED = frozenset({"TimephasedData", "Views", "Filters", "Groups", "Tables", "Maps", "Reports", "Drawings"})
_NO_CALENDAR = ("", "-1", "0")
_NO_RESOURCE = ("", "-65535", "-65534")
_ELAPSED = frozenset({4, 6, 8, 10, 12, 20, 36, 38, 40, 42, 44, 52})  # duration formats that run round the clock
_PERCENT = frozenset({19, 20, 51, 52})
_RESOURCE = {"0": "material", "1": "labour", "2": "cost"}
_MINUTES_PER_TENTH = 0.1
_MINUTES_PER_SLACK = 0.1
_FIX = "mend it in its tool and export again"


def read_mspdi(data: bytes, limits: ScheduleLimits) -> Draft:
    """Rows of one MSPDI file; raises ScheduleError with line and field."""
    return read_mspdi_tree(parse_xml(data, limits, _SKIPPED))


def read_mspdi_tree(project: Node) -> Draft:
    """Rows of a parsed MSPDI document."""
    draft = Draft(about=_about(project))
    read_calendars(project, draft)
    fields = {
        one.text("FieldID"): one.text("Alias") or one.text("FieldName")
        for one in project.inside("ExtendedAttributes", "ExtendedAttribute")
    }
    outline_codes = _outline_codes(project)
    above: list[Task] = []  # the tasks that may hold the next one, outermost first
    for node in project.inside("Tasks", "Task"):
        if node.text("IsNull") == "1":
            continue  # an empty row of the sheet
        task = _task(node, draft.about.name)
        while above and above[-1].outline >= task.outline:
            above.pop()
        task.parent = above[-1].id if above else None
        above.append(task)
        draft.tasks.append(task)
        draft.links.extend(_link(link, task.id) for link in node.all("PredecessorLink"))
        _read_baselines(node, task, draft)
        _read_codes(node, task, fields, outline_codes, draft)
    _read_resources(project, draft)
    return draft


def _about(project: Node) -> About:
    name = project.text("Title") or project.text("Name")
    days = project.number("CriticalSlackLimit") or 0.0
    hours_per_day = (project.number("MinutesPerDay") or 480.0) / 60
    return About(
        format="mspdi",
        version=project.text("SaveVersion"),
        encoding="xml",
        name=name,
        projects=(name,),
        start=project.parsed("StartDate", parse_time),
        finish=project.parsed("FinishDate", parse_finish),
        data_date=project.parsed("StatusDate", parse_time),
        default_calendar=project.text("CalendarUID") or None,
        lag_calendar="successor",
        critical_float_h=days * hours_per_day,
    )


def _task(node: Node, project: str) -> Task:
    start, finish = node.parsed("Start", parse_time), node.parsed("Finish", parse_finish)
    actual_start, actual_finish = node.parsed("ActualStart", parse_time), node.parsed("ActualFinish", parse_finish)
    percent = node.number("PercentComplete")
    slack = node.number("TotalSlack")
    free = node.number("FreeSlack")
    critical = node.text("Critical")
    return Task(
        id=node.needed("UID"),
        code=node.text("ID"),
        name=node.text("Name"),
        project=project,
        kind=_kind(node),
        wbs_code=node.text("WBS"),
        outline=int(node.number("OutlineLevel") or 0) if (node.number("OutlineLevel") or 0) < 1000 else 0,
        calendar=None if node.text("CalendarUID") in _NO_CALENDAR else node.text("CalendarUID"),
        active=node.text("Active") != "0",
        manual=node.text("Manual") == "1",
        status=_status(actual_start, actual_finish, percent),
        percent=percent,
        percent_kind="duration" if percent is not None else "",
        duration_h=node.parsed("Duration", duration_hours),
        duration_kind="elapsed" if _code(node, "DurationFormat") in _ELAPSED else "work",
        remaining_h=node.parsed("RemainingDuration", duration_hours),
        planned_start=start,
        planned_finish=finish,
        planned_from="schedule" if start is not None else "",
        actual_start=actual_start,
        actual_finish=actual_finish,
        forecast_start=actual_start or start,
        forecast_finish=actual_finish or finish,
        suspended=node.parsed("Stop", parse_time) if node.text("Stop") != "NA" else None,
        resumed=node.parsed("Resume", parse_time) if node.text("Resume") != "NA" else None,
        early_start=node.parsed("EarlyStart", parse_time),
        early_finish=node.parsed("EarlyFinish", parse_finish),
        late_start=node.parsed("LateStart", parse_time),
        late_finish=node.parsed("LateFinish", parse_finish),
        total_float_h=None if slack is None else slack * _MINUTES_PER_SLACK / 60,
        free_float_h=None if free is None else free * _MINUTES_PER_SLACK / 60,
        critical=None if critical == "" else critical == "1",
        constraint=_constraint(node),
        constraint_at=node.parsed("ConstraintDate", parse_time),
        deadline=node.parsed("Deadline", parse_finish),
        line=node.line,
    )


def _kind(node: Node) -> str:
    if node.text("Summary") == "1" or node.text("UID") == "0":
        return "summary"
    return "finish_milestone" if node.text("Milestone") == "1" else "task"


def _status(actual_start: datetime | None, actual_finish: datetime | None, percent: float | None) -> str:
    if actual_finish is not None or (percent is not None and percent >= 100):
        return "finished"
    return "in_progress" if actual_start is not None or percent else "not_started"


def _code(node: Node, tag: str) -> int:
    return int(node.number(tag) or 0)


def _constraint(node: Node) -> str:
    code = node.text("ConstraintType") or "0"
    if code not in MSP_CONSTRAINTS:
        field = node.where("ConstraintType")
        raise ScheduleError("value", f"there is no constraint {code[:40]!r}", line=node.line, field=field, fix=_FIX)
    return MSP_CONSTRAINTS[code]


def _link(node: Node, successor: str) -> Link:
    kind = node.text("Type") or "1"
    if kind not in MSP_LINKS:
        field = f"Task {successor}, PredecessorLink, Type"
        raise ScheduleError("value", f"there is no link type {kind[:40]!r}", line=node.line, field=field, fix=_FIX)
    lag, form = node.number("LinkLag") or 0.0, _code(node, "LagFormat")
    elapsed, percent = form in _ELAPSED, form in _PERCENT
    outside = node.text("CrossProjectName") if node.text("CrossProject") == "1" else ""
    return Link(
        predecessor=outside or node.needed("PredecessorUID"),
        successor=successor,
        type=MSP_LINKS[kind],
        lag_h=lag if percent else lag * _MINUTES_PER_TENTH / 60,
        lag_kind=("elapsed_percent" if elapsed else "percent") if percent else ("elapsed" if elapsed else "work"),
        line=node.line,
    )


def _read_baselines(node: Node, task: Task, draft: Draft) -> None:
    for one in node.all("Baseline"):
        baseline = Baseline(
            task=task.id,
            name=one.text("Number") or "0",
            start=one.parsed("Start", parse_time),
            finish=one.parsed("Finish", parse_finish),
            duration_h=one.parsed("Duration", duration_hours),
            work_h=one.parsed("Work", duration_hours),
            line=one.line,
        )
        draft.baselines.append(baseline)
        if baseline.name == "0" and baseline.start is not None and baseline.finish is not None:
            task.planned_start, task.planned_finish = baseline.start, baseline.finish
            task.planned_from = "baseline"


def _outline_codes(project: Node) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(field, value id): name of the code, its value, what it means."""
    found = {}
    for code in project.inside("OutlineCodes", "OutlineCode"):
        name = code.text("Alias") or code.text("FieldName")
        for value in code.inside("Values", "Value"):
            found[code.text("FieldID"), value.text("ValueID")] = (name, value.text("Value"), value.text("Description"))
    return found


def _read_codes(
    node: Node,
    task: Task,
    fields: dict[str, str],
    outline_codes: dict[tuple[str, str], tuple[str, str, str]],
    draft: Draft,
) -> None:
    for one in node.all("ExtendedAttribute"):
        name, value = fields.get(one.text("FieldID"), one.text("FieldID")), one.text("Value")
        if value:
            draft.codes.append(Code(task=task.id, type=name, value=value, kind="field", line=one.line))
    for one in node.all("OutlineCode"):
        known = outline_codes.get((one.text("FieldID"), one.text("ValueID")))
        if known is not None:
            draft.codes.append(Code(task=task.id, type=known[0], value=known[1], text=known[2], line=one.line))


def _read_resources(project: Node, draft: Draft) -> None:
    for node in project.inside("Resources", "Resource"):
        if node.text("IsNull") == "1" or not node.text("Name"):
            continue  # row 0 stands for "nobody"
        draft.resources.append(
            Resource(
                id=node.needed("UID"),
                code=node.text("Code") or node.text("Initials"),
                name=node.text("Name"),
                kind=_RESOURCE.get(node.text("Type"), "labour"),
                calendar=None if node.text("CalendarUID") in _NO_CALENDAR else node.text("CalendarUID"),
                unit=node.text("MaterialLabel"),
                max_units=node.number("MaxUnits"),
                line=node.line,
            )
        )
    for node in project.inside("Assignments", "Assignment"):
        resource = node.text("ResourceUID")
        draft.assignments.append(
            Assignment(
                task=node.needed("TaskUID"),
                resource=None if resource in _NO_RESOURCE else resource,
                units=node.number("Units"),
                planned=node.parsed("Work", duration_hours),
                actual=node.parsed("ActualWork", duration_hours),
                remaining=node.parsed("RemainingWork", duration_hours),
                start=node.parsed("Start", parse_time),
                finish=node.parsed("Finish", parse_finish),
                line=node.line,
            )
        )
