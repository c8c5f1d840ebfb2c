"""What scans say of the plan as it stands: kept up with scans, plan and model; its alarms; asked at any moment."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bim.schedule.timeline import NEVER
from twin.alarms.desk import AlarmDesk
from twin.model import Model
from twin.plan import Plan
from twin.plan_book import PlanBook
from twin.plan_clock import texts_of
from twin.scans import Evidence, Scans
from twin.scans_alarms import report_off_plan
from twin.scans_progress import OffPlan, ScanTask, off_plan, scan_reports, scan_tasks
from twin.store import Store

__all__ = ["ScanBook"]


class ScanBook:
    """Any thread may call; `refresh` one at a time."""

    def __init__(
        self, store: Store, scans: Scans, *, model: Callable[[], Model], plan: PlanBook, alarms: AlarmDesk
    ) -> None:
        self._store, self._scans, self._model, self._plan, self._alarms = store, scans, model, plan, alarms
        self._turn = threading.Lock()
        self._held: tuple[Any, Evidence] | None = None
        self._tasks: tuple[Any, dict[str, ScanTask]] | None = None
        self._settled: Any = None
        self.off: dict[str, OffPlan] = {}
        self._forecast: dict[str, ScanTask] = {}
        self._forecast_of: Plan | None = None

    def evidence(self, at_us: int | None = None, known_us: int | None = None) -> Evidence | None:
        """What accepted scans add up to at a moment; None where there is none. Equal knowledge is read once."""
        stamp = self._scans.stamp(at_us, known_us)
        if not stamp[0]:
            return None
        model = self._model()
        held, key = self._held, (stamp, model)
        if held is None or held[0] != key:
            held = self._held = (key, self._scans.evidence(at_us, known_us, model.current))
        return held[1]

    def verdicts(
        self, elements: list[str], at_us: int, known_us: int | None
    ) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Of each element at a moment what scans add up to (VERDICT_CODES) and its deviation in mm, NaN for none."""
        codes, deviation = np.zeros(len(elements), np.int8), np.full(len(elements), np.nan)
        found = self.evidence(at_us, known_us)
        if found is None or not found.ids:
            return codes, deviation
        place = np.array([found.rows.get(element, -1) for element in elements], np.int64)
        known = place >= 0
        codes[known] = found.combined.verdict[place[known]]
        row = np.where(known, found.combined.row[place], -1)
        deviation[row >= 0] = found.deviation_mm[row[row >= 0]]
        return codes, deviation

    def tasks(self, plan: Plan, at_us: int | None = None, known_us: int | None = None) -> dict[str, ScanTask]:
        """How far tasks are by what scans saw; with their forecast where plan and knowledge are those of now."""
        found = self.evidence(at_us, known_us)
        if found is None:
            return {}
        if plan is self._forecast_of and found is self._settled_evidence():
            return self._forecast
        held = self._tasks
        if held is None or held[0][0] is not found or held[0][1] is not plan:
            held = self._tasks = ((found, plan), scan_tasks(found, plan))
        return held[1]

    def refresh(self) -> None:
        """Follow scans, plan and model: what is late and early, its alarms, and the forecast that follows."""
        with self._turn:
            plan = self._plan.live
            found = self.evidence()
            key = (found, plan)
            if self._settled is not None and all(a is b for a, b in zip(key, self._settled, strict=True)):
                return
            self.off = off_plan(found, plan) if found is not None and plan is not None else {}
            report_off_plan(self._alarms, self.off, self._store.clock.wall_us())
            if found is not None and plan is not None:
                self._forecast = self._with_forecast(scan_tasks(found, plan), plan)
                self._forecast_of = plan
            self._settled = key

    def _settled_evidence(self) -> Evidence | None:
        return None if self._settled is None else self._settled[0]

    def _with_forecast(self, tasks: dict[str, ScanTask], plan: Plan) -> dict[str, ScanTask]:
        """The forecast if what scans saw were reported, of tasks of which nobody reported anything."""
        reports = pa.concat_tables([self._plan.store.actuals(), scan_reports(tasks, plan.reported, plan)])
        tried = self._plan.tried(plan.stored, plan.links, reports)
        now_s = self._store.clock.wall_us() // 1_000_000
        days = tried.tasks.late_days(now_s)
        finish = np.where(tried.tasks.forecast.known, tried.tasks.forecast.finish, NEVER)
        texts = texts_of(finish)
        found = {}
        for task, seen in tasks.items():
            row = tried.task_row[task]
            late = float(days[row])
            found[task] = msgspec.structs.replace(
                seen, forecast_finish=texts[row], days_late=None if late != late else round(late, 2)
            )
        return found
