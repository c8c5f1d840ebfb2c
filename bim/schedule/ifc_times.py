"""Times of IFC tasks: IfcTaskTime, and in IFC2X3 IfcScheduleTimeControl with its dates in parts."""

from typing import Any

from bim.schedule.step_instances import Instances, Ref

__all__ = ["TIME_CLASSES", "read_times"]

TIME_CLASSES = {
    "IFCTASKTIME": 20, "IFCTASKTIMERECURRING": 20, "IFCSCHEDULETIMECONTROL": 23, "IFCRELASSIGNSTASKS": 8,
    "IFCDATEANDTIME": 2, "IFCCALENDARDATE": 3, "IFCLOCALTIME": 1,
}  # fmt: skip
_TASK_TIME = (
    "DurationType", "ScheduleDuration", "ScheduleStart", "ScheduleFinish", "EarlyStart", "EarlyFinish", "LateStart",
    "LateFinish", "FreeFloat", "TotalFloat", "IsCritical", "StatusTime", "ActualDuration", "ActualStart",
    "ActualFinish", "RemainingTime", "Completion",
)  # fmt: skip
_TASK_TIME_FIRST = 3
_OLD_TIME = (
    "ActualStart", "EarlyStart", "LateStart", "ScheduleStart", "ActualFinish", "EarlyFinish", "LateFinish",
    "ScheduleFinish", "ScheduleDuration", "ActualDuration", "RemainingTime", "FreeFloat", "TotalFloat", "IsCritical",
    "StatusTime", "StartFloat", "FinishFloat", "Completion",
)  # fmt: skip
_OLD_TIME_FIRST = 5
_TASK_TIME_AT = 11  # place of TaskTime among the attributes of an IFC4 task


def read_times(step: Instances, old: bool) -> dict[int, dict[str, Any]]:
    """Time attributes by name for each task's instance number; durations and dates as ISO 8601 texts."""
    if old:
        return _old_times(step)
    found = {}
    for number, values in step.of_class("IFCTASK"):
        ref = values[_TASK_TIME_AT] if len(values) > _TASK_TIME_AT else None
        time = step.values(ref, "IFCTASKTIME") or step.values(ref, "IFCTASKTIMERECURRING")
        if time is not None:
            found[number] = dict(zip(_TASK_TIME, time[_TASK_TIME_FIRST:], strict=False))
    return found


def _old_times(step: Instances) -> dict[int, dict[str, Any]]:
    found = {}
    for _, values in step.of_class("IFCRELASSIGNSTASKS"):
        control = step.values(values[7], "IFCSCHEDULETIMECONTROL")
        if control is None:
            continue
        named = dict(zip(_OLD_TIME, control[_OLD_TIME_FIRST:], strict=False))
        time = {name: _old_value(step, name, value) for name, value in named.items()}
        for ref in values[4] if isinstance(values[4], list) else ():
            if isinstance(ref, Ref):
                found[ref.number] = time
    return found


def _old_value(step: Instances, name: str, value: Any) -> Any:
    """A date in parts as ISO 8601; durations are seconds in IFC2X3."""
    if isinstance(value, Ref):
        return _date(step, value)
    if isinstance(value, float) and name not in ("Completion",):
        return f"{'-' if value < 0 else ''}PT{abs(value):.0f}S"
    return value


def _date(step: Instances, ref: Ref) -> str | None:
    both = step.values(ref, "IFCDATEANDTIME")
    day = step.values(both[0] if both is not None else ref, "IFCCALENDARDATE")
    if day is None or not all(isinstance(part, float) for part in day[:3]):
        return None
    clock = step.values(both[1], "IFCLOCALTIME") if both is not None else None
    parts = [int(part) if isinstance(part, float) else 0 for part in (*(clock or ()), None, None)][:3]
    text = f"{int(day[2]):04}-{int(day[1]):02}-{int(day[0]):02}"
    return text if clock is None else f"{text}T{parts[0]:02}:{parts[1]:02}:{parts[2]:02}"
