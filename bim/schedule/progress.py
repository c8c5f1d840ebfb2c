"""What the plan, the site and the forecast say about every task at any moment; the S-curve; the late list.

Vectorised over tasks: a state of 100,000 tasks at one moment is two comparisons.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.errors import ScheduleError
from bim.schedule.tables import Schedule
from bim.schedule.timeline import NEVER, Codes, Timeline
from bim.schedule.work_calendar import Calendars, Seconds, seconds

__all__ = ["CURVE", "LATE", "Progress"]

DateSet = Literal["planned", "actual", "forecast"]
Floats = npt.NDArray[np.float64]
_MARGIN = timedelta(days=366)
_HOUR_S = 3600.0
_LATE_YEARS_MAX = 20

CURVE = pa.schema(
    [
        pa.field("at", pa.timestamp("s"), nullable=False),
        pa.field("planned", pa.float64(), nullable=False),  # share of the work, 0 … 1
        pa.field("actual", pa.float64()),  # null after the data date
        pa.field("forecast", pa.float64(), nullable=False),
    ]
)
# why: late_start | late_finish (both as of the moment asked) | finished_late | forecast_late
LATE = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("planned_start", pa.timestamp("s")),
        pa.field("planned_finish", pa.timestamp("s")),
        pa.field("expected", pa.timestamp("s")),  # actual or forecast finish (start, for a late start)
        pa.field("delay_h", pa.float64(), nullable=False),  # working hours on the task's calendar
    ]
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Three timelines over the tasks of a schedule, in the order of its table."""

    schedule: Schedule
    planned: Timeline
    actual: Timeline
    forecast_dates: Timeline

    @classmethod
    def of(
        cls, schedule: Schedule, baseline: str | None = None, *, reported: npt.NDArray[np.bool_] | None = None
    ) -> "Progress":
        """`baseline` plans by a saved baseline instead; raises ScheduleError when there is none of that name.

        `reported` are the tasks of which it is known whether they have begun; by default all or none, as the file
        reports anything or not.
        """
        tasks = schedule.tasks
        start, finish = _column(tasks, "planned_start"), _column(tasks, "planned_finish")
        if baseline is not None:
            start, finish = _baseline(schedule, baseline)
        known = (start < NEVER) & (finish < NEVER)
        actual = _actual(schedule)
        if reported is not None:
            actual = Timeline(actual.start, actual.finish, reported)
        return cls(schedule, Timeline(start, finish, known), actual, _forecast(schedule, start, finish))

    def planned_state(self, moment: datetime) -> Codes:
        """What should be so at a moment."""
        return self.planned.at(moment)

    def actual_state(self, moment: datetime) -> Codes:
        """What was so at a moment; after the data date what was last known, `unknown` where nothing was reported."""
        return self.actual.at(moment)

    def forecast(self, moment: datetime) -> Codes:
        """What is expected at a moment: actual dates, then the schedule's dates of what remains."""
        return self.forecast_dates.at(moment)

    def deciding(self) -> npt.NDArray[np.bool_]:
        """Tasks that are work: active, no summary, no level of effort."""
        kinds = self.schedule.tasks["kind"]
        work = pc.invert(pc.is_in(kinds, pa.array(["summary", "level_of_effort"])))
        return np.asarray(pc.and_(work, self.schedule.tasks["active"]))

    def s_curve(self, points: int = 101) -> pa.Table:
        """Share of the work done over time, by all three date sets (table CURVE); tasks weigh by their duration."""
        weights = self._weights()
        both = (self._span(self.planned, weights), self._span(self.forecast_dates, weights))
        spans = [one for one in both if one is not None]
        if not spans:
            return CURVE.empty_table()
        first, last = min(one[0] for one in spans), max(one[1] for one in spans)
        grid = np.unique(np.linspace(first, last, points).astype(np.int64))
        planned = _curve(self.planned.start, self.planned.finish, weights, grid)
        forecast = _curve(self.forecast_dates.start, self.forecast_dates.finish, weights, grid)
        actual = self._earned(weights, grid)
        return pa.Table.from_arrays(
            [pa.array(grid).cast(pa.timestamp("s")), pa.array(planned), actual, pa.array(forecast)], schema=CURVE
        )

    def late(self, moment: datetime) -> pa.Table:
        """Tasks behind their plan at a moment, the most delayed first (table LATE).

        Long after the last date of the schedule the delay no longer grows: calendars are laid out day by day.
        """
        now = min(seconds(moment), self._last() + _LATE_YEARS_MAX * 366 * 86_400)
        late = self.behind(now)
        rows = self._late_rows(late, now) if late else []
        return pa.Table.from_pylist(sorted(rows, key=lambda row: -row["delay_h"]), schema=LATE)

    def behind(self, now: int) -> dict[int, tuple[str, int, int]]:
        """Row of each task behind its plan: why, when it was due, when it is expected; in wall-clock seconds."""
        work = self.deciding() & self.planned.known & self.actual.known
        plan, actual, then = self.planned, self.actual, self.forecast_dates
        begun, done = actual.start <= now, actual.finish <= now
        ahead = (plan.finish > now) & (then.finish > plan.finish) & then.known
        whys = [
            ("finished_late", done & (actual.finish > plan.finish), plan.finish, actual.finish),
            ("late_finish", ~done & (plan.finish <= now), plan.finish, np.maximum(then.finish, now)),
            ("late_start", ~begun & (plan.start <= now) & (plan.finish > now), plan.start, np.maximum(then.start, now)),
            ("forecast_late", ~done & ahead, plan.finish, then.finish),
        ]  # fmt: skip
        found: dict[int, tuple[str, int, int]] = {}
        for why, mask, due, expected in whys:
            for place in np.flatnonzero(mask & work).tolist():
                found.setdefault(place, (why, int(due[place]), int(expected[place])))
        return found

    def _last(self) -> int:
        """The last date of all."""
        moments = np.concatenate([self.planned.finish, self.actual.finish, self.forecast_dates.finish])
        known = moments[moments < NEVER]
        return int(known.max()) if len(known) else 0

    def _late_rows(self, late: dict[int, tuple[str, int, int]], now: int) -> list[dict[str, Any]]:
        calendars = self._calendars(now)
        names = ["id", "code", "name", "planned_start", "planned_finish", "calendar", "duration_kind"]
        rows: list[dict[str, Any]] = self.schedule.tasks.select(names).take(pa.array(list(late))).to_pylist()
        for row, (why, due, expected) in zip(rows, late.values(), strict=True):
            key, elapsed = row.pop("calendar"), row.pop("duration_kind") == "elapsed"
            calendar = calendars.elapsed if elapsed else calendars.of(key)
            row["why"], row["delay_h"] = why, calendar.between(due, expected) / _HOUR_S
            row["expected"] = None if expected >= NEVER else expected
        return rows

    def _calendars(self, now: int) -> Calendars:
        moments = [self.planned.start, self.planned.finish, self.actual.finish, self.forecast_dates.finish]
        known = np.concatenate([one[one < NEVER] for one in moments] + [np.array([now], np.int64)])
        first, last = (datetime(1970, 1, 1) + timedelta(seconds=int(one)) for one in (known.min(), known.max()))
        return Calendars(self.schedule, (first - _MARGIN).date(), (last + _MARGIN).date())

    def _weights(self) -> Floats:
        hours = self.schedule.tasks["duration_h"].to_numpy(zero_copy_only=False)
        days = (self.planned.finish - self.planned.start) / (3 * _HOUR_S)  # a third of a day is worked
        weights = np.where(np.isnan(hours), np.where(self.planned.known, days, 0.0), hours)
        return np.where(self.deciding() & self.planned.known, np.maximum(weights, 0.0), 0.0)

    @staticmethod
    def _span(line: Timeline, weights: Floats) -> tuple[int, int] | None:
        rows = line.known & (weights > 0) & (line.start < NEVER) & (line.finish < NEVER)
        return (int(line.start[rows].min()), int(line.finish[rows].max())) if rows.any() else None

    def _earned(self, weights: Floats, grid: Seconds) -> pa.Array:
        """Work reported: finished tasks between their actual dates, started ones to their percent at the data date."""
        if not self.actual.known.any():
            return pa.nulls(len(grid), pa.float64())
        data_date = self.schedule.about.data_date
        status = max(seconds(data_date) if data_date else 0, _last_actual(self.actual))
        percent = self.schedule.tasks["percent"].fill_null(0.0).to_numpy() / 100.0
        done = self.actual.finish < NEVER
        share = np.where(done, 1.0, percent)
        finish = np.where(done, self.actual.finish, status)
        begun = self.actual.known & (self.actual.start < NEVER)
        earned = _curve(
            np.where(begun, self.actual.start, NEVER),
            np.maximum(finish, self.actual.start),
            weights,
            grid,
            share * begun,
        )
        return pa.array(earned, mask=grid > status)


