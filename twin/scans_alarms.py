"""Alarms from verdicts: at most one a task of each kind, over when a later scan or the plan says so."""

from collections.abc import Mapping

from twin.alarms.book import Report
from twin.alarms.classes import OWN_CLASSES
from twin.alarms.desk import AlarmDesk
from twin.alarms.states import Definition
from twin.scans_progress import OffPlan

__all__ = ["report_off_plan"]

_CLASSES = {one.name: one for one in OWN_CLASSES}
_LISTED_MAX = 1_000  # elements in an alarm's detail; all of them are in the verdicts
_SOURCE = "scan"


def report_off_plan(desk: AlarmDesk, tasks: Mapping[str, OffPlan], now_us: int) -> None:
    """Raise what is off the plan now, and return what was and is no longer."""
    reports = [
        Report(_definition(name, one, elements), True, one.at_us, len(elements))
        for one in tasks.values()
        for name, elements in (("scan_late", one.late), ("scan_early", one.early))
        if elements
    ]
    keys = {report.definition.key for report in reports}
    over = [desk.book.find(key) for key in desk.book.active_keys(_SOURCE) - keys]
    reports += [Report(alarm.definition, False, now_us) for alarm in over if alarm is not None]
    if reports:
        desk.report(reports)


def _definition(class_name: str, one: OffPlan, elements: list[str]) -> Definition:
    meaning = _CLASSES[class_name]
    words = "not built" if class_name == "scan_late" else "built already"
    listed = sorted(elements)
    detail = {"task": one.task, "elements": listed[:_LISTED_MAX], "count": len(listed), "scans": sorted(one.scans)}
    return Definition(
        key=f"{_SOURCE}:{one.task}:{class_name}", kind=class_name, source=_SOURCE, priority=meaning.priority,
        group=one.task, text=f"{one.name or one.task}: {len(elements)} {words}", consequence=meaning.consequence,
        action=meaning.action, respond_min=meaning.respond_min, element=listed[0], detail=detail,
    )  # fmt: skip
