"""What a new revision of a schedule changes: for the preview before it is activated, and to say what moved since.

Tasks are matched by what their tool keeps from export to export: P6 activity ids within their project, unique ids of
MS Project, GlobalIds of IFC.
"""

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from bim.schedule.tables import Schedule

__all__ = ["COMPARED", "ScheduleDiff", "TaskChange", "diff"]

# columns of `tasks` of which a change is reported
COMPARED = (
    "name", "kind", "calendar", "active", "duration_h", "planned_start", "planned_finish", "actual_start",
    "actual_finish", "forecast_start", "forecast_finish", "percent", "constraint", "constraint_at",
)  # fmt: skip
_BY_CODE = ("xer", "pmxml")

Key = tuple[str, str]


class TaskChange(msgspec.Struct, frozen=True):
    """One field of one task, before and after; `shift_days` when both are dates."""

    task: str
    name: str
    field: str
    old: str | float | bool | None
    new: str | float | bool | None
    shift_days: float | None = None


class ScheduleDiff(msgspec.Struct, frozen=True):
    """Codes of tasks that came and went, changes of those that stayed, links that came and went."""

    added: list[str]
    removed: list[str]
    changed: list[TaskChange]
    links_added: list[str]
    links_removed: list[str]

    def counts(self) -> dict[str, int]:
        """How many of each, changes by field."""
        fields = Counter(change.field for change in self.changed)
        return {"added": len(self.added), "removed": len(self.removed), **dict(sorted(fields.items()))}


def diff(old: Schedule, new: Schedule) -> ScheduleDiff:
    """Two revisions of one schedule, or the same plan from two tools of one family."""
    by_code = old.about.format in _BY_CODE and new.about.format in _BY_CODE
    before, after = _tasks(old, by_code), _tasks(new, by_code)
    changed = [
        change for key, row in after.items() if key in before for change in _changes(before[key], row, by_code=by_code)
    ]
    links_before, links_after = _links(old, before), _links(new, after)
    return ScheduleDiff(
        [_shown(row) for key, row in after.items() if key not in before],
        [_shown(row) for key, row in before.items() if key not in after],
        changed,
        sorted((links_after - links_before).elements()),
        sorted((links_before - links_after).elements()),
    )


def _tasks(schedule: Schedule, by_code: bool) -> dict[Key, dict[str, Any]]:
    """Tasks by what identifies them; where a code is there twice, its id does."""
    found: dict[Key, dict[str, Any]] = {}
    for row in schedule.tasks.to_pylist():
        key = (row["project"], row["code"]) if by_code and row["code"] else ("", row["id"])
        found[key if key not in found else ("", row["id"])] = row
    return found


def _changes(old: dict[str, Any], new: dict[str, Any], *, by_code: bool) -> list[TaskChange]:
    """Calendars are compared by id, which P6 changes from export to export: there they are left out."""
    fields = [name for name in COMPARED if not (by_code and name == "calendar")]
    return [
        TaskChange(_shown(new), new["name"], name, _plain(old[name]), _plain(new[name]), _shift(old[name], new[name]))
        for name in fields
        if old[name] != new[name]
    ]


def _links(schedule: Schedule, tasks: dict[Key, dict[str, Any]]) -> Counter[str]:
    names = {row["id"]: _shown(row) for row in tasks.values()}
    return Counter(
        f"{names[row['predecessor']]} {row['type']} {names[row['successor']]} {row['lag_h']:+g} h {row['lag_kind']}"
        for row in schedule.links.to_pylist()
        if row["predecessor"] is not None and row["successor"] is not None
    )


def _shown(row: dict[str, Any]) -> str:
    return str(row["code"] or row["id"])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _shift(old: Any, new: Any) -> float | None:
    if isinstance(old, datetime) and isinstance(new, datetime):
        return (new - old).total_seconds() / 86_400
    return None
