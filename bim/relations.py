"""The relations of an IFC file that say what holds, controls, connects and groups what."""

from dataclasses import dataclass
from typing import Any

from bim.damage import READ_ERRORS

__all__ = ["RELATION_KINDS", "Relation", "Relations", "read_relations"]

# IFC relation: (kind in relations.arrow, attribute of the one that holds, attribute of what is held)
RELATION_KINDS: dict[str, tuple[str, str, str]] = {
    "IfcRelAggregates": ("aggregates", "RelatingObject", "RelatedObjects"),
    "IfcRelNests": ("nests", "RelatingObject", "RelatedObjects"),
    "IfcRelContainedInSpatialStructure": ("contains", "RelatingStructure", "RelatedElements"),
    "IfcRelReferencedInSpatialStructure": ("references", "RelatingStructure", "RelatedElements"),
    "IfcRelVoidsElement": ("voids", "RelatingBuildingElement", "RelatedOpeningElement"),
    "IfcRelFillsElement": ("fills", "RelatingOpeningElement", "RelatedBuildingElement"),
    "IfcRelFlowControlElements": ("flow_control", "RelatingFlowElement", "RelatedControlElements"),
    "IfcRelAssignsToGroup": ("group", "RelatingGroup", "RelatedObjects"),
    "IfcRelServicesBuildings": ("serves", "RelatingSystem", "RelatedBuildings"),
    "IfcRelSpaceBoundary": ("bounds", "RelatingSpace", "RelatedBuildingElement"),
    "IfcRelConnectsPortToElement": ("port", "RelatedElement", "RelatingPort"),
    "IfcRelConnectsPorts": ("connects", "RelatingPort", "RelatedPort"),
    "IfcRelConnectsElements": ("connects", "RelatingElement", "RelatedElement"),
    "IfcRelAssignsToProduct": ("assigned", "RelatingProduct", "RelatedObjects"),
}


@dataclass(frozen=True, slots=True)
class Relation:
    """One pair of instance numbers: `source` holds, `target` is held."""

    kind: str
    source: int
    target: int


class Relations:
    """All pairs of a file, and for each kind who holds a target (the first relation of the file wins)."""

    def __init__(self, pairs: list[Relation]) -> None:
        self.pairs = pairs
        self._holder: dict[str, dict[int, int]] = {}
        for pair in pairs:
            self._holder.setdefault(pair.kind, {}).setdefault(pair.target, pair.source)

    def holder(self, kind: str, target: int) -> int | None:
        """Who holds `target` by one kind of relation."""
        return self._holder.get(kind, {}).get(target)


def read_relations(model: Any, unread: dict[str, int]) -> Relations:
    """Every pair of RELATION_KINDS; relations whose attributes cannot be read are counted in `unread`."""
    pairs: list[Relation] = []
    for ifc_class, (kind, source_name, target_name) in RELATION_KINDS.items():
        for relation in _instances(model, ifc_class):
            try:
                source, targets = getattr(relation, source_name), getattr(relation, target_name)
                held = targets if isinstance(targets, tuple) else (targets,)
                pairs.extend(Relation(kind, source.id(), target.id()) for target in held if target is not None)
            except READ_ERRORS:
                unread[ifc_class] = unread.get(ifc_class, 0) + 1
    return Relations(list(dict.fromkeys(pairs)))


def _instances(model: Any, ifc_class: str) -> list[Any]:
    try:
        return list(model.by_type(ifc_class))
    except RuntimeError:  # the schema of this file does not know the class
        return []