def _column(tasks: pa.Table, name: str) -> Seconds:
    values = tasks[name].cast(pa.int64()).fill_null(int(NEVER))
    return np.asarray(values.to_numpy(), np.int64).copy()


def _baseline(schedule: Schedule, name: str) -> tuple[Seconds, Seconds]:
    rows = [row for row in schedule["baselines"].to_pylist() if row["name"] == name]
    if not rows:
        known = sorted(set(schedule["baselines"]["name"].to_pylist()))
        fix = f"use one of {', '.join(known)}" if known else "the file saves no baseline; plan by its planned dates"
        raise ScheduleError("value", f"there is no baseline {name!r}", field="baseline", fix=fix)
    index = {task: place for place, task in enumerate(schedule.tasks["id"].to_pylist())}
    start, finish = (np.full(len(index), NEVER) for _ in range(2))
    for row in rows:
        if row["start"] is not None and row["finish"] is not None:
            start[index[row["task"]]], finish[index[row["task"]]] = seconds(row["start"]), seconds(row["finish"])
    return start, finish


def _actual(schedule: Schedule) -> Timeline:
    """Reported dates; a status without its date takes the forecast's. A file that reports nothing knows nothing."""
    tasks = schedule.tasks
    status = tasks["status"].to_numpy(zero_copy_only=False)
    start, finish = _column(tasks, "actual_start"), _column(tasks, "actual_finish")
    start = np.where((start >= NEVER) & (status != "not_started"), _column(tasks, "forecast_start"), start)
    finish = np.where((finish >= NEVER) & (status == "finished"), _column(tasks, "forecast_finish"), finish)
    reports = bool((start < NEVER).any()) or schedule.about.data_date is not None
    return Timeline(start, finish, np.full(len(start), reports))


