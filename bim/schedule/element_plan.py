"""The plan over elements: when each is to be built, was built, is expected, from the tasks linked to it.

An element starts with its first task and is finished with its last; umbrella tasks never decide. An element without
a task of its own is `unknown` and is listed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.progress import Progress
from bim.schedule.rows import ElementTask
from bim.schedule.tables import Schedule, schema_of
from bim.schedule.task_names import TaskNames
from bim.schedule.timeline import Codes, Timeline, names_of
from bim.schedule.umbrella import umbrellas_of

__all__ = ["ELEMENT_STATES", "ElementPlan", "planned_elements", "resolve_tasks"]

ELEMENT_STATES = pa.schema(
    [
        pa.field("element", pa.string(), nullable=False),
        pa.field("planned", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("actual", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("forecast", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("planned_start", pa.timestamp("s")),
        pa.field("planned_finish", pa.timestamp("s")),
        pa.field("tasks", pa.int32(), nullable=False),  # that decide
    ]
)


@dataclass(frozen=True, slots=True)
class ElementPlan:
    """`elements[i]` has the deciding tasks `members[offsets[i] : offsets[i + 1]]` (rows of the tasks table)."""

    progress: Progress
    elements: pa.Array
    members: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    planned: Timeline
    actual: Timeline
    forecast_dates: Timeline
    umbrellas: list[str]  # ids of the tasks that decide nothing
    umbrella_only: list[str]  # elements that have no other task
    outside: list[str]  # elements that links name and the model has not

    @classmethod
    def of(
        cls,
        progress: Progress,
        links: pa.Table,
        elements: Sequence[str] | pa.Array | None = None,
        *,
        never: Collection[str] = (),
        always: Collection[str] = (),
    ) -> "ElementPlan":
        """`links` is a table of ElementTask rows; `elements` are the model's (default: those that are linked)."""
        given = pc.unique(links["element"]) if elements is None else elements
        known = _array(given)
        tasks = progress.schedule.tasks
        element = _places(links["element"], known)
        task = _places(links["task"], tasks["id"])
        outside = sorted(set(pc.filter(links["element"], pa.array(element < 0)).to_pylist()))
        keep = (element >= 0) & (task >= 0)
        pairs = np.unique(np.stack([element[keep], task[keep]]), axis=1)  # sorted by element, then task
        element, task = pairs[0], pairs[1]
        umbrella = umbrellas_of(progress.schedule, element, task, never=never, always=always)
        decides = ~umbrella[task] & np.asarray(tasks["active"], bool)[task]
        had = np.bincount(element, minlength=len(known)) > 0
        counts = np.bincount(element[decides], minlength=len(known))
        members, offsets = task[decides], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        linked_umbrellas = np.unique(task[umbrella[task]])
        return cls(
            progress,
            known,
            members,
            offsets,
            progress.planned.by_group(members, offsets),
            progress.actual.by_group(members, offsets, all_needed=True),
            progress.forecast_dates.by_group(members, offsets),
            tasks["id"].take(pa.array(linked_umbrellas)).to_pylist(),
            known.filter(pa.array(had & (counts == 0))).to_pylist(),
            outside,
        )

    def planned_state(self, moment: datetime) -> Codes:
        """What should be so at a moment, by element."""
        return self.planned.at(moment)

    def actual_state(self, moment: datetime) -> Codes:
        """What was so at a moment, as far as it was reported."""
        return self.actual.at(moment)

    def forecast(self, moment: datetime) -> Codes:
        """What is expected at a moment."""
        return self.forecast_dates.at(moment)

    def unlinked(self) -> list[str]:
        """Elements that no task decides."""
        return list(self.elements.filter(pa.array(np.diff(self.offsets) == 0)).to_pylist())

    @property
    def elements_linked(self) -> bool:
        """Whether any element of the model is linked at all, if only to an umbrella task."""
        return bool(len(self.members) or self.umbrella_only)

    def tasks_of(self, element: str) -> list[str]:
        """Ids of the tasks that decide an element, none when it is not known."""
        place = pc.index(self.elements, element).as_py()
        if place < 0:
            return []
        rows = self.members[self.offsets[place] : self.offsets[place + 1]]
        return list(self.progress.schedule.tasks["id"].take(pa.array(rows)).to_pylist())

    def table(self, moment: datetime) -> pa.Table:
        """All elements at a moment (table ELEMENT_STATES)."""
        lines = (self.planned, self.actual, self.forecast_dates)
        known = pa.array(~self.planned.known)
        dates = [
            pa.array(values, mask=np.asarray(known)).cast(pa.timestamp("s"))
            for values in (self.planned.start, self.planned.finish)
        ]
        counts = pa.array(np.diff(self.offsets), pa.int32())
        states = [names_of(line.at(moment)) for line in lines]
        return pa.Table.from_arrays([self.elements, *states, *dates, counts], schema=ELEMENT_STATES)


def resolve_tasks(links: pa.Table, schedule: Schedule) -> tuple[pa.Table, list[str]]:
    """Links whose task is named by what its tool keeps (P6: the code, else the id), else by the other, else by name,
    each where it is unique; and what was not found."""
    names = TaskNames(schedule)
    wanted = links["task"].to_pylist()
    ids = [names.id(one) for one in wanted]
    missing = sorted({one for one, found in zip(wanted, ids, strict=True) if found is None})
    schema = schema_of(ElementTask)
    table = links.set_column(
        links.schema.get_field_index("task"), pa.field("task", pa.string()), pa.array(ids, pa.string())
    )
    return table.filter(pc.is_valid(table["task"])).cast(schema), missing


def planned_elements(elements: pa.Table, links: pa.Table) -> pa.Array:
    """Ids of the elements of a model, and of whatever else of it is linked (spaces, for example)."""
    linked = pc.is_in(elements["id"], value_set=pc.unique(links["element"]))
    wanted = pc.or_(pc.equal(elements["category"], "element"), linked)
    return _array(elements["id"].filter(wanted))


def _array(values: Sequence[str] | pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    return values if isinstance(values, pa.Array) else pa.array(list(values), pa.string())


def _places(values: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Row of each value among others, -1 where it is not."""
    found = pc.index_in(values, value_set=_array(among)).fill_null(-1)
    return np.asarray(found, np.int64)
