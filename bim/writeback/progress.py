"""Actual dates of tasks, and actual dates and verdicts of elements, in an open file.

IfcTask (IFC4 on) has a TaskTime for them; IFC2X3 has none, and elements never do: there they are properties of
`Pset_AID4_Progress`. Runs in the child process only.
"""

from collections import defaultdict
from typing import Any

from bim.writeback.psets import Psets, Value
from bim.writeback.rows import Actual, Verdict

__all__ = ["PROGRESS", "Progress"]

PROGRESS = "Pset_AID4_Progress"


class Progress:
    """Writes dates and verdicts into one open file."""

    def __init__(self, model: Any, psets: Psets) -> None:
        self._model, self._psets = model, psets
        self._old = model.schema == "IFC2X3"
        self.tasks = self.elements = self.verdicts = 0
        self.skipped: list[str] = []
        self._by_name: defaultdict[str, list[Any]] = defaultdict(list)
        for task in model.by_type("IfcTask"):
            code = task.TaskId if self._old else task.Identification
            for name in dict.fromkeys((task.GlobalId, code, task.Name)):
                if name:
                    self._by_name[str(name)].append(task)

    def date(self, row: Actual) -> None:
        """Actual dates of a task or an element."""
        if row.element:
            self._date_element(row)
            return
        found = self._by_name.get(row.task, [])
        if len(found) != 1:
            self.skipped.append(f"task {row.task}: {len(found)} tasks of the model are called so")
        elif self._old:
            self._put(found[0], _dates(row))
            self.tasks += 1
        else:
            self._date_task(found[0], row)

    def judge(self, row: Verdict) -> None:
        """The verdict about an element."""
        element = self._element(row.element)
        if element is None:
            self.skipped.append(f"verdict: the model has no element {row.element}")
            return
        values: dict[str, Value] = {"Verdict": ("IfcLabel", row.verdict)}
        if row.at:
            values["VerdictTime"] = ("IfcDateTime", row.at)
        if row.probability is not None:
            values["VerdictProbability"] = ("IfcReal", row.probability)
        if row.scan:
            values["VerdictScan"] = ("IfcLabel", row.scan)
        self._put(element, values)
        self.verdicts += 1

    def _date_element(self, row: Actual) -> None:
        element = self._element(row.element)
        if element is None:
            self.skipped.append(f"dates: the model has no element {row.element}")
            return
        self._put(element, _dates(row))
        self.elements += 1

    def _date_task(self, task: Any, row: Actual) -> None:
        time = task.TaskTime
        if time is None or len(self._model.get_inverse(time)) > 1:  # tasks may share one; this one's dates are its own
            values = {} if time is None else {n: v for n, v in time.get_info().items() if n not in ("id", "type")}
            time = task.TaskTime = self._model.create_entity(
                time.is_a() if time is not None else "IfcTaskTime", **values
            )
        if row.start:
            time.ActualStart = row.start
        if row.finish:
            time.ActualFinish = row.finish
        if row.percent is not None:
            time.Completion = row.percent / 100
        self.tasks += 1

    def _put(self, element: Any, values: dict[str, Value]) -> None:
        if self._old:  # IFC2X3 has no IfcDateTime
            values = {n: ("IfcLabel" if kind == "IfcDateTime" else kind, v) for n, (kind, v) in values.items()}
        self._psets.put(element, PROGRESS, values)

    def _element(self, global_id: str) -> Any:
        try:
            found = self._model.by_guid(global_id)
        except (RuntimeError, TypeError):
            return None
        return found if found.is_a("IfcProduct") else None


def _dates(row: Actual) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if row.start:
        values["ActualStart"] = ("IfcDateTime", row.start)
    if row.finish:
        values["ActualFinish"] = ("IfcDateTime", row.finish)
    if row.percent is not None:
        values["Completion"] = ("IfcReal", row.percent / 100)
    return values
