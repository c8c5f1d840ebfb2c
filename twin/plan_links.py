"""The links that hold: those of the schedule itself, of a link file, of rules, and what people decided; and their
upkeep in the database, so that what was linked at any moment can be read again.

Of one pair the first of these counts: people, the schedule, the file, the rules. What people cut is cut.
"""

from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from bim.schedule.element_plan import resolve_tasks
from bim.schedule.link_csv import resolve_links
from bim.schedule.link_rules import ElementFields, link_by_rules, parse_rules
from bim.schedule.rows import ElementTask
from bim.schedule.tables import Schedule, table_of
from twin.model import Model
from twin.plan_store import LINKS
from wire.errors import ConfigError

__all__ = ["Found", "LinkInputs", "current_names", "find_links", "keep_links"]

_MOMENT = "make_timestamptz($at::BIGINT)"


@dataclass(frozen=True, slots=True)
class LinkInputs:
    """What links follow from: a link file's rows (table GIVEN_LINKS), the text of rules, people's decisions."""

    file: pa.Table | None = None
    rules: str = ""
    decisions: dict[tuple[str, str], bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The links (table LINKS), the tasks that a file names and the schedule lacks, and what is wrong with the rules."""

    links: pa.Table
    missing: list[str]
    problems: list[str]


def find_links(schedule: Schedule, inputs: LinkInputs, model: Model, relations: pa.Table | None = None) -> Found:
    """Pure. Rules see the elements of `model`; other links may name elements that it lacks, which are kept."""
    missing: list[str] = []
    problems: list[str] = []
    decided, unknown = _decided(schedule, inputs.decisions)
    missing += unknown
    parts = [decided[True], schedule["element_tasks"]]
    if inputs.file is not None:
        resolved, unknown = resolve_links(inputs.file, schedule)
        missing += unknown
        parts.append(resolved)
    if inputs.rules:
        try:
            fields = ElementFields(model.elements, relations)
            parts.append(link_by_rules(schedule, fields, parse_rules(inputs.rules, "rules")).links)
        except ConfigError as error:
            problems.append(str(error))
    given = current_names(pa.concat_tables([part.select(LINKS.names) for part in parts]), model)
    table = _first_of_each(given, current_names(decided[False], model))
    return Found(table.cast(LINKS), sorted(set(missing)), problems)


def current_names(links: pa.Table, model: Model) -> pa.Table:
    """Links made under an earlier revision of the model, by the GlobalIds that their elements have now."""
    if not model.aliases:
        return links
    at = links.schema.get_field_index("element")
    names = [model.current(one) for one in links["element"].to_pylist()]
    return links.set_column(at, links.schema.field(at), pa.array(names, links.schema.field(at).type))


def keep_links(cursor: duckdb.DuckDBPyConnection, links: pa.Table, at_us: int) -> int:
    """Within the caller's transaction: bring the table element_links up to these links; how many rows changed.

    What is no longer so ends at `at_us`, or a moment after the newest change if that came later.
    """
    last = "SELECT coalesce(epoch_us(max(greatest(known_from, known_to))), 0) FROM element_links"
    at_us = max(at_us, int(cursor.execute(last).fetchall()[0][0]) + 1)
    names = ", ".join(LINKS.names)
    same = " AND ".join(f"n.{name} = l.{name}" for name in LINKS.names)
    cursor.register("new_links", links)
    ended = cursor.execute(
        f"UPDATE element_links l SET known_to = {_MOMENT} WHERE known_to IS NULL"  # noqa: S608  (names of ours)
        f" AND NOT EXISTS (FROM new_links n WHERE {same})",
        {"at": at_us},
    ).fetchall()
    begun = cursor.execute(
        f"INSERT INTO element_links BY NAME SELECT {names}, {_MOMENT} AS known_from, NULL AS known_to"  # noqa: S608
        f" FROM new_links n WHERE NOT EXISTS (FROM element_links l WHERE l.known_to IS NULL AND {same})",
        {"at": at_us},
    ).fetchall()
    cursor.unregister("new_links")
    return int(ended[0][0]) + int(begun[0][0])


def _decided(schedule: Schedule, decisions: dict[tuple[str, str], bool]) -> tuple[dict[bool, pa.Table], list[str]]:
    """Links set and links cut, by ids of tasks."""
    found = dict.fromkeys((True, False), table_of([], ElementTask))
    missing: list[str] = []
    if not decisions:
        return found, missing
    for linked in (True, False):
        rows = [
            ElementTask(element=element, task=task, how="set", detail="set by an operator" if linked else "")
            for (element, task), value in decisions.items()
            if value is linked
        ]
        found[linked], unknown = resolve_tasks(table_of(rows, ElementTask), schedule)
        missing += unknown
    return found, missing


def _first_of_each(table: pa.Table, cut: pa.Table) -> pa.Table:
    """One row a pair, the first; without the pairs that were cut."""
    pair = pc.binary_join_element_wise(table["element"], table["task"], "\x1f")
    rows = pa.table({"pair": pair, "row": pa.array(range(table.num_rows), pa.int64())})
    first = rows.group_by("pair").aggregate([("row", "min")])
    gone = pc.binary_join_element_wise(cut["element"], cut["task"], "\x1f").combine_chunks()
    kept = first.filter(pc.invert(pc.is_in(first["pair"], value_set=gone)))
    return table.take(kept["row_min"].sort())
