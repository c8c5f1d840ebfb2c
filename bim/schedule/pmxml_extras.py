"""What hangs on the activities of a PMXML file: activity codes, user fields, baselines and resources."""

from collections.abc import Iterator

from bim.schedule.build import Draft
from bim.schedule.rows import Baseline, Code, Resource
from bim.schedule.times import parse_finish, parse_time
from bim.schedule.xml_tree import Node

__all__ = ["read_baselines", "read_codes", "resource_of"]

_RESOURCE = {"Labor": "labour", "Nonlabor": "equipment", "Material": "material"}


def read_codes(root: Node, projects: list[Node], draft: Draft) -> None:
    """Activity codes and user fields of tasks; raises ScheduleError."""
    places = (root, *projects)
    types = {node.text("ObjectId"): node.text("Name") for one in places for node in one.all("ActivityCodeType")}
    values = {node.text("ObjectId"): node for one in places for node in one.all("ActivityCode")}
    fields = {node.text("ObjectId"): node.text("Title") for node in root.all("UDFType")}
    for activity in _activities(projects):
        task = activity.needed("ObjectId")
        for code in activity.all("Code"):
            value = values.get(code.text("ValueObjectId"))
            if value is not None:
                name = types.get(code.text("TypeObjectId"), "")
                text = value.text("Description")
                draft.codes.append(Code(task=task, type=name, value=value.text("CodeValue"), text=text, line=code.line))
        for one in activity.all("UDF"):
            found = next((child.value.strip() for child in one.children if child.tag.endswith("Value")), "")
            if found:
                name = fields.get(one.text("TypeObjectId"), "")
                draft.codes.append(Code(task=task, type=name, value=found, kind="field", line=one.line))


def _activities(projects: list[Node]) -> Iterator[Node]:
    for project in projects:
        yield from project.all("Activity")


def read_baselines(root: Node, projects: list[Node], draft: Draft) -> None:
    """BaselineProject names its project; activities are matched by their id."""
    tasks = {(task.project, task.code): task.id for task in draft.tasks}
    names = {project.text("ObjectId"): project.text("Id") for project in projects}
    for baseline in root.all("BaselineProject"):
        project = names.get(baseline.text("OriginalProjectObjectId"), "")
        for node in baseline.all("Activity"):
            task = tasks.get((project, node.text("Id")))
            if task is not None:
                draft.baselines.append(
                    Baseline(
                        task=task,
                        name=baseline.text("Name"),
                        start=node.parsed("PlannedStartDate", parse_time),
                        finish=node.parsed("PlannedFinishDate", parse_finish),
                        duration_h=node.number("PlannedDuration"),
                        work_h=node.number("PlannedLaborUnits"),
                        line=node.line,
                    )
                )


def resource_of(node: Node) -> Resource:
    """One resource; raises ScheduleError."""
    return Resource(
        id=node.needed("ObjectId"),
        code=node.text("Id"),
        name=node.text("Name"),
        kind=_RESOURCE.get(node.text("ResourceType"), "labour"),
        calendar=node.text("CalendarObjectId") or None,
        line=node.line,
    )
