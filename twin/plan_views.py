"""What the API says of a plan, as plain structs: tasks, elements, counts, coverage, the S-curve, what is late.

Times are ISO 8601 UTC; states are names.
"""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.coverage import coverage
from bim.schedule.timeline import NEVER
from bim.schedule.work_calendar import seconds
from twin.model import Model
from twin.plan import CODES, Codes, Lines, Plan
from twin.plan_clock import texts_of
from twin.scans_progress import ScanTask

__all__ = [
    "Coverage", "Curve", "ElementPlanView", "LateTask", "LinkedTask", "StateCounts", "TaskView", "counts_of",
    "coverage_of", "curve_of", "element_views", "find_tasks", "late_of", "task_views", "unlinked_of",
]  # fmt: skip

_CURVE_POINTS = 101
_DAY_S = 86_400
_LISTED_MAX = 1_000  # of what a page lists besides its items; the counts are whole
_LATE_MAX = 1_000

StateCounts = dict[str, dict[str, int]]  # date set -> state -> how many


class TaskView(msgspec.Struct, kw_only=True):
    """One task at a moment. `float_h` and `critical` are the file's, else computed, null or false when neither is."""

    id: str
    code: str
    name: str
    wbs: str
    is_summary: bool
    is_milestone: bool
    is_umbrella: bool
    planned_start: str | None
    planned_finish: str | None
    actual_start: str | None
    actual_finish: str | None
    forecast_start: str | None
    forecast_finish: str | None
    percent: float | None
    critical: bool
    float_h: float | None
    planned: str
    actual: str
    forecast: str
    elements: int
    predecessors: list[str]
    scan: ScanTask | None = None  # how far it is by what scans saw, beside what people reported


class LateTask(msgspec.Struct):
    """A task behind its plan; `why` is late_start, late_finish, finished_late or forecast_late."""

    task: str
    code: str
    name: str
    why: str
    planned_start: str | None
    planned_finish: str | None
    forecast_finish: str | None
    days_late: float
    elements: int
    critical: bool


class Curve(msgspec.Struct):
    """Shares of the work done, 0 to 1; `actual` is null after what was reported."""

    times: list[str]
    planned: list[float]
    actual: list[float | None]
    forecast: list[float]


class Coverage(msgspec.Struct):
    """What of the model the plan decides; lists are cut at 1,000, GET /schedule/unlinked pages the unlinked."""

    elements: int
    linked: int
    unlinked: int
    umbrella_tasks: list[str]
    by_how: dict[str, int] = {}
    unlinked_items: list[dict[str, Any]] = []
    tasks_without_elements: list[dict[str, Any]] = []
    links_to_unknown_tasks: list[str] = []
    links_to_unknown_elements: list[str] = []


class LinkedTask(msgspec.Struct):
    """A task of an element; an umbrella task is shown and does not decide."""

    id: str
    name: str
    how: str
    confidence: float
    decides: bool


class ElementPlanView(msgspec.Struct):
    """The plan of one element; `start` and `finish` are the planned ones, days are calendar days."""

    planned: str
    actual: str
    forecast: str
    start: str | None
    finish: str | None
    actual_start: str | None
    actual_finish: str | None
    forecast_finish: str | None
    days_late: float | None
    tasks: list[LinkedTask]


def counts_of(lines: Lines, now_s: int) -> StateCounts:
    """How many rows are in which state, by date set."""
    return {name: _counted(codes) for name, codes in lines.at(now_s).items()}


def _counted(codes: Codes) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(CODES)).tolist()
    return dict(zip(CODES, counts, strict=True))


def coverage_of(plan: Plan, missing: list[str]) -> Coverage:
    """Coverage of the live model by a plan; `missing` are the tasks that links name and the schedule lacks."""
    known = plan.once("coverage", lambda: coverage(plan.by_element, plan.links, [], plan.model.elements))
    return Coverage(
        elements=known["total"],
        linked=known["decided"],
        unlinked=known["total"] - known["decided"],
        umbrella_tasks=known["umbrellas"],
        by_how=known["by_how"],
        unlinked_items=known["undecided"][:_LISTED_MAX],
        tasks_without_elements=known["tasks_without_elements"][:_LISTED_MAX],
        links_to_unknown_tasks=missing[:_LISTED_MAX],
        links_to_unknown_elements=known["links_to_unknown_elements"][:_LISTED_MAX],
    )


def unlinked_of(plan: Plan | None, model: Model, words: str = "") -> list[dict[str, Any]]:
    """Elements that no task decides: id, type, name and reason; with `words` those that have them in type or name."""
    if plan is None:
        rows = model.elements.filter(pc.equal(model.elements["category"], "element")).select(["id", "type", "name"])
        found = [row | {"reason": "no_plan"} for row in rows.to_pylist()]
    else:
        whole = plan.once("coverage", lambda: coverage(plan.by_element, plan.links, [], plan.model.elements))
        found = whole["undecided"]
    words = words.lower()
    return [row for row in found if words in f"{row['type']} {row['name']}".lower()] if words else found


def curve_of(plan: Plan) -> Curve:
    """The S-curve over the whole plan."""
    return plan.once("curve", lambda: _curve(plan))


def _curve(plan: Plan) -> Curve:
    table = plan.progress.s_curve(_CURVE_POINTS)
    local = np.asarray(table["at"].cast(pa.int64()).to_numpy(), np.int64)
    times = [text for text in texts_of(plan.clock.to_utc(local)) if text is not None]
    shares = {
        name: [None if one is None else round(one, 6) for one in table[name].to_pylist()]
        for name in ("planned", "actual", "forecast")
    }
    return Curve(times, shares["planned"], shares["actual"], shares["forecast"])  # type: ignore[arg-type]


