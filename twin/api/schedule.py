"""GET /schedule, /schedule/unlinked and /tasks/{id}: what the plan, the site and the forecast say at a moment."""

import asyncio
from typing import Any

import msgspec
import numpy as np

from twin.api.operation import Call, Limit, Offset, Operation, Search, Time, micros
from twin.core import Twin
from twin.errors import NotFoundError
from twin.plan import CODES, Plan
from twin.plan_table import TASK_CLASSES
from twin.plan_views import (
    Coverage,
    Curve,
    LateTask,
    StateCounts,
    TaskView,
    counts_of,
    coverage_of,
    curve_of,
    find_tasks,
    late_of,
    task_views,
    unlinked_of,
)
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]


class ScheduleQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The moment asked about, the moment whose knowledge counts, and which tasks to list."""

    at: Time | None = None
    known_at: Time | None = None
    q: Search = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class TaskQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The moment asked about, and the moment whose knowledge counts."""

    at: Time | None = None
    known_at: Time | None = None


class ScheduleInfo(msgspec.Struct):
    """The schedule that is, or was, live. `problems`: what it could not be used for, and why."""

    revision: int
    file: str
    format: str
    name: str
    project: str
    tasks: int
    links: int
    activated_at: str | None
    data_date: str | None
    start: str | None
    finish: str | None
    sha256: str
    problems: list[str]
    warnings: list[str]


class SchedulePage(msgspec.Struct):
    """The plan at a moment: counts over elements and tasks, what is linked, the S-curve, what is late, the tasks."""

    at: str | None
    known_at: str | None
    schedule: ScheduleInfo | None
    counts: StateCounts
    tasks_counts: StateCounts
    coverage: Coverage
    s_curve: Curve
    late: list[LateTask]
    late_total: int
    items: list[TaskView]
    total: int
    next: int | None


class TaskLink(msgspec.Struct):
    """A task before or after; `lag_h` is in hours of `lag_kind`, or in percent."""

    task: str
    name: str
    type: str
    lag_h: float
    lag_kind: str


class TaskDetail(TaskView, kw_only=True):
    """One task with its links and the elements it is linked to, and what people reported of it."""

    at: str | None
    known_at: str | None
    status: str
    duration_h: float | None
    calendar: str | None
    parent: str | None
    lifecycle_class: str
    links_in: list[TaskLink]
    links_out: list[TaskLink]
    codes: dict[str, str]
    reported: bool
    element_ids: list[str]


class UnlinkedPage(msgspec.Struct):
    """Elements that no task decides, and why."""

    items: list[dict[str, Any]]
    total: int
    next: int | None


async def show_schedule(call: Call[ScheduleQuery, None]) -> SchedulePage:
    """The plan at `at` as known at `known_at`, both now by default."""
    query = call.query
    at_us, known_us = moments(call.twin, query.at, query.known_at)
    return await asyncio.to_thread(_page, call.twin, at_us, known_us, query)


async def show_task(call: Call[TaskQuery, None]) -> TaskDetail:
    """One task by id or code."""
    at_us, known_us = moments(call.twin, call.query.at, call.query.known_at)
    until_us = at_us if call.query.at else None
    return await asyncio.to_thread(_task, call.twin, call.path["task"], at_us, known_us, until_us)


async def list_unlinked(call: Call[ScheduleQuery, None]) -> UnlinkedPage:
    """Elements of the model without a task that decides them."""
    query = call.query
    _, known_us = moments(call.twin, query.at, query.known_at)
    plan = await asyncio.to_thread(call.twin.plan.at, known_us)
    rows = await asyncio.to_thread(unlinked_of, plan, call.twin.model, query.q)
    end = query.offset + query.limit
    return UnlinkedPage(rows[query.offset : end], len(rows), end if end < len(rows) else None)


def moments(twin: Twin, at: Any, known_at: Any) -> tuple[int, int | None]:
    """`at` (now by default) and `known_at` in microseconds."""
    return micros(at) if at else twin.clock.wall_us(), micros(known_at) if known_at else None


