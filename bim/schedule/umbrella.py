"""Tasks that span everything and so decide no element: summaries, levels of effort, and the one "finishes" task to
which a planner hung the whole model besides its own tasks."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.tables import Schedule

__all__ = ["BREADTH_RATIO", "umbrellas_of"]

BREADTH_RATIO = 0.8  # of all linked elements
_ELEMENTS_MIN = 20  # a task may well build all of a small model
_NARROWER_RATIO = 0.5  # of its elements have a task of their own: those decide


def umbrellas_of(
    schedule: Schedule,
    element: npt.NDArray[np.int64],
    task: npt.NDArray[np.int64],
    *,
    never: Collection[str] = (),
    always: Collection[str] = (),
) -> npt.NDArray[np.bool_]:
    """Which tasks are umbrellas, given links as pairs of row numbers; `never` and `always` name ids or codes."""
    tasks = schedule.tasks
    found = np.asarray(pc.is_in(tasks["kind"], pa.array(["summary", "level_of_effort"])), bool).copy()
    linked = len(np.unique(element))
    breadth = np.bincount(task, minlength=tasks.num_rows)
    wide = (breadth >= max(_ELEMENTS_MIN, BREADTH_RATIO * linked)) & ~found
    if wide.any():
        narrow = np.bincount(element[~wide[task]], minlength=int(element.max()) + 1) > 0
        for one in np.flatnonzero(wide).tolist():
            found[one] = narrow[element[task == one]].mean() >= _NARROWER_RATIO
    for names, value in ((always, True), (never, False)):
        for column in ("id", "code"):
            found[np.asarray(pc.is_in(tasks[column], pa.array(list(names), pa.string())))] = value
    return found
