"""What a change of the plan would change: tasks, links, what is linked; rows for the preview."""

from dataclasses import replace
from typing import Any

import pyarrow as pa

from bim.schedule.diff import TaskChange, diff
from bim.schedule.tables import Schedule
from twin.changes import DiffRow
from twin.plan import Plan
from twin.plan_book import PlanBook
from twin.plan_links import Found, LinkInputs
from twin.plan_store import StoredSchedule
from twin.plan_views import Coverage, coverage_of

__all__ = ["links_preview", "schedule_preview"]

_UNLINKED_SHOWN_MAX = 1_000


def schedule_preview(book: PlanBook, new: StoredSchedule) -> list[DiffRow]:
    """Summary, coverage, then every task and link that comes, goes or changes."""
    old = book.live
    found = book.find(new.schedule, book.inputs())
    plan = book.tried(new, found.links)
    before = old.stored.schedule if old else None
    rows = [DiffRow("replace" if old else "add", "/schedule", _shown(old.stored) if old else None, _shown(new))]
    rows += _coverage_rows(book, plan, found)
    rows += _task_rows(before, new.schedule)
    return rows


def links_preview(
    book: PlanBook,
    *,
    file: pa.Table | None = None,
    rules: str | None = None,
    decisions: dict[tuple[str, str], bool] | None = None,
) -> tuple[list[DiffRow], list[str]]:
    """Coverage, then every link that comes or goes; and problems."""
    old = book.live
    if old is None:
        return [], []  # kept for the schedule to come
    inputs: LinkInputs = book.inputs()
    if file is not None:
        inputs = replace(inputs, file=file)
    if rules is not None:
        inputs = replace(inputs, rules=rules)
    if decisions is not None:
        inputs = replace(inputs, decisions=inputs.decisions | decisions)
    found = book.find(old.stored.schedule, inputs)
    plan = book.tried(old.stored, found.links)
    return [*_coverage_rows(book, plan, found), *_link_rows(old.links, found.links)], found.problems


def _shown(stored: StoredSchedule) -> dict[str, Any]:
    counts = stored.schedule.counts()
    known = {"file": stored.file, "format": stored.format, "name": stored.name, "project": stored.project}
    shown = {**known, "tasks": counts["tasks"], "links": counts["links"]}
    warnings = [*stored.schedule.about.warnings, *([stored.problem] if stored.problem else [])]
    return {**shown, "warnings": warnings} if warnings else shown


def _coverage_rows(book: PlanBook, plan: Plan, found: Found) -> list[DiffRow]:
    new = coverage_of(plan, found.missing)
    old = coverage_of(book.live, book.missing) if book.live else None
    rows = [DiffRow("replace" if old else "add", "/coverage", old and _numbers(old), _numbers(new))]
    unlinked = [one["id"] for one in new.unlinked_items[:_UNLINKED_SHOWN_MAX]]
    if unlinked:
        rows.append(DiffRow("replace", "/coverage/unlinked", old and old.unlinked, unlinked))
    if new.links_to_unknown_tasks:
        rows.append(DiffRow("add", "/coverage/links_to_unknown_tasks", None, new.links_to_unknown_tasks))
    if new.links_to_unknown_elements:
        rows.append(DiffRow("add", "/coverage/links_to_unknown_elements", None, new.links_to_unknown_elements))
    return rows


def _numbers(coverage: Coverage) -> dict[str, Any]:
    return {
        "elements": coverage.elements,
        "linked": coverage.linked,
        "unlinked": coverage.unlinked,
        "umbrella_tasks": coverage.umbrella_tasks,
        "by_how": coverage.by_how,
    }


def _task_rows(old: Schedule | None, new: Schedule) -> list[DiffRow]:
    if old is None:
        return []
    changes = diff(old, new)
    rows = [DiffRow("add", f"/tasks/{task}", None, task) for task in changes.added]
    rows += [DiffRow("remove", f"/tasks/{task}", task, None) for task in changes.removed]
    rows += [_changed(change) for change in changes.changed]
    rows += [DiffRow("add", "/task_links", None, link) for link in changes.links_added]
    rows += [DiffRow("remove", "/task_links", link, None) for link in changes.links_removed]
    return rows


def _changed(change: TaskChange) -> DiffRow:
    return DiffRow("replace", f"/tasks/{change.task}/{change.field}", change.old, change.new)


def _link_rows(old: pa.Table, new: pa.Table) -> list[DiffRow]:
    before, after = (_pairs(table) for table in (old, new))
    rows = [DiffRow("add", f"/element_tasks/{element}", None, task) for element, task in sorted(after - before)]
    rows += [DiffRow("remove", f"/element_tasks/{element}", task, None) for element, task in sorted(before - after)]
    return rows


def _pairs(table: pa.Table) -> set[tuple[str, str]]:
    return set(zip(table["element"].to_pylist(), table["task"].to_pylist(), strict=True))
