"""The building model that is live: its elements in memory, found by GlobalId, name and place.

The tables come from the child process of `bim` (see bim/tables.py for their columns); importing this loads no
IFC library.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bim.georeference import Georeference
from bim.model_index import ModelIndex
from bim.tables import ELEMENTS

__all__ = ["Model", "ModelInfo"]


class ModelInfo(msgspec.Struct, frozen=True):
    """Where the live model came from."""

    revision: int
    file: str
    schema: str
    sha256: str
    georeference: Georeference = Georeference()


class Model:
    """One revision of the model. Immutable; without elements it stands for a site that has no model yet.

    `aliases` are GlobalIds of other revisions and what they are called in this one: every lookup understands them.
    """

    def __init__(
        self,
        info: ModelInfo | None = None,
        elements: pa.Table | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.info = info
        self.aliases = aliases or {}
        self.elements = ELEMENTS.empty_table() if elements is None else elements.combine_chunks()
        ids = self.column("id")
        self._row = {element: row for row, element in enumerate(ids)}
        self._type = self.column("type")
        self._space, self._storey, self._parent = (self.column(n) for n in ("space", "storey", "parent"))

    def __contains__(self, element: object) -> bool:
        return self._at(str(element)) is not None

    def __len__(self) -> int:
        return len(self._row)

    def column(self, name: str) -> list[Any]:
        """One column as Python values."""
        values: list[Any] = self.elements.column(name).to_pylist()
        return values

    def current(self, element: str) -> str:
        """What a GlobalId of any revision is called in this one; itself where that is not known."""
        return element if element in self._row else self.aliases.get(element, element)

    def _at(self, element: str) -> int | None:
        return self._row.get(self.current(element))

    def row(self, element: str) -> dict[str, Any] | None:
        """All columns of one element."""
        index = self._at(element)
        if index is None:
            return None
        found: dict[str, Any] = self.elements.slice(index, 1).to_pylist()[0]
        return found

    def type_of(self, element: str) -> str:
        """Its IFC class; "" for an element that the model lacks."""
        index = self._at(element)
        return "" if index is None else str(self._type[index])

    def space_of(self, element: str) -> str | None:
        """The space that holds it; a space's own id."""
        index = self._at(element)
        if index is None:
            return None
        return self.current(element) if self._type[index] == "IfcSpace" else self._space[index]

    def storey_of(self, element: str) -> str | None:
        """The storey that holds it."""
        index = self._at(element)
        return None if index is None else self._storey[index]

    def parent_of(self, element: str) -> str | None:
        """What holds it: container, whole or host."""
        index = self._row.get(element)
        return None if index is None else self._parent[index]

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

    def element_ids(self) -> list[str]:
        """GlobalIds of what is an element: no project, place, opening, port or group."""
        ids: list[str] = self.elements.filter(pc.equal(self.elements["category"], "element"))["id"].to_pylist()
        return ids

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
        return ModelIndex.from_table(self.elements, self.aliases)