def _forecast(schedule: Schedule, planned_start: Seconds, planned_finish: Seconds) -> Timeline:
    """What is not done by the data date is expected after it."""
    tasks, actual = schedule.tasks, _actual(schedule)
    start, finish = _column(tasks, "forecast_start"), _column(tasks, "forecast_finish")
    start, finish = np.where(start < NEVER, start, planned_start), np.where(finish < NEVER, finish, planned_finish)
    if schedule.about.data_date is not None:
        now = seconds(schedule.about.data_date)
        finish = np.where(actual.finish < NEVER, actual.finish, np.maximum(finish, now))
        start = np.where(actual.start < NEVER, actual.start, np.maximum(start, now))
    return Timeline(start, finish, (start < NEVER) & (finish < NEVER))


def _last_actual(actual: Timeline) -> int:
    known = np.concatenate([actual.start[actual.start < NEVER], actual.finish[actual.finish < NEVER]])
    return int(known.max()) if len(known) else 0


def _curve(start: Seconds, finish: Seconds, weights: Floats, grid: Seconds, share: Floats | None = None) -> Floats:
    """Sum of the tasks' straight lines from 0 at the start to their weight at the finish, as a share of all weight."""
    total = weights.sum()
    rows = (weights > 0) & (start < NEVER) & (finish < NEVER)
    if not rows.any() or total <= 0:
        return np.zeros(len(grid))
    begin, end = start[rows], np.maximum(finish[rows], start[rows] + 1)
    slope = weights[rows] * (1.0 if share is None else share[rows]) / (end - begin)
    moments = np.concatenate([begin, end])
    order = np.argsort(moments, kind="stable")
    moments, change = moments[order], np.concatenate([slope, -slope])[order]
    rate = np.cumsum(change)
    height = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(moments))])
    return np.asarray(np.clip(np.interp(grid, moments, height, left=0.0) / total, 0.0, 1.0), np.float64)
