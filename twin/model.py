"""The building model that is live: its elements in memory, found by GlobalId, name and place.

The tables come from the child process of `bim` (see bim/tables.py for their columns); importing this loads no
IFC library.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bim.georeference import Georeference
from bim.model_index import ModelIndex
from bim.tables import ELEMENTS

__all__ = ["Model", "ModelInfo", "difference"]

_DIFFED = (
    "type", "predefined", "name", "long_name", "tag", "parent", "storey", "space", "type_name",
    "x_m", "y_m", "z_m", "elevation_m", "footprint_m",
)  # fmt: skip


class ModelInfo(msgspec.Struct, frozen=True):
    """Where the live model came from."""

    revision: int
    file: str
    schema: str
    sha256: str
    georeference: Georeference = Georeference()


class Model:
    """One revision of the model. Immutable; without elements it stands for a site that has no model yet."""

    def __init__(self, info: ModelInfo | None = None, elements: pa.Table | None = None) -> None:
        self.info = info
        self.elements = ELEMENTS.empty_table() if elements is None else elements.combine_chunks()
        ids = self.column("id")
        self._row = {element: row for row, element in enumerate(ids)}
        self._type = self.column("type")
        self._space, self._storey, self._parent = (self.column(n) for n in ("space", "storey", "parent"))

    def __contains__(self, element: object) -> bool:
        return element in self._row

    def __len__(self) -> int:
        return len(self._row)

    def column(self, name: str) -> list[Any]:
        """One column as Python values."""
        values: list[Any] = self.elements.column(name).to_pylist()
        return values

    def row(self, element: str) -> dict[str, Any] | None:
        """All columns of one element."""
        index = self._row.get(element)
        if index is None:
            return None
        found: dict[str, Any] = self.elements.slice(index, 1).to_pylist()[0]
        return found

    def type_of(self, element: str) -> str:
        """Its IFC class; "" for an element that the model lacks."""
        index = self._row.get(element)
        return "" if index is None else str(self._type[index])

    def space_of(self, element: str) -> str | None:
        """The space that holds it; a space's own id."""
        index = self._row.get(element)
        if index is None:
            return None
        return element if self._type[index] == "IfcSpace" else self._space[index]

    def storey_of(self, element: str) -> str | None:
        """The storey that holds it."""
        index = self._row.get(element)
        return None if index is None else self._storey[index]

    def holders(self, places: Iterable[str]) -> set[str]:
        """The places themselves and all that hold them: whole, host, space, storey, building, site."""
        found: set[str] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            found.add(place)
            index = self._row.get(place)
            if index is not None:
                above = (self._parent[index], self._space[index], self._storey[index])
                waiting += [holder for holder in above if holder]
        return found

    def count(self, ifc_class: str) -> int:
        """How many elements of exactly this class."""
        return sum(1 for kind in self._type if kind == ifc_class)

    @functools.cached_property
    def children(self) -> dict[str, list[str]]:
        """Ids of what each element holds, by name."""
        held: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for element, parent, name in zip(self._row, self.column("parent"), self.column("name"), strict=True):
            if parent is not None:
                held[parent].append((name, element))
        return {parent: [element for _, element in sorted(group)] for parent, group in held.items()}

    def select(self, *, kind: str = "", space: str = "", storey: str = "", words: str = "") -> pa.Table:
        """The elements that match every given filter; `words` is looked for in names, tag, class and id."""
        table = self.elements
        for name, value in (("type", kind), ("space", space), ("storey", storey)):
            if value:
                table = table.filter(pc.equal(table.column(name), value))
        if words:
            masks = [
                pc.match_substring(table.column(name), words, ignore_case=True)
                for name in ("name", "long_name", "tag", "type", "id")
            ]
            table = table.filter(functools.reduce(pc.or_, masks))
        return table

    @functools.cached_property
    def index(self) -> ModelIndex:
        """What the binding of points searches."""
        return ModelIndex.from_table(self.elements)


def difference(old: Model, new: Model) -> list[dict[str, Any]]:
    """What a change of model adds, removes and changes: rows of op, path, old, new."""
    before = {row["id"]: row for row in old.elements.select(["id", *_DIFFED]).to_pylist()}
    after = {row["id"]: row for row in new.elements.select(["id", *_DIFFED]).to_pylist()}
    rows = [_row("remove", element, before[element], None) for element in before if element not in after]
    rows += [_row("add", element, None, after[element]) for element in after if element not in before]
    for element in before:
        if element in after and before[element] != after[element]:
            changed = [name for name in _DIFFED if before[element][name] != after[element][name]]
            rows += [
                {
                    "op": "replace",
                    "path": f"/elements/{element}/{name}",
                    "old": before[element][name],
                    "new": after[element][name],
                }
                for name in changed
            ]
    return rows


def _row(op: str, element: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    def short(row: dict[str, Any] | None) -> dict[str, Any] | None:
        return row and {"type": row["type"], "name": row["name"]}

    return {"op": op, "path": f"/elements/{element}", "old": short(old), "new": short(new)}