def _page(twin: Twin, at_us: int, known_us: int | None, query: ScheduleQuery) -> SchedulePage:
    plan, now_s = twin.plan.at(known_us), at_us // 1_000_000
    if plan is None:
        return _without_plan(twin, at_us, known_us)
    rows = find_tasks(plan, query.q)
    end = query.offset + query.limit
    late, late_total = late_of(plan, at_us)
    seen = twin.drones.book.tasks(plan, at_us if query.at else None, known_us)
    items = task_views(plan, rows[query.offset : end], now_s)
    for item in items:
        item.scan = seen.get(item.id)
    return SchedulePage(
        at=iso(at_us),
        known_at=iso(known_us),
        schedule=_info(plan, twin.plan.problems),
        counts=counts_of(plan.elements, now_s),
        tasks_counts=counts_of(plan.tasks, now_s),
        coverage=coverage_of(plan, twin.plan.missing),
        s_curve=curve_of(plan),
        late=late,
        late_total=late_total,
        items=items,
        total=len(rows),
        next=end if end < len(rows) else None,
    )


def _without_plan(twin: Twin, at_us: int, known_us: int | None) -> SchedulePage:
    elements = len(twin.model.element_ids())
    none = {name: dict.fromkeys(CODES, 0) for name in ("planned", "actual", "forecast")}
    unknown = {name: {**counts, "unknown": elements} for name, counts in none.items()}
    return SchedulePage(
        at=iso(at_us),
        known_at=iso(known_us),
        schedule=None,
        counts=unknown,
        tasks_counts=none,
        coverage=Coverage(elements, 0, elements, []),
        s_curve=Curve([], [], [], []),
        late=[],
        late_total=0,
        items=[],
        total=0,
        next=None,
    )


def _info(plan: Plan, of_links: list[str]) -> ScheduleInfo:
    about, tasks, stored = plan.schedule.about, plan.schedule.tasks, plan.stored
    starts, ends = plan.tasks.planned.start, plan.tasks.planned.finish
    known = plan.tasks.planned.known
    return ScheduleInfo(
        revision=stored.revision,
        file=stored.file,
        format=stored.format,
        name=stored.name,
        project=stored.project,
        tasks=tasks.num_rows,
        links=plan.schedule.links.num_rows,
        activated_at=iso(plan.live.since_us),
        data_date=plan.clock.iso(about.data_date),
        start=iso(int(starts[known].min()) * 1_000_000) if known.any() else None,
        finish=iso(int(ends[known].max()) * 1_000_000) if known.any() else None,
        sha256=stored.sha256,
        problems=[*plan.problems, *([stored.problem] if stored.problem else []), *of_links],
        warnings=list(about.warnings),
    )


def _task(twin: Twin, name: str, at_us: int, known_us: int | None, until_us: int | None) -> TaskDetail:
    plan = twin.plan.at(known_us)
    task = None if plan is None else name if name in plan.task_row else plan.names.id(name)
    if plan is None or task is None:
        raise NotFoundError(f"no task {name[:80]!r}", field="id", fix="GET /api/v1/schedule?q=… finds tasks")
    place = plan.task_row[task]
    [view] = task_views(plan, np.array([place]), at_us // 1_000_000)
    view.scan = twin.drones.book.tasks(plan, until_us, known_us).get(task)
    row = plan.schedule.tasks.slice(place, 1).to_pylist()[0]
    codes = [one for one in plan.schedule["codes"].to_pylist() if one["task"] == task]
    return TaskDetail(
        **msgspec.structs.asdict(view),
        at=iso(at_us),
        known_at=iso(known_us),
        status=row["status"],
        duration_h=row["duration_h"],
        calendar=row["calendar"],
        parent=row["parent"],
        lifecycle_class=TASK_CLASSES[plan.classes[place]],
        links_in=_links(plan, task, "successor", "predecessor"),
        links_out=_links(plan, task, "predecessor", "successor"),
        codes={one["type"]: one["text"] or one["value"] for one in codes},
        reported=task in plan.reported,
        element_ids=plan.elements_of.get(task, []),
    )


def _links(plan: Plan, task: str, own: str, other: str) -> list[TaskLink]:
    names = plan.schedule.tasks["name"]
    found = []
    for row in plan.schedule.links.filter(plan.ends_at(own, task)).to_pylist():
        place = plan.task_row.get(row[other], -1)
        name = names[place].as_py() if place >= 0 else ""
        found.append(TaskLink(row[other] or row["outside"], name, row["type"], row["lag_h"], row["lag_kind"]))
    return found


OPERATIONS = [
    Operation("GET", "/schedule", show_schedule, "the plan at a moment", ScheduleQuery, answer=SchedulePage),
    Operation(
        "GET", "/schedule/unlinked", list_unlinked, "elements that no task decides", ScheduleQuery, answer=UnlinkedPage
    ),
    Operation("GET", "/tasks/{task:path}", show_task, "one task by id or code", TaskQuery, answer=TaskDetail),
]
