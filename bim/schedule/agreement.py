"""How our passes agree with the dates and floats that a file states; instants with no work between them are one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from bim.schedule.passes import Dates
from bim.schedule.tables import Schedule
from bim.schedule.work_calendar import Calendars, WorkCalendar, seconds

__all__ = ["Agreement", "Difference", "compare"]

_FLOAT_TOLERANCE_H = 0.02  # files round to minutes
_WORK_TOLERANCE_S = 60
_MARGIN = timedelta(days=366)


class Difference(msgspec.Struct, frozen=True):
    """One value that a file states and we compute otherwise."""

    task: str
    name: str
    field: str
    stated: str
    computed: str


@dataclass(slots=True)
class Agreement:
    """`compared` and `equal` by field; a file that was never scheduled is compared with its planned dates."""

    against: str  # early_late | planned
    compared: dict[str, int] = field(default_factory=dict)
    equal: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def ratio(self) -> float | None:
        """Share of the compared values that are equal."""
        total = sum(self.compared.values())
        return sum(self.equal.values()) / total if total else None


def compare(schedule: Schedule, dates: Dates) -> Agreement:
    """Task by task; finished tasks have no early and late dates of their own and are left out."""
    tasks, computed = schedule.tasks.to_pylist(), dates.table.to_pylist()
    stated_dates = schedule.about.scheduled
    found = Agreement("early_late" if stated_dates else "planned")
    moments = [one for row in (*tasks, *computed) for one in row.values() if isinstance(one, datetime)]
    if not moments:
        return found
    calendars = Calendars(schedule, (min(moments) - _MARGIN).date(), (max(moments) + _MARGIN).date())
    for row, ours in zip(tasks, computed, strict=True):
        if ours["early_start"] is None or row["status"] == "finished":
            continue
        calendar = calendars.elapsed if row["duration_kind"] == "elapsed" else calendars.of(row["calendar"])
        for name, stated in _stated(row, stated_dates).items():
            _note(found, row, name, stated, ours[name], calendar)
    return found


def _stated(row: dict[str, Any], scheduled: bool) -> dict[str, Any]:
    """What the file says, by the field of ours that it is compared with."""
    if scheduled:
        names = ["early_finish", "late_finish", "total_float_h"]
        if row["status"] == "not_started":  # of a started task some tools state the rest's start, some the task's
            names += ["early_start", "late_start"]
        return {name: row[name] for name in names if row[name] is not None}
    if row["status"] != "not_started":
        return {}
    pairs = {"early_start": row["planned_start"], "early_finish": row["planned_finish"]}
    return {name: value for name, value in pairs.items() if value is not None}


def _note(found: Agreement, row: dict[str, Any], name: str, stated: Any, computed: Any, calendar: WorkCalendar) -> None:
    found.compared[name] = found.compared.get(name, 0) + 1
    if isinstance(stated, datetime):
        same = computed is not None and (
            stated == computed or abs(calendar.between(seconds(stated), seconds(computed))) < _WORK_TOLERANCE_S
        )
    else:
        same = computed is not None and abs(stated - computed) <= _FLOAT_TOLERANCE_H
    if same:
        found.equal[name] = found.equal.get(name, 0) + 1
    else:
        found.differences.append(Difference(row["code"] or row["id"], row["name"], name, str(stated), str(computed)))
