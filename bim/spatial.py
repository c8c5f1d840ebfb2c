"""Which storey and which space an element belongs to, and how that is known."""

from collections.abc import Callable
from dataclasses import dataclass

from bim.relations import Relations

__all__ = ["UNPLACED", "Containment", "Place", "is_room_thing"]

# relations that say what holds an element, in order of trust
_PARENT_KINDS = ("contains", "aggregates", "nests", "port", "voids", "fills")
_DEPTH_MAX = 100  # nesting of parts; real files stay below 12, a cycle never ends

# classes that stand in a room, so that the room around their position is theirs;
# a wall's or a slab's origin lies on an edge and says nothing
_ROOM_CLASSES = (
    "IfcDistributionElement",
    "IfcFurnishingElement",
    "IfcElectricalElement",
    "IfcEquipmentElement",
    "IfcTransportElement",
    "IfcBuildingElementProxy",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Instance numbers of storey and space, and how each was found."""

    parent: int | None
    storey: int | None
    storey_how: str
    space: int | None
    space_how: str


UNPLACED = Place(None, None, "", None, "")


def is_room_thing(is_a: Callable[[str], bool]) -> bool:
    """Whether the room around its position is where an instance belongs."""
    return any(is_a(name) for name in _ROOM_CLASSES)


class Containment:
    """Resolves elements to storeys and spaces from the relations of one file; pure."""

    def __init__(self, relations: Relations, storeys: set[int], spaces: set[int]) -> None:
        self._relations, self._storeys, self._spaces = relations, storeys, spaces

    def of(self, element: int, around: int | None) -> Place:
        """Place of one element; `around` is the space at its position, None when that is not known or not asked."""
        chain = self._above(element)
        parent = chain[1] if len(chain) > 1 else None
        storey = next((one for one in chain if one in self._storeys), None)
        space, how = self._space(element, chain, storey, around)
        if storey is None and space is not None:
            storey = next((one for one in self._above(space) if one in self._storeys), None)
            return Place(parent, storey, "space" if storey is not None else "", space, how)
        return Place(parent, storey, "contained" if storey is not None else "", space, how)

    def _space(self, element: int, chain: list[int], storey: int | None, around: int | None) -> tuple[int | None, str]:
        inside = next((one for one in chain[1:] if one in self._spaces), None)
        if inside is not None or element in self._spaces:
            return inside, "contained" if inside is not None else ""
        referenced = self._relations.holder("references", element)
        if referenced in self._spaces:
            return referenced, "referenced"
        flow = self._relations.holder("flow_control", element)
        served = None if flow is None else next((one for one in self._above(flow)[1:] if one in self._spaces), None)
        if served is not None:
            return served, "flow"
        if around is not None and (storey is None or storey in self._above(around)):
            return around, "position"
        return None, ""

    def _above(self, element: int) -> list[int]:
        """The element and what holds it, innermost first."""
        chain, seen = [element], {element}
        while len(chain) < _DEPTH_MAX:
            above = next((one for kind in _PARENT_KINDS if (one := self._relations.holder(kind, chain[-1]))), None)
            if above is None or above in seen:
                break
            chain.append(above)
            seen.add(above)
        return chain
