"""The live plan's tasks as the table `tasks`: users' SQL, backups and exports read it there."""

import duckdb
import numpy as np
import pyarrow as pa

from bim.schedule.timeline import NEVER
from twin.plan import Plan

__all__ = ["TASK_CLASSES", "task_table", "write_tasks"]

TASK_CLASSES = ("installation", "commissioning", "hand-over")  # by code of twin.plan_lifecycle
_PLAIN = ("id", "code", "name", "project", "kind", "parent", "calendar", "active", "status", "percent", "duration_h")


def task_table(plan: Plan) -> pa.Table:
    """One row a task; times in UTC, with what people reported and the forecast that follows."""
    tasks, ids = plan.schedule.tasks, plan.schedule.tasks["id"].to_pylist()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: tasks[name] for name in _PLAIN}
    columns["wbs"] = tasks["wbs_code"]
    lines = {"planned": plan.tasks.planned, "actual": plan.tasks.actual, "forecast": plan.tasks.forecast}
    for name, line in lines.items():
        for end, moments in (("start", line.start), ("finish", line.finish)):
            unknown = (moments >= NEVER) | ~line.known
            micros = np.where(unknown, 0, moments) * 1_000_000
            columns[f"{name}_{end}"] = pa.array(micros, mask=unknown).cast(pa.timestamp("us", "UTC"))
    columns["total_float_h"] = pa.array(plan.float_h, mask=np.isnan(plan.float_h))
    columns["critical"] = pa.array(plan.critical)
    columns["is_umbrella"] = pa.array([task in plan.umbrellas for task in ids], pa.bool_())
    columns["lifecycle_class"] = pa.array([TASK_CLASSES[one] for one in plan.classes.tolist()], pa.string())
    columns["reported"] = pa.array([task in plan.reported for task in ids], pa.bool_())
    columns["elements"] = pa.array([len(plan.elements_of.get(task, ())) for task in ids], pa.uint32())
    columns["revision"] = pa.array([plan.stored.revision] * len(ids), pa.uint32())
    return pa.table(columns)


def write_tasks(connection: duckdb.DuckDBPyConnection, plan: Plan | None) -> None:
    """Within the caller's transaction: the table holds this plan, nothing for none."""
    connection.execute("DELETE FROM tasks").fetchall()
    if plan is not None:
        connection.register("new_tasks", task_table(plan))
        connection.execute("INSERT INTO tasks BY NAME SELECT * FROM new_tasks").fetchall()
        connection.unregister("new_tasks")
