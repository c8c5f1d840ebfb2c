"""The plan of one moment of knowledge: tasks and elements with their three date sets, asked at any moment. Pure.

Codes are those of the API: 0 unknown, 1 not_started, 2 in_progress, 3 finished. All lines are in UTC seconds; the
tables of the schedule keep the site's wall clock.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.element_plan import ElementPlan, planned_elements
from bim.schedule.errors import ScheduleError
from bim.schedule.progress import Progress
from bim.schedule.reports import REPORTS, Reported, with_reports
from bim.schedule.rows import ElementTask
from bim.schedule.tables import Schedule, schema_of
from bim.schedule.task_names import TaskNames
from bim.schedule.timeline import NEVER, Timeline
from twin.model import Model
from twin.plan_clock import SiteClock
from twin.plan_lifecycle import LifecycleLines, LifecycleRules, task_classes
from twin.plan_store import Live, StoredSchedule

__all__ = ["CODES", "Codes", "Lines", "Plan", "PlanRules"]

CODES = ("unknown", "not_started", "in_progress", "finished")
_OURS = np.array([1, 2, 3, 0], np.int8)  # from the codes of bim.schedule.timeline
_DAY_S = 86_400

T = TypeVar("T")
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class PlanRules:
    """How a site reads its plan: the tasks that never or always decide, the baseline, the classes of tasks."""

    umbrella: tuple[str, ...] = ()
    decides: tuple[str, ...] = ()
    baseline: str | None = None
    lifecycle: LifecycleRules = field(default_factory=LifecycleRules)


@dataclass(frozen=True, slots=True)
class Lines:
    """The three date sets of some rows, in UTC."""

    planned: Timeline
    actual: Timeline
    forecast: Timeline

    def at(self, now_s: int) -> dict[str, Codes]:
        """Codes by date set."""
        sets = {"planned": self.planned, "actual": self.actual, "forecast": self.forecast}
        return {name: codes_at(line, now_s) for name, line in sets.items()}

    def late_days(self, now_s: int) -> npt.NDArray[np.float64]:
        """Calendar days behind the plan as known: expected finish less the planned one; 0 where it is in time, NaN
        where nothing was ever reported. What should be finished and is not is expected now at the earliest."""
        done = self.actual.finish <= now_s
        expected = np.where(self.forecast.finish < NEVER, self.forecast.finish, self.planned.finish)
        expected = np.where(done, self.actual.finish, np.maximum(expected, now_s))
        overdue = done | (self.planned.finish <= now_s) | (self.forecast.finish > self.planned.finish)
        days = np.where(overdue, np.maximum(expected - self.planned.finish, 0) / _DAY_S, 0.0)
        return np.where(self.planned.known & self.actual.known, days, np.nan)


class Plan:
    """One schedule with its links to the elements of a model and the reports of people. Immutable."""

    def __init__(
        self,
        stored: StoredSchedule,
        live: Live,
        links: pa.Table,
        reports: pa.Table,
        model: Model,
        clock: SiteClock,
        rules: PlanRules,
    ) -> None:
        """`links` (table LINKS) name tasks by id; `reports` (table REPORTS) as people named them."""
        links = links.filter(pc.is_in(links["task"], value_set=stored.schedule.tasks["id"].combine_chunks()))
        self.stored, self.live, self.links, self.clock, self.model = stored, live, links, clock, model
        self.problems: list[str] = []
        self._made: dict[str, Any] = {}
        reported = self._with_reports(stored, reports)
        self.schedule, self._network = reported.schedule, reported.network
        self._moved = reports.num_rows > 0
        self.progress = self._progress(reported, rules.baseline)
        full = links.append_column("line", pa.array(np.zeros(links.num_rows, np.int32))).cast(schema_of(ElementTask))
        elements = planned_elements(model.elements, full)
        self.by_element = ElementPlan.of(self.progress, full, elements, never=rules.decides, always=rules.umbrella)
        progress, plan = self.progress, self.by_element
        self.tasks = Lines(*map(clock.line, (progress.planned, progress.actual, progress.forecast_dates)))
        self.elements = Lines(*map(clock.line, (plan.planned, plan.actual, plan.forecast_dates)))
        self.classes = task_classes(self.schedule, rules.lifecycle)
        self._life = self._lifecycles()

    def once(self, what: str, make: Callable[[], T]) -> T:
        """What follows from the plan alone is made once and kept with it."""
        if what not in self._made:
            self._made[what] = make()
        found: T = self._made[what]
        return found

    @functools.cached_property
    def element_ids(self) -> list[str]:
        """GlobalIds in the order of all lines over elements."""
        ids: list[str] = self.by_element.elements.to_pylist()
        return ids

    @functools.cached_property
    def element_row(self) -> dict[str, int]:
        """Row of each element."""
        return {element: row for row, element in enumerate(self.element_ids)}

    @functools.cached_property
    def task_row(self) -> dict[str, int]:
        """Row of each task by id."""
        return {task: row for row, task in enumerate(self.schedule.tasks["id"].to_pylist())}

    @functools.cached_property
    def names(self) -> TaskNames:
        """How tasks are named."""
        return TaskNames(self.schedule)

    def ends_at(self, end: str, task: str) -> pa.ChunkedArray:
        """Mask over the links whose predecessor or successor is a task."""
        return pc.equal(self.schedule.links[end], task).fill_null(False)

    @functools.cached_property
    def predecessors(self) -> dict[str, list[str]]:
        """Ids of the tasks that a task waits for."""
        found: dict[str, list[str]] = {}
        links = self.schedule.links
        for task, before in zip(links["successor"].to_pylist(), links["predecessor"].to_pylist(), strict=True):
            if task is not None and before is not None:
                found.setdefault(task, []).append(before)
        return found

    @functools.cached_property
    def float_h(self) -> npt.NDArray[np.float64]:
        """Total float of each task, computed where the file does not state it or reports moved it; NaN for unknown."""
        computed = self._computed("total_float_h", np.nan).astype(np.float64)
        if self._moved:
            return computed
        stated = self.schedule.tasks["total_float_h"].to_numpy(zero_copy_only=False).astype(np.float64)
        return np.where(np.isnan(stated), computed, stated)

    @functools.cached_property
    def critical(self) -> npt.NDArray[np.bool_]:
        """Whether each task is critical, as `float_h`."""
        computed = self._computed("critical", False).astype(bool)
        if self._moved:
            return computed
        stated = self.schedule.tasks["critical"]
        return np.where(np.asarray(stated.is_valid()), np.asarray(stated.fill_null(False)), computed).astype(bool)

    def _computed(self, name: str, fill: float) -> npt.NDArray[np.object_]:
        if not self._network.num_rows:
            return np.full(self.schedule.tasks.num_rows, fill, object)
        return np.asarray(self._network[name].fill_null(fill).to_numpy(zero_copy_only=False), object)

    def tasks_of(self, row: int) -> list[tuple[str, str, str, float, bool]]:
        """Of an element: id, name, how, confidence of each linked task, and whether it decides."""
        deciding = set(self.by_element.members[slice(*self.by_element.offsets[row : row + 2].tolist())].tolist())
        columns, names = self._link_columns, self._task_names
        found = []
        for place in self._links_of.get(self.element_ids[row], ()):
            task = columns["task"][place]
            number = self.task_row[task]
            found.append((task, names[number], columns["how"][place], columns["confidence"][place], number in deciding))
        return found

    @functools.cached_property
    def _links_of(self) -> dict[str, list[int]]:
        """Rows of `links` by element, those of umbrella tasks too."""
        found: dict[str, list[int]] = {}
        for row, element in enumerate(self.links["element"].to_pylist()):
            found.setdefault(element, []).append(row)
        return found

    @functools.cached_property
    def _link_columns(self) -> dict[str, list[Any]]:
        return {name: self.links[name].to_pylist() for name in ("task", "how", "confidence")}

    @functools.cached_property
    def _task_names(self) -> list[str]:
        names: list[str] = self.schedule.tasks["name"].to_pylist()
        return names

    @functools.cached_property
    def elements_of(self) -> dict[str, list[str]]:
        """Elements by id of the task that is linked to them."""
        found: dict[str, list[str]] = {}
        known = self.element_row
        for task, element in zip(self.links["task"].to_pylist(), self.links["element"].to_pylist(), strict=True):
            if element in known:
                found.setdefault(task, []).append(element)
        return found

    @functools.cached_property
    def umbrellas(self) -> set[str]:
        """Ids of the tasks that decide no element: summaries, levels of effort, and those that span everything."""
        kinds = self.schedule.tasks["kind"].to_pylist()
        wide = {
            task
            for task, kind in zip(self.schedule.tasks["id"].to_pylist(), kinds, strict=True)
            if kind in ("summary", "level_of_effort")
        }
        return wide | set(self.by_element.umbrellas)

    @functools.cached_property
    def life_known(self) -> npt.NDArray[np.bool_]:
        """Elements whose tasks say anything about their life."""
        return self._life[0].known | self._life[1].known

    def lifecycles(self, now_s: int, *, future: bool) -> npt.NDArray[np.int8]:
        """Code of each element's life at a moment; with `future` what is expected counts, else what was reported."""
        planned, actual, forecast = self._life
        reported = forecast if future else actual
        return np.where(self.elements.actual.known, reported.at(now_s), planned.at(now_s)).astype(np.int8)

    def lifecycle_lines(self, row: int, *, future: bool) -> tuple[str, LifecycleLines]:
        """The date set that decides an element's life, and its lines."""
        planned, actual, forecast = self._life
        if not self.elements.actual.known[row]:
            return "planned", planned
        return ("forecast", forecast) if future else ("actual", actual)

    def _lifecycles(self) -> tuple[LifecycleLines, LifecycleLines, LifecycleLines]:
        """Deciding tasks of every class, and umbrella tasks that are named commissioning or hand-over."""
        members, offsets = self._life_members()
        lines = (self.tasks.planned, self.tasks.actual, self.tasks.forecast)
        planned, actual, forecast = (LifecycleLines.of(line, self.classes, members, offsets) for line in lines)
        return planned, actual, forecast

    def _life_members(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        plan = self.by_element
        rows = len(plan.elements)
        element = np.repeat(np.arange(rows), np.diff(plan.offsets))
        task = plan.members
        wide = [self.task_row[one] for one in plan.umbrellas if self.classes[self.task_row[one]]]
        for place in wide:
            name = self.schedule.tasks["id"][place].as_py()
            more = np.array([self.element_row[one] for one in self.elements_of.get(name, ())], np.int64)
            element, task = np.concatenate([element, more]), np.concatenate([task, np.full(len(more), place)])
        order = np.argsort(element, kind="stable")
        counts = np.bincount(element, minlength=rows)
        return task[order].astype(np.int64), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def _with_reports(self, stored: StoredSchedule, reports: pa.Table) -> Reported:
        resolved, missing = resolve_reports(reports, stored.schedule)
        self.reported = set(resolved["task"].to_pylist())
        if missing:
            self.problems.append(f"reported dates of tasks that this schedule lacks: {', '.join(missing[:20])}")
        told = with_reports(stored.schedule, resolved, stored.network)
        if told.problem:
            self.problems.append(f"the forecast of later tasks stays that of the file: {told.problem}")
        return told

    def _progress(self, reported: Reported, baseline: str | None) -> Progress:
        try:
            return Progress.of(reported.schedule, baseline, reported=reported.known)
        except ScheduleError as refusal:
            self.problems.append(str(refusal.problem))
            return Progress.of(reported.schedule, reported=reported.known)


def codes_at(line: Timeline, now_s: int) -> Codes:
    """Codes of all rows at a moment in UTC seconds."""
    state = (line.start <= now_s).astype(np.int8)
    state += line.finish <= now_s
    state[~line.known] = 3
    return np.asarray(_OURS[state], np.int8)


def resolve_reports(reports: pa.Table, schedule: Schedule) -> tuple[pa.Table, list[str]]:
    """Reports by ids of tasks, and the names that the schedule lacks."""
    if not reports.num_rows:
        return reports, []
    known, named = TaskNames(schedule), reports["task"].to_pylist()
    ids = [known.id(name) for name in named]
    missing = sorted({name for name, found in zip(named, ids, strict=True) if found is None})
    table = reports.set_column(0, pa.field("task", pa.string()), pa.array(ids, pa.string()))
    return table.filter(pc.is_valid(table["task"])).cast(REPORTS), missing
