"""What verdicts say of the plan: which elements are late or early, and how far each task is by what scans saw. Pure.

Kept apart from what people report: a task has begun by the first scan that saw any of its elements built, and is
finished by the first that saw all of them. Both are moments by which it was so, not at which it became so.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bim.schedule.reports import REPORTS
from twin.plan import CODES, Plan
from twin.scans import Evidence
from twin.scans_combine import BUILT, NOT_BUILT, UNKNOWN
from twin.scans_rows import VERDICT_CODES
from twin.times import iso

__all__ = ["OffPlan", "ScanTask", "off_plan", "off_plan_of_scan", "scan_reports", "scan_tasks"]

_NOT_STARTED, _FINISHED = CODES.index("not_started"), CODES.index("finished")
_US = 1_000_000


@dataclass(slots=True)
class OffPlan:
    """Elements of one task that are not as planned: `late` were to be finished and stand not, `early` the reverse."""

    task: str
    name: str
    late: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    at_us: int = 0  # of the newest scan that says so
    scans: set[str] = field(default_factory=set)


class ScanTask(msgspec.Struct, frozen=True):
    """How far a task is by what scans saw of its elements; times are by when, null where no scan says so."""

    actual_by: str
    actual_start: str | None
    actual_finish: str | None
    percent: float | None
    built: int
    not_built: int
    unknown: int
    forecast_finish: str | None = None
    days_late: float | None = None


def off_plan(evidence: Evidence, plan: Plan) -> dict[str, OffPlan]:
    """By id of task. An element counts with the task that was to finish it (late) or is to begin it (early)."""
    rows, _, verdict, moments, scans = _decided(evidence, plan)
    return _grouped(rows, verdict, moments, scans, plan)


def off_plan_of_scan(verdicts: pa.Table, at_us: int, scan: str, plan: Plan) -> list[OffPlan]:
    """What one scan alone says (table VERDICTS), by task."""
    place = np.array([plan.element_row.get(one, -1) for one in verdicts["global_id"].to_pylist()], np.int64)
    codes = pc.index_in(verdicts["verdict"], value_set=pa.array(VERDICT_CODES)).to_numpy().astype(np.int8)
    known = (place >= 0) & (codes > UNKNOWN)
    count = int(known.sum())
    moments, scans = np.full(count, at_us), np.full(count, scan, object)
    return list(_grouped(place[known], codes[known], moments, scans, plan).values())


def _grouped(
    rows: NDArray[np.int64],
    verdict: NDArray[np.int8],
    moments: NDArray[np.int64],
    scans: NDArray[np.object_],
    plan: Plan,
) -> dict[str, OffPlan]:
    found: dict[str, OffPlan] = {}
    for moment in np.unique(moments):
        these = np.flatnonzero(moments == moment)
        planned = plan.elements.at(int(moment) // _US)["planned"][rows[these]]
        late = these[(verdict[these] == NOT_BUILT) & (planned == _FINISHED)]
        early = these[(verdict[these] == BUILT) & (planned == _NOT_STARTED)]
        for one in (*late.tolist(), *early.tolist()):
            is_late = bool(verdict[one] == NOT_BUILT)
            task = _task(plan, int(rows[one]), is_late=is_late)
            if task is None:
                continue
            mine = found.setdefault(task, OffPlan(task, plan.schedule.tasks["name"][plan.task_row[task]].as_py()))
            (mine.late if is_late else mine.early).append(plan.element_ids[int(rows[one])])
            mine.at_us = max(mine.at_us, int(moment))
            mine.scans.add(str(scans[one]))
    return found


def scan_tasks(evidence: Evidence, plan: Plan) -> dict[str, ScanTask]:
    """By id of task, of those whose elements any scan looked at."""
    rows, known, verdict, moments, _ = _decided(evidence, plan)
    state = np.zeros(len(plan.element_ids), np.int8)
    when = np.zeros(len(plan.element_ids), np.int64)
    state[known] = 1
    state[rows], when[rows] = verdict, moments
    found: dict[str, ScanTask] = {}
    task, element = _members(plan)
    order = np.argsort(task, kind="stable")
    task, element = task[order], element[order]
    starts = np.flatnonzero(np.append(True, task[1:] != task[:-1])) if len(task) else np.empty(0, np.int64)
    ids = plan.schedule.tasks["id"].to_pylist()
    stops = np.append(starts[1:], len(task))[: len(starts)]
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        mine = element[start:stop]
        if not (state[mine] > 0).any():
            continue
        built, missing = mine[state[mine] == BUILT], mine[state[mine] == NOT_BUILT]
        decided = len(built) + len(missing)
        is_done = len(built) == len(mine)
        found[ids[int(task[start])]] = ScanTask(
            actual_by="scan",
            actual_start=iso(int(when[built].min())) if len(built) else None,
            actual_finish=iso(int(when[built].max())) if is_done else None,
            percent=round(100.0 * len(built) / decided, 1) if decided else None,
            built=len(built),
            not_built=len(missing),
            unknown=len(mine) - decided,
        )
    return found


def scan_reports(tasks: dict[str, ScanTask], reported: set[str], plan: Plan) -> pa.Table:
    """What scans saw as a table REPORTS on the site's clock, of tasks of which nobody reported anything."""
    rows: list[dict[str, Any]] = []
    for task, seen in tasks.items():
        if task in reported or seen.actual_start is None:
            continue
        percent = None if seen.actual_finish else min(seen.percent or 0.0, 99.0)
        ends = {
            end: plan.clock.local(int(np.datetime64(text.rstrip("Z"), "us").astype(np.int64))).replace(microsecond=0)
            if (text := getattr(seen, f"actual_{end}")) is not None
            else None
            for end in ("start", "finish")
        }
        rows.append({"task": task, "percent": percent, **ends})
    return pa.Table.from_pylist(rows, schema=REPORTS)


def _decided(
    evidence: Evidence, plan: Plan
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8], NDArray[np.int64], NDArray[np.object_]]:
    """Rows of the plan's elements that scans decided and those any scan looked at; verdict, moment and scan of the
    former."""
    place = np.array([plan.element_row.get(one, -1) for one in evidence.ids], np.int64)
    known = place >= 0
    by = evidence.combined.row
    decided = known & (by >= 0)
    evidence_row = by[decided]
    return (
        place[decided],
        place[known],
        evidence.combined.verdict[decided],
        evidence.at_us[evidence_row],
        evidence.scan[evidence_row],
    )


def _members(plan: Plan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of task row and element row that decide."""
    counts = np.diff(plan.by_element.offsets)
    return plan.by_element.members.astype(np.int64), np.repeat(np.arange(len(counts)), counts)


def _task(plan: Plan, row: int, *, is_late: bool) -> str | None:
    """Of the tasks that decide an element the one that was to finish last, or is to begin first."""
    members = plan.by_element.members[slice(*plan.by_element.offsets[row : row + 2].tolist())]
    if not len(members):
        return None
    line = plan.tasks.planned
    chosen = members[np.argmax(line.finish[members])] if is_late else members[np.argmin(line.start[members])]
    task: str = plan.schedule.tasks["id"][int(chosen)].as_py()
    return task
