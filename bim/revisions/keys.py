"""What an element says of itself that tells it from others, as keys that two revisions share."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from bim.model_index import plain

__all__ = ["PLACE_STEPS_PER_M", "RULES", "How", "Row", "Rule", "by_key", "copy_key", "held_key", "rows_of"]

Row = dict[str, Any]
How = Literal[
    "GlobalId", "tag", "everything", "shape and place", "name and place", "name and shape", "same parts", "same whole",
    "nearest copy",
]  # fmt: skip

PLACE_STEPS_PER_M = 100.0  # places are compared to the centimetre
_COLUMNS = [
    "id", "type", "category", "name", "long_name", "tag", "type_name", "storey", "x_m", "y_m", "z_m", "shape",
    "elevation_m", "parent",
]  # fmt: skip
_CASES = ("StandardCase", "ElementedCase")


class Rule(NamedTuple):
    """A key, how a pair by it is called, and how sure that is."""

    how: How
    confidence: float
    key: Callable[[Row], Hashable | None]  # None: says nothing of this element


def rows_of(table: pa.Table) -> list[Row]:
    """Rows with what the rules compare, worked out once."""
    rows: list[Row] = table.select(_COLUMNS).to_pylist()
    titles = {row["id"]: plain(row["name"]) for row in rows}
    for row in rows:
        row["class"] = _class(row["type"])
        row["title"] = (plain(row["name"]), plain(row["long_name"]))
        row["level"] = titles.get(row["storey"] or "", "")
        row["holder"] = titles.get(row["parent"] or "", "")
        row["place"] = _place(row)
    return rows


def _class(name: str) -> str:
    for case in _CASES:
        name = name.removesuffix(case)
    return name


def _place(row: Row) -> tuple[int, ...] | None:
    if row["x_m"] is None:
        return None if row["elevation_m"] is None else (round(row["elevation_m"] * PLACE_STEPS_PER_M),)
    return tuple(round(row[name] * PLACE_STEPS_PER_M) for name in ("x_m", "y_m", "z_m"))


def by_key(rows: Iterable[Row], key: Callable[[Row], Hashable | None]) -> dict[Hashable, list[Row]]:
    """Rows by key, those without one left out."""
    groups: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        value = key(row)
        if value is not None:
            groups[value].append(row)
    return groups


def _tag(row: Row) -> Hashable | None:
    return (row["class"], row["tag"]) if row["tag"] else None


def _tag_and_name(row: Row) -> Hashable | None:
    return (row["class"], row["tag"], row["title"], row["shape"], row["place"]) if row["tag"] else None


def _everything(row: Row) -> Hashable | None:
    return (row["class"], row["title"], row["type_name"], row["level"], row["holder"], row["shape"], row["place"])


def _shape_and_place(row: Row) -> Hashable | None:
    return (row["class"], row["shape"], row["place"]) if row["shape"] and row["place"] else None


def _name_and_place(row: Row) -> Hashable | None:
    return (row["class"], row["title"], row["type_name"], row["place"]) if row["title"][0] and row["place"] else None


def _name_and_shape(row: Row) -> Hashable | None:
    """Moved. A name that is only that of the type says too little."""
    told = row["title"][0] and row["title"][0] != plain(row["type_name"])
    return (row["class"], row["title"], row["type_name"], row["shape"]) if told else None


def _named(row: Row) -> Hashable | None:
    """Moved and redrawn, but of a name that no other has."""
    told = row["title"][0] and row["title"][0] != plain(row["type_name"])
    return (row["class"], row["title"], row["level"]) if told else None


def copy_key(row: Row) -> Hashable | None:
    """What copies of one thing have in common."""
    if row["category"] in ("opening", "port"):
        return (row["class"], row["shape"], row["holder"])
    return (row["class"], row["title"], row["type_name"], row["shape"]) if row["title"][0] or row["shape"] else None


def held_key(row: Row, whole: str | None) -> Hashable | None:
    """A copy within its whole; the storeys and sites that hold everything tell nothing."""
    copy = copy_key(row)
    return None if whole is None or copy is None or row["parent"] == row["storey"] else (copy, whole)


RULES = (
    Rule("everything", 0.99, _tag_and_name),
    Rule("tag", 0.97, _tag),
    Rule("everything", 0.97, _everything),
    Rule("shape and place", 0.95, _shape_and_place),
    Rule("name and place", 0.92, _name_and_place),
    Rule("name and shape", 0.85, _name_and_shape),
    Rule("name and shape", 0.75, _named),
)