def late_of(plan: Plan, at_us: int) -> tuple[list[LateTask], int]:
    """Tasks behind their plan at a moment, those that are still open first, then the most delayed in calendar days;
    and how many there are."""
    behind = plan.progress.behind(seconds(plan.clock.local(at_us)))
    days = {row: max(0, expected - due) / _DAY_S for row, (_, due, expected) in behind.items()}
    worst = sorted(days, key=lambda row: (behind[row][0] == "finished_late", -days[row]))[:_LATE_MAX]
    rows = np.array(worst, np.int64)
    names = plan.schedule.tasks.select(["id", "code", "name"]).take(pa.array(rows)).to_pylist()
    planned, forecast = plan.tasks.planned, plan.tasks.forecast
    expected = plan.clock.to_utc(np.array([behind[row][2] for row in worst], np.int64))
    late_start = np.array([behind[row][0] == "late_start" for row in worst], bool)
    texts = [
        texts_of(m)
        for m in (planned.start[rows], planned.finish[rows], np.where(late_start, forecast.finish[rows], expected))
    ]
    listed = [
        LateTask(
            task=task["id"],
            code=task["code"],
            name=task["name"],
            why=behind[row][0],
            planned_start=start,
            planned_finish=finish,
            forecast_finish=then,
            days_late=round(days[row], 2),
            elements=len(plan.elements_of.get(task["id"], ())),
            critical=bool(plan.critical[row]),
        )
        for row, task, start, finish, then in zip(worst, names, *texts, strict=True)
    ]
    return listed, len(behind)


def find_tasks(plan: Plan, words: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the tasks whose name, code, WBS or id has the words, in the order of the file."""
    tasks = plan.schedule.tasks
    if not words:
        return np.arange(tasks.num_rows)
    mask = np.zeros(tasks.num_rows, bool)
    for name in ("name", "code", "wbs_code", "id"):
        mask |= np.asarray(pc.match_substring(tasks[name], words, ignore_case=True))
    return np.flatnonzero(mask)


def task_views(plan: Plan, rows: np.ndarray[Any, np.dtype[np.int64]], now_s: int) -> list[TaskView]:
    """Some tasks at a moment."""
    names = ["id", "code", "name", "wbs_code", "kind", "percent"]
    found = plan.schedule.tasks.select(names).take(pa.array(rows)).to_pylist()
    dates = {
        f"{what}_{end}": texts_of(getattr(line, end)[rows])
        for what, line in (
            ("planned", plan.tasks.planned),
            ("actual", plan.tasks.actual),
            ("forecast", plan.tasks.forecast),
        )
        for end in ("start", "finish")
    }
    states = {name: codes[rows].tolist() for name, codes in plan.tasks.at(now_s).items()}
    floats, critical = plan.float_h[rows].tolist(), plan.critical[rows].tolist()
    views = []
    for place, row in enumerate(found):
        views.append(
            TaskView(
                id=row["id"],
                code=row["code"],
                name=row["name"],
                wbs=row["wbs_code"],
                is_summary=row["kind"] == "summary",
                is_milestone="milestone" in row["kind"],
                is_umbrella=row["id"] in plan.umbrellas,
                percent=row["percent"],
                critical=critical[place],
                float_h=None if floats[place] != floats[place] else round(floats[place], 3),
                elements=len(plan.elements_of.get(row["id"], ())),
                predecessors=plan.predecessors.get(row["id"], []),
                **{name: CODES[codes[place]] for name, codes in states.items()},
                scan=None,
                **{name: texts[place] for name, texts in dates.items()},  # type: ignore[arg-type]
            )
        )
    return views


def element_views(plan: Plan, elements: list[str], now_s: int) -> list[ElementPlanView | None]:
    """The plan of some elements at a moment; None for one that no task is linked to."""
    states = {name: codes.tolist() for name, codes in plan.elements.at(now_s).items()}
    lines, days = plan.elements, plan.elements.late_days(now_s).tolist()
    rows = np.array([plan.element_row.get(element, -1) for element in elements], np.int64)
    texts = (
        {
            name: texts_of(np.where((rows >= 0) & line.known[rows], moments[rows], NEVER))
            for name, line, moments in (
                ("start", lines.planned, lines.planned.start),
                ("finish", lines.planned, lines.planned.finish),
                ("actual_start", lines.actual, lines.actual.start),
                ("actual_finish", lines.actual, lines.actual.finish),
                ("forecast_finish", lines.forecast, lines.forecast.finish),
            )
        }
        if len(plan.element_ids)
        else {}
    )
    found: list[ElementPlanView | None] = []
    for place, row in enumerate(rows.tolist()):
        tasks = plan.tasks_of(row) if row >= 0 else []
        if not tasks:
            found.append(None)
            continue
        late = days[row]
        found.append(
            ElementPlanView(
                planned=CODES[states["planned"][row]],
                actual=CODES[states["actual"][row]],
                forecast=CODES[states["forecast"][row]],
                start=texts["start"][place],
                finish=texts["finish"][place],
                actual_start=texts["actual_start"][place],
                actual_finish=texts["actual_finish"][place],
                forecast_finish=texts["forecast_finish"][place],
                days_late=None if late != late else round(late, 2),
                tasks=[LinkedTask(*task) for task in tasks],
            )
        )
    return found
