"""Actual dates that people reported, laid over those of the file; what follows them moves with them.

A report replaces all that the file says about when its task began, ended, and how far it is. The forecast of other
tasks moves as far as the network moves them: a task whose dates in the file are those that we compute takes the newly
computed ones, any other is shifted by as much.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.errors import ScheduleError
from bim.schedule.passes import compute
from bim.schedule.tables import Schedule
from bim.schedule.timeline import NEVER
from bim.schedule.work_calendar import Seconds

__all__ = ["REPORTS", "Reported", "file_reports", "with_reports"]

_COST_S_MAX = 60.0  # of one processor, beside ingest; the largest programmes take 40 s
_TASK_S, _DAY_S, _MARGIN_DAYS = 0.000_15, 0.000_008, 6 * 366

REPORTS = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),  # id
        pa.field("start", pa.timestamp("s")),
        pa.field("finish", pa.timestamp("s")),
        pa.field("percent", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Reported:
    """The schedule with the reports in it, the tasks of which actual dates are known, the network computed after
    them (table DATES, empty when it cannot be computed), and why nothing moved."""

    schedule: Schedule
    known: npt.NDArray[np.bool_]
    network: pa.Table
    problem: str = ""


def file_reports(schedule: Schedule) -> bool:
    """Whether the file itself says what has begun; if it says nothing, nothing is known."""
    tasks = schedule.tasks
    begun = pc.any(pc.or_(pc.is_valid(tasks["actual_start"]), pc.not_equal(tasks["status"], "not_started"))).as_py()
    return bool(begun) or schedule.about.data_date is not None


def with_reports(schedule: Schedule, reports: pa.Table, network: pa.Table) -> Reported:
    """`reports` is a table REPORTS by ids of tasks; `network` the computed dates before (table DATES) or empty."""
    places = np.asarray(pc.index_in(reports["task"], value_set=schedule.tasks["id"].combine_chunks()).fill_null(-1))
    reports, places = reports.filter(pa.array(places >= 0)), places[places >= 0].astype(np.int64)
    known = np.full(schedule.tasks.num_rows, file_reports(schedule))
    known[places] = True
    if not len(places):
        return Reported(schedule, known, network)
    told = _lay_over(schedule, places, reports)
    if _cost_s(told) > _COST_S_MAX:
        return Reported(
            _own_forecast(told, places), known, network.slice(0, 0), "it is too large to follow each report"
        )
    try:
        after = compute(told).table
    except ScheduleError as refusal:
        return Reported(_own_forecast(told, places), known, network.slice(0, 0), refusal.problem)
    return Reported(_moved(told, places, network if network.num_rows else None, after), known, after)


def _lay_over(schedule: Schedule, places: npt.NDArray[np.int64], reports: pa.Table) -> Schedule:
    tasks = schedule.tasks
    columns: dict[str, list[Any]] = {
        name: tasks[name].to_pylist()
        for name in ("actual_start", "actual_finish", "percent", "status", "remaining_h", "suspended", "resumed")
    }
    durations = tasks["duration_h"].to_pylist()
    for place, row in zip(places.tolist(), reports.to_pylist(), strict=True):
        finished, begun = row["finish"] is not None, row["start"] is not None
        percent = 100.0 if finished else row["percent"] if begun else None
        left = None if durations[place] is None else durations[place] * (1.0 - (percent or 0.0) / 100.0)
        columns["actual_start"][place] = row["start"]
        columns["actual_finish"][place] = row["finish"]
        columns["percent"][place] = percent
        columns["status"][place] = "finished" if finished else "in_progress" if begun else "not_started"
        columns["remaining_h"][place] = left
        columns["suspended"][place] = columns["resumed"][place] = None
    return _replaced(schedule, columns)


def _cost_s(schedule: Schedule) -> float:
    """Roughly the processor time of the network: its tasks and links, and every day of every calendar in use."""
    tasks = schedule.tasks
    dates = [_seconds(tasks, f"{what}_{end}") for what in ("planned", "actual") for end in ("start", "finish")]
    known = np.concatenate([one[one < NEVER] for one in dates])
    days = (int(known.max()) - int(known.min())) / 86_400 + _MARGIN_DAYS if len(known) else _MARGIN_DAYS
    calendars = len(tasks["calendar"].unique())
    return float((tasks.num_rows + schedule.links.num_rows) * _TASK_S + days * calendars * _DAY_S)


def _own_forecast(told: Schedule, places: npt.NDArray[np.int64]) -> Schedule:
    """Only the reported tasks themselves: their actual dates are their forecast."""
    columns = {name: told.tasks[name].to_pylist() for name in ("forecast_start", "forecast_finish")}
    actual = {name: told.tasks[f"actual_{name}"].to_pylist() for name in ("start", "finish")}
    for place in places.tolist():
        for name, values in actual.items():
            columns[f"forecast_{name}"][place] = values[place] or columns[f"forecast_{name}"][place]
    return _replaced(told, columns)


def _moved(told: Schedule, places: npt.NDArray[np.int64], before: pa.Table | None, after: pa.Table) -> Schedule:
    """Forecast dates after the network was computed anew."""
    own = np.zeros(told.tasks.num_rows, bool)
    own[places] = True
    columns: dict[str, Any] = {}
    for end in ("start", "finish"):
        stated = _seconds(told.tasks, f"forecast_{end}")
        stated = np.where(stated < NEVER, stated, _seconds(told.tasks, f"planned_{end}"))
        new = _seconds(after, f"early_{end}")
        old = stated if before is None else _seconds(before, f"early_{end}")
        moves = (new < NEVER) & (old < NEVER) & (stated < NEVER) & (new != old)
        forecast = np.where(moves, np.where(stated == old, new, stated + (new - old)), stated)
        actual = _seconds(told.tasks, f"actual_{end}")
        forecast = np.where(own & (new < NEVER), new, forecast)
        forecast = np.where(actual < NEVER, actual, forecast)
        columns[f"forecast_{end}"] = pa.array(forecast, mask=forecast >= NEVER).cast(pa.timestamp("s"))
    columns["forecast_finish"] = pc.max_element_wise(columns["forecast_finish"], columns["forecast_start"])
    return _replaced(told, columns)


def _replaced(schedule: Schedule, columns: dict[str, Any]) -> Schedule:
    tasks = schedule.tasks
    for name, values in columns.items():
        field = tasks.schema.field(name)
        array = values if isinstance(values, pa.Array) else pa.array(values, field.type)
        tasks = tasks.set_column(tasks.schema.get_field_index(name), field, array)
    return Schedule(schedule.about, {**schedule.tables, "tasks": tasks})


def _seconds(table: pa.Table, name: str) -> Seconds:
    return np.asarray(table[name].cast(pa.int64()).fill_null(int(NEVER)).to_numpy(), np.int64)
