"""Forward and backward pass: early and late dates, total and free float, the critical and the longest path.

The method is that of the planning tools: a task starts where every link, constraint and its calendar allow
(forward), and may finish as late as everything after it allows (backward); float is the work between the two.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from bim.schedule.errors import ScheduleError
from bim.schedule.lags import LagRule
from bim.schedule.limits import ScheduleLimits
from bim.schedule.network import Network, network_of
from bim.schedule.placing import ALWAYS, FINISH_ONLY, NEVER, constraints_of, earliest, latest
from bim.schedule.tables import Schedule
from bim.schedule.work_calendar import BeyondHorizonError, Calendars, WorkCalendar, seconds

__all__ = ["DATES", "Dates", "compute"]

_HOUR_S = 3600.0
_HORIZONS_YEARS = (3, 12, 50)  # tried in turn; most schedules end within three years of their last date

DATES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("early_start", pa.timestamp("s")),
        pa.field("early_finish", pa.timestamp("s")),
        pa.field("late_start", pa.timestamp("s")),
        pa.field("late_finish", pa.timestamp("s")),
        pa.field("total_float_h", pa.float64()),
        pa.field("free_float_h", pa.float64()),
        pa.field("critical", pa.bool_()),
        pa.field("longest_path", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Dates:
    """Computed dates by task (table DATES, in the order of the tasks), and the project's finish."""

    table: pa.Table
    finish: datetime | None
    critical_path: list[str]  # ids, by early start


def compute(schedule: Schedule, limits: ScheduleLimits | None = None) -> Dates:
    """Both passes; raises ScheduleError for loops and for calendars in which the work never ends."""
    limits = limits or ScheduleLimits()
    network = network_of(schedule)
    first, last = _span(schedule)
    for years in (*_HORIZONS_YEARS, limits.horizon_years):
        low, high = (
            max(first - timedelta(days=366 * min(years, 12)), datetime(1850, 1, 1)),
            last + timedelta(days=366 * years),
        )
        try:
            return _Passes(schedule, network, Calendars(schedule, low.date(), high.date()), first).run()
        except BeyondHorizonError:
            continue
    problem = f"the work does not end within {limits.horizon_years} years"
    raise ScheduleError("no_work", problem, field="calendars", fix="look for calendars with hardly any working time")


def _span(schedule: Schedule) -> tuple[datetime, datetime]:
    """First and last moment that the schedule names."""
    about = schedule.about
    found = [one for one in (about.start, about.finish, about.data_date, about.must_finish) if one is not None]
    for name, kind in zip(schedule.tasks.schema.names, schedule.tasks.schema.types, strict=True):
        if pa.types.is_timestamp(kind):
            known = schedule.tasks[name].drop_null()
            if len(known):
                values = known.to_numpy()
                found += [values.min().item(), values.max().item()]
    return (min(found), max(found)) if found else (datetime(2000, 1, 1), datetime(2000, 1, 1))


