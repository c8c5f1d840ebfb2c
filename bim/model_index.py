"""A model as the binding looks at it: elements by id, by name, by the points they claim, by position."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bim.footprint import Footprint, SpaceFinder

__all__ = ["Element", "ModelIndex", "plain"]

_COLUMNS = ["id", "type", "category", "name", "long_name", "tag", "space", "point_keys", "devices"]
_OUTLINES = ["id", "footprint_m", "z_min_m", "z_max_m"]
_BOUND_CATEGORIES = frozenset({"spatial", "element", "group", "project"})  # openings and ports carry no points


@dataclass(frozen=True, slots=True)
class Element:
    """One element or space."""

    id: str
    type: str
    category: str
    name: str
    long_name: str
    tag: str
    space: str | None  # the space it stands in; a space's own id for a space

    @property
    def title(self) -> str:
        """How people call it: number and name of a space, else its name."""
        return f"{self.name} {self.long_name}".strip() or self.id


def plain(name: str) -> str:
    """A name for comparison: lower case, one space between words."""
    return " ".join(name.casefold().split())


class ModelIndex:
    """Lookups over the elements table of one model; built once per model."""

    def __init__(
        self, rows: list[dict[str, Any]], footprints: dict[str, Footprint], aliases: Mapping[str, str] | None = None
    ) -> None:
        self.by_id: dict[str, Element] = {}
        self.by_point_key: dict[str, list[Element]] = defaultdict(list)
        self.by_device: dict[str, list[Element]] = defaultdict(list)
        self._spaces: dict[str, list[Element]] = defaultdict(list)
        self._elements: dict[str, list[Element]] = defaultdict(list)
        self.space_words: list[tuple[tuple[str, ...], Element]] = []
        self._finder = SpaceFinder(footprints)
        self._aliases = aliases or {}
        for row in rows:
            if row["category"] in _BOUND_CATEGORIES:
                self._add(row)

    @classmethod
    def from_table(cls, elements: pa.Table, aliases: Mapping[str, str] | None = None) -> Self:
        """From elements.arrow; `aliases` are GlobalIds of earlier revisions and what they are called now."""
        outlined = elements.select(_OUTLINES).filter(pc.is_valid(elements["footprint_m"])).to_pylist()
        footprints = {
            row["id"]: Footprint(np.array(row["footprint_m"]).reshape(-1, 2), row["z_min_m"], row["z_max_m"])
            for row in outlined
        }
        return cls(elements.select(_COLUMNS).to_pylist(), footprints, aliases)

    def find(self, global_id: str) -> Element | None:
        """By GlobalId, of this revision or an earlier one."""
        return self.by_id.get(global_id) or self.by_id.get(self._aliases.get(global_id, ""))

    def spaces_called(self, name: str) -> list[Element]:
        """Spaces by GlobalId, number, name, or "number name"."""
        return self._called(name, self._spaces, "IfcSpace")

    def elements_called(self, name: str) -> list[Element]:
        """Elements by GlobalId, name or tag."""
        return self._called(name, self._elements, "")

    def space_at(self, x_m: float, y_m: float, z_m: float) -> Element | None:
        """The space around a position of the model."""
        found = self._finder.at(x_m, y_m, z_m)
        return None if found is None else self.by_id.get(found)

    def _called(self, name: str, table: dict[str, list[Element]], type_: str) -> list[Element]:
        exact = self.find(name)
        if exact is not None and (not type_ or exact.type == type_):
            return [exact]
        return list({one.id: one for one in table.get(plain(name), ())}.values())

    def _add(self, row: dict[str, Any]) -> None:
        is_space = row["type"] == "IfcSpace"
        space = row["id"] if is_space else row["space"]
        fields = {name: row[name] for name in ("id", "type", "category", "name", "long_name", "tag")}
        one = Element(**fields, space=space)
        self.by_id[one.id] = one
        for key in row["point_keys"]:
            self.by_point_key[key].append(one)
        for device in row["devices"]:
            self.by_device[device].append(one)
        if is_space:
            names = {one.name, one.long_name, one.title}
            self.space_words.extend((words, one) for words in {_words(name) for name in names} if words)
            _enter(self._spaces, names, one)
        else:
            _enter(self._elements, {one.name, one.tag, one.long_name}, one)


def _enter(table: dict[str, list[Element]], names: set[str], one: Element) -> None:
    for name in {plain(name) for name in names if name}:
        table[name].append(one)


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", name.casefold()))
