"""IfcWorkSchedule: tasks, times, sequences, calendars and the elements that tasks make, in IFC4, IFC4X3 and IFC2X3.

A task's elements come from IfcRelAssignsToProduct (what it makes) and IfcRelAssignsToProcess (what it works on).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from bim.schedule.build import Draft
from bim.schedule.errors import ScheduleError
from bim.schedule.ifc_calendar import CALENDAR_CLASSES, read_calendars
from bim.schedule.ifc_times import TIME_CLASSES, read_times
from bim.schedule.limits import ScheduleLimits
from bim.schedule.rows import ElementTask, Link, Task
from bim.schedule.step_instances import Instances, Ref, read_instances
from bim.schedule.tables import About
from bim.schedule.times import duration_hours, parse_finish, parse_time

__all__ = ["read_ifc"]

T = TypeVar("T")
_CLASSES = {
    "IFCTASK": 9, "IFCRELSEQUENCE": 8, "IFCLAGTIME": 5, "IFCRELNESTS": 6, "IFCWORKSCHEDULE": 12, "IFCWORKPLAN": 12,
    "IFCRELASSIGNSTOPROCESS": 7, "IFCRELASSIGNSTOPRODUCT": 7, "IFCRELASSIGNSTOCONTROL": 7,
    **TIME_CLASSES, **CALENDAR_CLASSES,
}  # fmt: skip
_SEQUENCES = {"START_START": "SS", "START_FINISH": "SF", "FINISH_START": "FS", "FINISH_FINISH": "FF", None: "FS"}
_SCHEDULES = ("IFCWORKSCHEDULE", "IFCWORKPLAN")
_FIX = "mend the schedule in its tool and export the model again"
_RATIO = 100.0
_TASK_ATTRIBUTES, _TASK_ATTRIBUTES_2X3 = 13, 10


def read_ifc(data: bytes, limits: ScheduleLimits) -> Draft:
    """Rows of the schedules of one model; raises ScheduleError, also when the model has no task."""
    step = read_instances(data, _CLASSES)
    if not step.of_class("IFCTASK"):
        raise ScheduleError(
            "format", "the model has no IfcTask", fix="give a model with a work schedule, or a schedule file"
        )
    old = step.schema.startswith("IFC2X")
    times = read_times(step, old)
    draft = Draft(about=_about(step, old, times))
    read_calendars(step, draft)
    for number, values in step.of_class("IFCTASK"):
        draft.tasks.append(_task(step, number, values, times.get(number), old))
    _nest(step, draft)
    _read_links(step, draft, old)
    _read_elements(step, draft)
    return draft


def _about(step: Instances, old: bool, times: dict[int, dict[str, Any]]) -> About:
    """The data date is the latest StatusTime of a task: the moment up to which progress was reported."""
    names = [values[2] for kind in _SCHEDULES for _, values in step.of_class(kind) if values[2]]
    starts = [] if old else [values[11] for kind in _SCHEDULES for _, values in step.of_class(kind)]
    start = next((one for one in starts if isinstance(one, str)), "")
    told = [one["StatusTime"] for one in times.values() if isinstance(one.get("StatusTime"), str)]
    try:
        begins = parse_time(start) if start else None
        reported = max((parse_time(one) for one in told if one), default=None)
    except ValueError as error:
        field = "IfcWorkSchedule.StartTime or IfcTaskTime.StatusTime"
        raise ScheduleError("value", str(error), field=field, fix=_FIX) from error
    return About(
        format="ifc",
        version=step.schema,
        encoding="step",
        name=next(iter(names), ""),
        projects=tuple(names),
        start=begins,
        data_date=reported,
    )


def _task(step: Instances, number: int, values: list[Any], time: dict[str, Any] | None, old: bool) -> Task:
    time, line = time or {}, step.lines[number]
    if len(values) < (_TASK_ATTRIBUTES_2X3 if old else _TASK_ATTRIBUTES):
        raise ScheduleError("malformed", f"it has {len(values)} attributes", line=line, field="IFCTASK", fix=_FIX)

    def of(name: str, parse: Callable[[str], T]) -> T | None:
        value = time.get(name)
        if not isinstance(value, str) or not value:
            return None
        try:
            return parse(value)
        except ValueError as error:
            raise ScheduleError("value", str(error), line=line, field=f"IfcTaskTime.{name}", fix=_FIX) from error

    start, finish = of("ScheduleStart", parse_time), of("ScheduleFinish", parse_finish)
    early_start, early_finish = of("EarlyStart", parse_time), of("EarlyFinish", parse_finish)
    actual_start, actual_finish = of("ActualStart", parse_time), of("ActualFinish", parse_finish)
    percent = time.get("Completion")
    milestone = values[8] if old else values[9]
    planned_start, planned_finish = start or early_start, finish or early_finish
    purpose = values[12] if not old and len(values) > 12 else ""
    return Task(
        id=step.global_ids.get(number) or f"#{number}",
        code=_name(values[5]),
        name=_name(values[2]),
        kind="finish_milestone" if milestone == "T" else "task",
        purpose=purpose if isinstance(purpose, str) and purpose != "NOTDEFINED" else "",
        status=_status(actual_start, actual_finish, percent),
        percent=float(percent) * (_RATIO if not old or percent <= 1 else 1.0) if isinstance(percent, float) else None,
        percent_kind="duration" if isinstance(percent, float) else "",
        duration_h=of("ScheduleDuration", duration_hours),
        duration_kind="elapsed" if time.get("DurationType") == "ELAPSEDTIME" else "work",
        remaining_h=of("RemainingTime", duration_hours),
        planned_start=planned_start,
        planned_finish=planned_finish,
        planned_from="schedule" if planned_start is not None else "",
        actual_start=actual_start,
        actual_finish=actual_finish,
        forecast_start=actual_start or early_start or planned_start,
        forecast_finish=actual_finish or early_finish or planned_finish,
        early_start=early_start,
        early_finish=early_finish,
        late_start=of("LateStart", parse_time),
        late_finish=of("LateFinish", parse_finish),
        total_float_h=of("TotalFloat", duration_hours),
        free_float_h=of("FreeFloat", duration_hours),
        critical={"T": True, "F": False}.get(time.get("IsCritical") or ""),
        line=line,
    )


def _status(actual_start: datetime | None, actual_finish: datetime | None, percent: Any) -> str:
    if actual_finish is not None or (isinstance(percent, float) and percent >= 1.0):
        return "finished"
    return "in_progress" if actual_start is not None or percent else "not_started"


def _name(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _refs(value: Any) -> list[Ref]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, Ref)]


def _nest(step: Instances, draft: Draft) -> None:
    """Parents by IfcRelNests, outline levels, and the calendars that controls assign, inherited downwards."""
    tasks = {number: task for (number, _), task in zip(step.of_class("IFCTASK"), draft.tasks, strict=True)}
    for _, values in step.of_class("IFCRELNESTS"):
        above = tasks.get(values[4].number) if isinstance(values[4], Ref) else None
        for ref in _refs(values[5]):
            below = tasks.get(ref.number)
            if above is not None and below is not None and below is not above:
                below.parent, above.kind = above.id, "summary"
    for _, values in step.of_class("IFCRELASSIGNSTOCONTROL"):
        calendar = step.values(values[6], "IFCWORKCALENDAR")
        for ref in _refs(values[4]) if calendar is not None else ():
            if ref.number in tasks:
                tasks[ref.number].calendar = step.global_ids.get(values[6].number)
    by_id = {task.id: task for task in draft.tasks}
    for task in draft.tasks:
        above, seen = by_id.get(task.parent or ""), {task.id}
        while above is not None and above.id not in seen:
            seen.add(above.id)
            task.outline += 1
            task.calendar = task.calendar or above.calendar
            above = by_id.get(above.parent or "")


def _read_links(step: Instances, draft: Draft, old: bool) -> None:
    for number, values in step.of_class("IFCRELSEQUENCE"):
        ends = [step.global_ids.get(ref.number) if isinstance(ref, Ref) else None for ref in values[4:6]]
        kind = values[7] if isinstance(values[7], str) else None
        lag_h, lag_kind = _lag(step, values[6], step.lines[number], old)
        draft.links.append(
            Link(
                predecessor=ends[0],
                successor=ends[1],
                type=_SEQUENCES.get(kind, "FS"),
                lag_h=lag_h,
                lag_kind=lag_kind,
                line=step.lines[number],
            )
        )


def _lag(step: Instances, value: Any, line: int, old: bool) -> tuple[float, str]:
    """Hours and kind: seconds in IFC2X3, a duration or a ratio of the predecessor's duration later."""
    if old:
        return (value / 3600.0 if isinstance(value, float) else 0.0), "elapsed"
    lag = step.values(value, "IFCLAGTIME")
    if lag is None:
        return 0.0, "work"
    elapsed = "elapsed" if lag[4] == "ELAPSEDTIME" else ""
    if isinstance(lag[3], float):
        return lag[3] * _RATIO, f"{elapsed}_percent" if elapsed else "percent"
    try:
        return (duration_hours(lag[3]) if isinstance(lag[3], str) else 0.0), elapsed or "work"
    except ValueError as error:
        raise ScheduleError("value", str(error), line=line, field="IfcLagTime.LagValue", fix=_FIX) from error


def _read_elements(step: Instances, draft: Draft) -> None:
    tasks = {number: task.id for (number, _), task in zip(step.of_class("IFCTASK"), draft.tasks, strict=True)}
    found: dict[tuple[str, str], ElementTask] = {}

    def add(element: int, task: int, role: str, number: int, detail: str) -> None:
        global_id = step.global_ids.get(element)
        if global_id is not None and task in tasks and element not in tasks:
            row = ElementTask(
                element=global_id, task=tasks[task], how="ifc", role=role, detail=detail, line=step.lines[number]
            )
            found.setdefault((global_id, tasks[task]), row)

    for number, values in step.of_class("IFCRELASSIGNSTOPRODUCT"):
        for ref in _refs(values[4]) if isinstance(values[6], Ref) else ():
            add(values[6].number, ref.number, "output", number, "IfcRelAssignsToProduct")
    for number, values in step.of_class("IFCRELASSIGNSTOPROCESS"):
        for ref in _refs(values[4]) if isinstance(values[6], Ref) else ():
            add(ref.number, values[6].number, "input", number, "IfcRelAssignsToProcess")
    draft.element_tasks.extend(found.values())
