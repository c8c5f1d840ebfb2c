"""What the command line and the API print of a schedule, as plain dicts."""

from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.agreement import compare
from bim.schedule.errors import ScheduleError
from bim.schedule.passes import compute
from bim.schedule.tables import Schedule

__all__ = ["late_rows", "network_report", "summary_of", "task_rows"]

_DIFFERENCES_MAX = 1000
_TASK_COLUMNS = (
    "id", "code", "name", "kind", "parent", "wbs_code", "calendar", "status", "percent", "percent_kind", "duration_h",
    "remaining_h", "planned_start", "planned_finish", "planned_from", "actual_start", "actual_finish",
    "forecast_start", "forecast_finish", "constraint", "constraint_at",
)  # fmt: skip


def summary_of(schedule: Schedule) -> dict[str, Any]:
    """Where it comes from, how much it holds, when it starts and ends."""
    about, tasks = schedule.about, schedule.tasks
    counts = schedule.counts()
    lags = pc.sum(pc.not_equal(schedule.links["lag_h"], 0.0)).as_py() or 0
    links = schedule.links["type"].value_counts().to_pylist()
    return {
        "file": about.file,
        "format": about.format,
        "version": about.version,
        "encoding": about.encoding,
        "sha256": about.sha256,
        "name": about.name,
        "projects": list(about.projects),
        "start": _text(pc.min(tasks["planned_start"]).as_py()),
        "finish": _text(pc.max(tasks["planned_finish"]).as_py()),
        "data_date": _text(about.data_date),
        "project": {
            "start": _text(about.start),
            "finish": _text(about.finish),
            "must_finish": _text(about.must_finish),
            "default_calendar": about.default_calendar,
            "lag_calendar": about.lag_calendar,
            "progress": about.progress,
            "critical_by": about.critical_by,
        },
        **counts,
        "lags": lags,
        "link_types": {row["values"]: row["counts"] for row in links},
        "status": {row["values"]: row["counts"] for row in tasks["status"].value_counts().to_pylist()},
        "warnings": list(about.warnings),
    }


def network_report(schedule: Schedule) -> dict[str, Any]:
    """Computed finish, critical path and agreement with the file; or why the network cannot be computed."""
    try:
        dates = compute(schedule)
    except ScheduleError as refusal:
        return {"refused": refusal.in_file(schedule.about.file).as_problem()}
    agreement = compare(schedule, dates)
    ratio = agreement.ratio()
    differences = agreement.differences[:_DIFFERENCES_MAX]
    return {
        "finish": _text(dates.finish),
        "critical_path": dates.critical_path,
        "compared_with": agreement.against,
        "compared": agreement.compared,
        "equal": agreement.equal,
        "agreement_ratio": None if ratio is None else round(ratio, 6),
        "differences": [msgspec.to_builtins(one) for one in differences],
    }


def task_rows(schedule: Schedule) -> list[dict[str, Any]]:
    """Tasks with their dates as ISO 8601."""
    rows = schedule.tasks.select(list(_TASK_COLUMNS)).to_pylist()
    return [{key: _text(value) for key, value in row.items()} for row in rows]


def late_rows(late: pa.Table) -> list[dict[str, Any]]:
    """The late list with its dates as ISO 8601."""
    return [{key: _text(value) for key, value in row.items()} for row in late.to_pylist()]


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
