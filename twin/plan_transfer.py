"""The plan in an export: every revision, activation, link and report, so that another twin knows what this one knew."""

from pathlib import Path

import duckdb

from bim.schedule.tables import SCHEMAS
from twin.lookup import number
from wire.errors import InputError

__all__ = ["FOLDER", "PLAN_TABLES", "export_plan", "import_plan"]

FOLDER = "plan"
PLAN_TABLES = (
    "schedule_revisions", *(f"schedule_{name}" for name in SCHEMAS), "schedule_network", "plan_activations",
    "link_sources", "link_rows", "link_decisions", "task_actuals", "element_links",
)  # fmt: skip
_OWN = ("schedule_revisions", "link_sources", "link_decisions", "task_actuals")


def export_plan(cursor: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Write the tables of the plan beside the export's own; how many revisions of schedules there are."""
    (folder / FOLDER).mkdir()
    for name in PLAN_TABLES:
        cursor.execute(f"COPY {name} TO {_quoted(_file(folder, name))} (FORMAT parquet, COMPRESSION zstd)").fetchall()
    return number(cursor, "SELECT count(*) FROM schedule_revisions")


def import_plan(connection: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Within a transaction: take the plan of an export into a twin that has none; how many schedules came.

    A twin that has a plan of its own keeps it. An export of an older program has none.
    """
    if not (folder / FOLDER).is_dir() or any(number(connection, f"SELECT count(*) FROM {name}") for name in _OWN):  # noqa: S608
        return 0
    for name in PLAN_TABLES:
        path = _file(folder, name)
        known = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", [name]).fetchall()}
        try:
            there = {row[0] for row in connection.execute(f"DESCRIBE FROM read_parquet({_quoted(path)})").fetchall()}
            columns = ", ".join(f'"{column}"' for column in sorted(known & there - {"change"}))
            connection.execute(
                f"INSERT INTO {name} BY NAME SELECT {columns} FROM read_parquet({_quoted(path)})"  # noqa: S608
            ).fetchall()
        except duckdb.Error as error:
            fix = "give a folder that `aid4 twin export` wrote"
            raise InputError(f"cannot be read: {error}", file=str(path), fix=fix) from error
    return number(connection, "SELECT count(*) FROM schedule_revisions")


def _file(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.parquet"


def _quoted(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"
