"""The Arrow tables of a schedule, and what is known about the file they come from."""

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import msgspec
import pyarrow as pa

from bim.schedule import rows

__all__ = ["SCHEMAS", "TABLES", "About", "Schedule", "schema_of", "table_of"]

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int32(),
    float: pa.float64(),
    datetime: pa.timestamp("s"),
    date: pa.date32(),
    list[int]: pa.list_(pa.int32()),
}

TABLES: dict[str, type] = {
    "tasks": rows.Task,
    "links": rows.Link,
    "calendars": rows.Calendar,
    "work_times": rows.WorkTime,
    "baselines": rows.Baseline,
    "wbs": rows.Wbs,
    "codes": rows.Code,
    "resources": rows.Resource,
    "assignments": rows.Assignment,
    "element_tasks": rows.ElementTask,
}


def schema_of(row: type) -> pa.Schema:
    """The Arrow schema of a row class: its fields in order, `| None` is nullable."""
    hints = typing.get_type_hints(row)
    return pa.schema([_arrow_field(one.name, hints[one.name]) for one in fields(row)])


def table_of(found: Sequence[Any], row: type) -> pa.Table:
    """Rows of one class as a table."""
    schema = schema_of(row)
    columns = [pa.array([getattr(one, part.name) for one in found], part.type) for part in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _arrow_field(name: str, hint: Any) -> pa.Field:
    if isinstance(hint, types.UnionType):
        (plain,) = (part for part in typing.get_args(hint) if part is not type(None))
        return pa.field(name, _TYPES[plain])
    return pa.field(name, _TYPES[hint], nullable=False)


SCHEMAS: dict[str, pa.Schema] = {name: schema_of(row) for name, row in TABLES.items()}


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Where a schedule comes from, and the settings by which its tool computes it."""

    format: str  # xer | pmxml | mspdi | csv | ifc
    version: str = ""  # of the format or the tool, as the file says
    encoding: str = ""
    file: str = ""
    sha256: str = ""
    name: str = ""
    projects: tuple[str, ...] = ()
    start: datetime | None = None  # of the project
    finish: datetime | None = None
    must_finish: datetime | None = None
    data_date: datetime | None = None  # what lies before is actual, what lies after is plan
    default_calendar: str | None = None
    lag_calendar: str = "successor"  # predecessor | successor | project | 24h
    progress: str = "retained"  # retained logic | override: what an out-of-sequence start does to the rest
    float_kind: str = "least"  # start | finish | least: where total float is measured
    critical_float_h: float = 0.0  # tasks with no more float than this are critical
    critical_by: str = "float"  # float | longest_path
    scheduled: bool = False  # the file states early and late dates
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule that was taken in: the tables of TABLES, by name."""

    about: About
    tables: dict[str, pa.Table]

    def __getitem__(self, name: str) -> pa.Table:
        return self.tables[name]

    @property
    def tasks(self) -> pa.Table:
        """One row a task, in the order of the file."""
        return self.tables["tasks"]

    @property
    def links(self) -> pa.Table:
        """One row a link."""
        return self.tables["links"]

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        return {name: table.num_rows for name, table in self.tables.items()}
