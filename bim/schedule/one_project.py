"""One project of a schedule that holds several, as P6 exports them."""

import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.errors import ScheduleError
from bim.schedule.tables import Schedule

__all__ = ["only_project"]

_OF_TASK = ("codes", "baselines", "assignments", "element_tasks")


def only_project(schedule: Schedule, project: str) -> Schedule:
    """Its tasks and all that belongs to them; a link from or to another project keeps the name of that end.

    Raises ScheduleError when no task is of the project.
    """
    tasks = schedule.tasks.filter(pc.equal(schedule.tasks["project"], project))
    if not tasks.num_rows:
        known = ", ".join(repr(name) for name in schedule.about.projects) or "none by name"
        raise ScheduleError("value", f"there is no project {project!r}", field="project", fix=f"it has {known}")
    kept = {"tasks": tasks, "links": _links(schedule.links, tasks["id"])}
    for name in _OF_TASK:
        kept[name] = schedule[name].filter(pc.is_in(schedule[name]["task"], tasks["id"].combine_chunks()))
    kept["wbs"] = schedule["wbs"].filter(pc.is_in(schedule["wbs"]["project"], pa.array([project, ""])))
    return Schedule(schedule.about, {**schedule.tables, **kept})


def _links(links: pa.Table, tasks: pa.ChunkedArray) -> pa.Table:
    within = {end: pc.is_in(links[end], tasks.combine_chunks()) for end in ("predecessor", "successor")}
    outside = links["outside"]
    for end, inside in within.items():
        lost = pc.and_(pc.invert(inside), pc.is_valid(links[end]))
        outside = pc.if_else(lost, links[end], outside)
        field = links.schema.field(end)
        ends = pc.if_else(inside, links[end], pa.scalar(None, pa.string()))
        links = links.set_column(links.schema.get_field_index(end), field, ends)
    field = links.schema.field("outside")
    links = links.set_column(links.schema.get_field_index("outside"), field, outside)
    return links.filter(pc.or_(within["predecessor"], within["successor"]))
