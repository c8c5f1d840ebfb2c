"""Property sets of one element in an open file: made, or mended where the element has one of that name already.

IFC wants the names of an element's sets to differ, so a set that is there is extended; one that several elements
share is first copied for this one. Runs in the child process only.
"""

from typing import Any

from bim.global_id import derived

__all__ = ["Psets"]

Value = tuple[str, Any]  # measure class, plain value


class Psets:
    """Sets of an open file; `history` is what IFC2X3 demands of everything with a GlobalId."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.history = next(iter(model.by_type("IfcOwnerHistory")), None)

    def values(self, element: Any, pset: str) -> dict[str, str]:
        """Values of an element's own set, as text."""
        found = self._own(element, pset)
        if found is None:
            return {}
        _, entity = found
        singles = [one for one in entity.HasProperties or () if one.is_a("IfcPropertySingleValue")]
        return {one.Name: str(one.NominalValue.wrappedValue) for one in singles if one.NominalValue is not None}

    def put(self, element: Any, pset: str, values: dict[str, Value]) -> None:
        """Set values; others of the set stay."""
        entity = self._for(element, pset)
        kept = [one for one in entity.HasProperties or () if one.Name not in values]
        fresh = [
            self._model.create_entity(
                "IfcPropertySingleValue", Name=name, NominalValue=self._model.create_entity(measure, value)
            )
            for name, (measure, value) in values.items()
        ]
        entity.HasProperties = [*kept, *fresh]

    def _own(self, element: Any, pset: str) -> tuple[Any, Any] | None:
        for relation in element.IsDefinedBy or ():
            if not relation.is_a("IfcRelDefinesByProperties"):
                continue
            entity = relation.RelatingPropertyDefinition
            if entity is None or isinstance(entity, tuple):  # IFC4 allows a set of sets
                continue
            if entity.is_a("IfcPropertySet") and entity.Name == pset:
                return relation, entity
        return None

    def _for(self, element: Any, pset: str) -> Any:
        """A set of this element alone."""
        found = self._own(element, pset)
        if found is None:
            return self._new(element, pset, [])
        relation, entity = found
        alone = len(relation.RelatedObjects) == 1 and len(self._model.get_inverse(entity)) == 1
        if alone:
            return entity
        rest = [one for one in relation.RelatedObjects if one != element]
        if rest:
            relation.RelatedObjects = rest
        else:
            self._model.remove(relation)
        return self._new(element, pset, list(entity.HasProperties or ()))

    def _new(self, element: Any, pset: str, properties: list[Any]) -> Any:
        make, name = self._model.create_entity, element.GlobalId
        entity = make(
            "IfcPropertySet", derived("pset", name, pset), self.history, pset, HasProperties=properties
        )  # fmt: skip
        make(
            "IfcRelDefinesByProperties",
            derived("pset relation", name, pset),
            self.history,
            RelatedObjects=[element],
            RelatingPropertyDefinition=entity,
        )
        return entity