class _Passes:
    """Dates of every node, in wall-clock seconds."""

    def __init__(self, schedule: Schedule, network: Network, calendars: Calendars, first: datetime) -> None:
        self.about, self.net = schedule.about, network
        self.calendars = [self._calendar(row, calendars) for row in network.tasks]
        self.calendars += [calendars.elapsed] * (network.nodes - len(network.tasks))
        self.lags = LagRule(schedule.about.lag_calendar, calendars, self.calendars, self._durations())
        self.duration = self._durations()
        self.origin = seconds(self.about.data_date or _first_start(network, self.about.start or first))
        self.early_start, self.early_finish = [ALWAYS] * network.nodes, [ALWAYS] * network.nodes
        self.late_start, self.late_finish = [NEVER] * network.nodes, [NEVER] * network.nodes

    def run(self) -> Dates:
        for node in self.net.order:
            self._forward(node)
        worked = [node for node in range(len(self.net.tasks)) if self.net.works[node]]
        self.end = max((self.early_finish[node] for node in worked), default=self.origin)
        for node in reversed(self.net.order):
            self._backward(node)
        return self._result(worked)

    def _calendar(self, row: dict[str, Any], calendars: Calendars) -> WorkCalendar:
        return calendars.elapsed if row["duration_kind"] == "elapsed" else calendars.of(row["calendar"])

    def _durations(self) -> list[int]:
        """Work of each node in seconds: what remains of a task that has started, all of one that has not."""
        found = []
        for row in self.net.tasks:
            hours = row["duration_h"] or 0.0
            if row["status"] == "in_progress" and row["remaining_h"] is not None:
                hours = row["remaining_h"]
            found.append(max(0, round(hours * _HOUR_S)) if "milestone" not in row["kind"] else 0)
        return found + [0] * (self.net.nodes - len(self.net.tasks))

    def _forward(self, node: int) -> None:
        start, finish = ALWAYS, ALWAYS
        for edge in self.net.incoming[node]:
            anchor = self.early_finish[edge.source] if edge.type[0] == "F" else self.early_start[edge.source]
            if anchor == ALWAYS:
                continue
            bound = self.lags.after(anchor, edge)
            if edge.type[1] == "S":
                start = max(start, bound)
            else:
                finish = max(finish, bound)
        if self.net.is_gate(node):
            self.early_start[node] = self.early_finish[node] = max(start, finish)
        elif self.net.works[node]:
            self.early_start[node], self.early_finish[node] = self._place_early(node, start, finish)

    def _place_early(self, node: int, start: int, finish: int) -> tuple[int, int]:
        row, calendar, work = self.net.tasks[node], self.calendars[node], self.duration[node]
        if row["status"] == "finished":
            actual = row["actual_finish"] or row["actual_start"] or row["planned_finish"]
            began = row["actual_start"] or actual
            return (seconds(began), seconds(actual)) if actual else (self.origin, self.origin)
        if row["manual"] and row["forecast_start"] is not None and row["forecast_finish"] is not None:
            return seconds(row["forecast_start"]), seconds(row["forecast_finish"])
        if row["status"] == "in_progress":
            return self._place_rest(row, calendar, work, start)
        start = max(start, self.origin)
        for name, moment in constraints_of(row):
            if name in ("start_no_earlier", "start_on"):
                start = max(start, moment)
            elif name == "mandatory_start":
                start, finish = moment, ALWAYS
            elif name in ("finish_no_earlier", "finish_on"):
                finish = max(finish, moment)
            elif name == "mandatory_finish":
                start, finish = FINISH_ONLY, moment
        return earliest(calendar, work, start, finish, row["kind"])

    def _place_rest(self, row: dict[str, Any], calendar: WorkCalendar, work: int, start: int) -> tuple[int, int]:
        """What remains goes on after the data date, by retained logic also after its predecessors."""
        begun = row["actual_start"] or row["forecast_start"] or row["planned_start"]
        begin = seconds(begun) if begun is not None else self.origin
        resume = max(self.origin, begin) if self.about.data_date else begin
        if row["resumed"] is not None:
            resume = max(resume, seconds(row["resumed"]))
        elif not self.about.data_date and row["duration_h"]:  # no data date: what was done follows the start
            resume = calendar.finish_at(calendar.work_at(begin) + round(row["duration_h"] * _HOUR_S) - work)
        if self.about.progress == "retained":
            resume = max(resume, start)
        return begin, calendar.finish_at(calendar.work_at(resume) + work) if work else resume

    def _backward(self, node: int) -> None:
        bound_s, bound_f = NEVER, NEVER
        for edge in self.net.outgoing[node]:
            anchor = self.late_start[edge.target] if edge.type[1] == "S" else self.late_finish[edge.target]
            if anchor == NEVER:
                continue
            bound = self.lags.before(anchor, edge)
            if edge.type[0] == "F":
                bound_f = min(bound_f, bound)
            else:
                bound_s = min(bound_s, bound)
        if self.net.is_gate(node):
            self.late_start[node] = self.late_finish[node] = min(bound_s, bound_f)
        elif self.net.works[node]:
            self.late_start[node], self.late_finish[node] = self._place_late(node, bound_s, bound_f)

    def _place_late(self, node: int, start: int, finish: int) -> tuple[int, int]:
        row, calendar, work = self.net.tasks[node], self.calendars[node], self.duration[node]
        must = self.about.must_finish
        finish = min(finish, seconds(must) if must is not None else self.end)
        if row["deadline"] is not None:
            finish = min(finish, seconds(row["deadline"]))
        for name, moment in constraints_of(row):
            if name in ("start_no_later", "start_on"):
                start = min(start, moment)
            elif name == "mandatory_start":
                start, finish = moment, NEVER
            elif name in ("finish_no_later", "finish_on"):
                finish = min(finish, moment)
            elif name == "mandatory_finish":
                start, finish = NEVER, moment
        return latest(calendar, work, start, finish)

    def _result(self, worked: list[int]) -> Dates:
        longest = self._longest(worked)
        columns: dict[str, list[Any]] = {name: [None] * len(self.net.tasks) for name in DATES.names}
        columns["id"] = [row["id"] for row in self.net.tasks]
        for node in worked:
            total = None if self.net.tasks[node]["status"] == "finished" else self._total_float(node)
            by_float = total is not None and total <= self.about.critical_float_h + 1e-6
            columns["early_start"][node], columns["early_finish"][node] = (
                self.early_start[node],
                self.early_finish[node],
            )
            columns["late_start"][node], columns["late_finish"][node] = self.late_start[node], self.late_finish[node]
            columns["total_float_h"][node] = total
            columns["free_float_h"][node] = None if total is None else self._free_float(node)
            columns["longest_path"][node] = node in longest
            columns["critical"][node] = node in longest if self.about.critical_by == "longest_path" else by_float
        table = pa.Table.from_arrays([_column(columns[one.name], one.type) for one in DATES], schema=DATES)
        critical = sorted((n for n in worked if columns["critical"][n]), key=lambda n: (self.early_start[n], n))
        finish = datetime(1970, 1, 1) + timedelta(seconds=self.end) if worked else None
        return Dates(table, finish, [self.net.tasks[node]["id"] for node in critical])

    def _total_float(self, node: int) -> float:
        calendar = self.calendars[node]
        by_finish = calendar.between(self.early_finish[node], self.late_finish[node])
        by_start = calendar.between(self.early_start[node], self.late_start[node])
        started = self.net.tasks[node]["status"] == "in_progress"
        kinds = {"start": by_start, "finish": by_finish, "least": min(by_start, by_finish)}
        return (by_finish if started else kinds[self.about.float_kind]) / _HOUR_S

    def _free_float(self, node: int) -> float:
        """Work by which a task may slip without moving the early dates of what follows it."""
        calendar, slips = self.calendars[node], []
        for edge in self.net.outgoing[node]:
            anchor = self.early_start[edge.target] if edge.type[1] == "S" else self.early_finish[edge.target]
            if anchor == ALWAYS or (self.net.is_gate(edge.target) and not self.net.outgoing[edge.target]):
                continue
            own = self.early_finish[node] if edge.type[0] == "F" else self.early_start[node]
            slips.append(calendar.between(own, self.lags.before(anchor, edge)))
        if not slips:
            slips.append(calendar.between(self.early_finish[node], self.end))
        return max(0, min(slips)) / _HOUR_S

    def _longest(self, worked: list[int]) -> set[int]:
        """The tasks that drive the last finish, back along the links that have no slack."""
        found = {node for node in worked if self.early_finish[node] == self.end}
        stack = list(found)
        while stack:
            node = stack.pop()
            own = self.calendars[node]
            for edge in self.net.incoming[node]:
                anchor = self.early_finish[edge.source] if edge.type[0] == "F" else self.early_start[edge.source]
                at = self.early_start[node] if edge.type[1] == "S" else self.early_finish[node]
                if edge.source in found or anchor == ALWAYS or own.between(self.lags.after(anchor, edge), at) > 0:
                    continue
                found.add(edge.source)
                stack.append(edge.source)
        return {node for node in found if self.net.works[node]}


def _first_start(network: Network, stated: datetime) -> datetime:
    """The stated start of the project, or that of an earlier task: some tools state when the file was made."""
    starts = [row["early_start"] or row["planned_start"] for row in network.tasks]
    return min((one for one in starts if one is not None and one < stated), default=stated)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array([None if one is None or abs(one) >= NEVER else one for one in values], pa.int64()).cast(kind)
    return pa.array(values, kind)
