"""The kind of change by which people say when a task really began, ended, and how far it is."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import pyarrow as pa
from msgspec import Meta

from bim.schedule.reports import REPORTS
from bim.schedule.task_names import TaskNames
from bim.schedule.times import parse_finish, parse_time
from twin.changes import DiffRow, Preview, read_body
from twin.errors import ConflictError
from twin.plan import Plan
from twin.plan_book import PlanBook
from twin.plan_changes import body_of
from twin.plan_kept import ACTUALS

__all__ = ["ActualsChange"]

_TASKS_MAX = 50_000
_AHEAD = timedelta(days=1)  # a clock may be off, and a site may report its evening at noon
_Name = Annotated[str, Meta(min_length=1, max_length=500)]
_Moment = Annotated[str, Meta(min_length=8, max_length=40)]


class Report(msgspec.Struct, forbid_unknown_fields=True):
    """One task. All null: it has not begun. A date alone is the start of that day, as a finish its end."""

    task: _Name
    start: _Moment | None = None
    finish: _Moment | None = None
    percent: Annotated[float, Meta(ge=0, le=100)] | None = None


class ActualsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Reports replace former ones of their tasks; `clear` gives tasks back to what the file says."""

    set: Annotated[list[Report], Meta(max_length=_TASKS_MAX)] = []
    clear: Annotated[list[_Name], Meta(max_length=_TASKS_MAX)] = []


class ActualsChange:
    """Reports are kept beside the schedule's own dates and hold for its next revisions too."""

    def __init__(self, book: PlanBook, refresh: Callable[[], None]) -> None:
        self._book, self.refresh = book, refresh

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Old and new actual dates of the named tasks, and every other task whose forecast moves."""
        return await asyncio.to_thread(self._preview, read_body(ActualsBody, body))

    def apply(self, cursor: duckdb.DuckDBPyConnection, change: int, body: Any) -> Any:
        """Write the reports down."""
        clear = [{"task": task} for task in body["clear"]]
        return {"before": ACTUALS.put(cursor, body["set"], clear, change=change, wall_us=self._book.wall_us())}

    def revert(self, cursor: duckdb.DuckDBPyConnection, change: int, undo: Any) -> None:
        """What was reported before holds again; Conflict when a later change reported the same task."""
        body = body_of(cursor, change)
        touched = [*body["set"], *({"task": task} for task in body["clear"])]
        ACTUALS.check_newest(cursor, touched, change)
        ACTUALS.put(cursor, undo["before"], touched, change=None, wall_us=self._book.wall_us())

    def _preview(self, body: ActualsBody) -> Preview:
        plan = self._book.live
        if plan is None:
            raise ConflictError("there is no schedule", field="kind", fix="activate one first")
        names, problems = TaskNames(plan.stored.schedule), list[str]()
        kept: dict[str, Any] = {"set": [], "clear": []}
        for report in body.set:
            task = names.kept(report.task)
            if task is None:
                problems.append(f"the schedule has not one task {report.task!r}: give its id")
                continue
            problems += self._check(plan, names.id(task) or task, report)
            row = {"task": task, "percent": report.percent}
            kept["set"].append(row | {end: _local(plan, report, end)[0] for end in ("start", "finish")})
        for name in body.clear:
            task = names.kept(name)
            kept["clear"] += [task or name]
        return Preview(kept, self._diff(plan, kept), problems)

    def _check(self, plan: Plan, task: str, report: Report) -> list[str]:
        """What is wrong with one report."""
        start, wrong_start = _local(plan, report, "start")
        finish, wrong_finish = _local(plan, report, "finish")
        found = [f"{report.task}: {wrong}" for wrong in (wrong_start, wrong_finish) if wrong]
        latest = plan.clock.local(self._book.wall_us()) + _AHEAD
        if any(one is not None and one > latest for one in (start, finish)):
            found.append(f"{report.task}: an actual date lies in the future")
        if finish is not None and start is None:
            found.append(f"{report.task}: a finish needs its start")
        if start is not None and finish is not None and finish < start:
            found.append(f"{report.task}: it ends before it begins")
        if report.percent is not None and start is None:
            found.append(f"{report.task}: a percentage needs a start")
        if report.percent == 100 and finish is None:
            found.append(f"{report.task}: what is done has a finish: give it")
        kind = plan.schedule.tasks["kind"][plan.task_row[task]].as_py()
        if kind in ("summary", "level_of_effort"):
            found.append(f"{report.task}: it is a {kind.replace('_', ' ')}; report the tasks of work in it")
        return found

    def _diff(self, plan: Plan, kept: dict[str, Any]) -> list[DiffRow]:
        """Rows of the reported tasks first, then of those whose forecast follows."""
        before = self._book.store.actuals().to_pylist()
        gone = {row["task"] for row in kept["set"]} | set(kept["clear"])
        rows = [row for row in before if row["task"] not in gone]
        reports = pa.Table.from_pylist([*rows, *kept["set"]], schema=REPORTS)
        tried = self._book.tried(plan.stored, plan.links, reports)
        found: list[DiffRow] = []
        for name in ("actual_start", "actual_finish", "percent", "forecast_start", "forecast_finish"):
            old, new = (one.schedule.tasks[name].to_pylist() for one in (plan, tried))
            show = plan.clock.iso if name != "percent" else (lambda value: value)
            ids = plan.schedule.tasks["id"].to_pylist()
            found += [
                DiffRow("replace", f"/tasks/{task}/{name}", show(a), show(b))
                for task, a, b in zip(ids, old, new, strict=True)
                if a != b
            ]
        return found


def _local(plan: Plan, report: Report, end: str) -> tuple[datetime | None, str]:
    """A time on the site's clock, and what is wrong with it."""
    text = getattr(report, end)
    if text is None:
        return None, ""
    try:
        aware = datetime.fromisoformat(text) if ":" in text else None
        if aware is not None and aware.tzinfo is not None:
            zone = ZoneInfo(plan.clock.time_zone)
            return aware.astimezone(zone).replace(tzinfo=None, microsecond=0), ""
        return (parse_finish if end == "finish" else parse_time)(text), ""
    except (ValueError, OverflowError) as error:
        return None, f"{end}: {error}"
