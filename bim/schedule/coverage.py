"""What of a model the plan covers: who links what, and by name what no task decides. Nothing is left out silently."""

from collections import Counter
from typing import Any

import pyarrow as pa

from bim.schedule.element_plan import ElementPlan

__all__ = ["coverage"]


def coverage(plan: ElementPlan, links: pa.Table, missing_tasks: list[str], elements: pa.Table | None) -> dict[str, Any]:
    """`links` as they were used, `missing_tasks` named by links and not in the schedule, `elements` of the model."""
    tasks = plan.progress.schedule.tasks
    described = (
        {} if elements is None else {row["id"]: row for row in elements.select(["id", "type", "name"]).to_pylist()}
    )
    only_umbrella = set(plan.umbrella_only)
    linked = set(links["task"].to_pylist())
    deciding = plan.progress.deciding().tolist()
    idle = [
        {"id": row["id"], "code": row["code"], "name": row["name"]}
        for row, decides in zip(tasks.select(["id", "code", "name"]).to_pylist(), deciding, strict=True)
        if decides and row["id"] not in linked
    ]
    undecided = [
        {
            "id": one,
            "type": described.get(one, {}).get("type", ""),
            "name": described.get(one, {}).get("name", ""),
            "reason": "only_umbrella" if one in only_umbrella else "no_task",
        }
        for one in plan.unlinked()
    ]
    return {
        "total": len(plan.elements),
        "decided": len(plan.elements) - len(undecided),
        "by_how": dict(Counter(links["how"].to_pylist())),
        "umbrellas": plan.umbrellas,
        "undecided": undecided,
        "tasks_without_elements": idle,
        "links_to_unknown_tasks": missing_tasks,
        "links_to_unknown_elements": plan.outside,
    }
