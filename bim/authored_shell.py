"""The shell of one authored storey: slabs, walls along the edges of the rooms, doors to the corridor, windows."""

from itertools import pairwise
from typing import Any, NamedTuple

from bim.building_plan import BuildingPlan, Space, Storey
from bim.ifc_author import Author

__all__ = ["Shell", "Wall", "walls_of"]

_SLAB_M = 0.25
_OUTER_M, _INNER_M = 0.30, 0.15
_DOOR_M, _WINDOW_M = (1.0, 2.1), (1.6, 1.4)
_SILL_M, _WINDOW_EVERY_M = 0.9, 4.0
_CORRIDOR = "corridor"

Rect = tuple[float, float, float, float]


class Wall(NamedTuple):
    """A straight wall on the grid: along x (or y) at a fixed other coordinate, between `start` and `end`."""

    along_x: bool
    at: float
    start: float
    end: float
    rooms: tuple[int, ...]  # rooms beside it, one for an outer wall

    @property
    def outer(self) -> bool:
        """Whether it has the sky on one side."""
        return len(self.rooms) == 1


def walls_of(rects: list[Rect]) -> list[Wall]:
    """Walls along the edges of rectangular rooms, cut where a neighbour begins or ends; pure."""
    walls = []
    for along_x in (True, False):
        low, high = (1, 3) if along_x else (0, 2)
        from_, to = (0, 2) if along_x else (1, 3)
        lines = sorted({rect[side] for rect in rects for side in (low, high)})
        for at in lines:
            beside = [
                (rect[from_], rect[to], index) for index, rect in enumerate(rects) if at in (rect[low], rect[high])
            ]
            cuts = sorted({end for start, stop, _ in beside for end in (start, stop)})
            for start, end in pairwise(cuts):
                rooms = tuple(index for begin, stop, index in beside if begin <= start and end <= stop)
                if rooms:
                    walls.append(Wall(along_x, at, start, end, rooms))
    return walls


class Shell:
    """Builds the elements of one storey."""

    def __init__(self, author: Author, plan: BuildingPlan, storey: Storey, placement: Any, path: str) -> None:
        self._author, self._storey, self._placement, self._path = author, storey, placement, path
        self._rooms = plan.spaces_on(storey, outside=False)
        self._yards = plan.spaces_on(storey, outside=True)
        self._is_lowest = storey == plan.storeys[0]
        self._is_highest = storey == plan.storeys[-1]
        self._material: dict[str, list[Any]] = {"outer": [], "inner": [], "slab": []}

    def build(self) -> list[Any]:
        """All elements of the storey, to be contained in it."""
        elements = self._slabs()
        for index, wall in enumerate(walls_of([room.rect_m for room in self._rooms])):
            elements += self._wall(index, wall)
        self._give_materials()
        return elements

    def _slabs(self) -> list[Any]:
        kind = "BASESLAB" if self._is_lowest else "FLOOR"
        slabs = [self._slab(space, kind, -_SLAB_M) for space in (*self._rooms, *self._yards)]
        if self._is_highest:
            slabs += [self._slab(room, "ROOF", self._storey.height_m) for room in self._rooms]
        return slabs

    def _slab(self, space: Space, kind: str, level_m: float) -> Any:
        x0, y0, x1, y1 = space.rect_m
        slab = self._author.root(
            "IfcSlab",
            f"{self._path}/{kind}/{space.number}",
            f"{kind.capitalize()} {space.number}",
            ObjectPlacement=self._author.at(x0, y0, level_m, self._placement),
            Representation=self._author.box((x1 - x0, y1 - y0, _SLAB_M)),
            PredefinedType=kind,
        )
        self._material["slab"].append(slab)
        return slab

    def _wall(self, index: int, wall: Wall) -> list[Any]:
        """The wall with its door and windows."""
        thick, length = _OUTER_M if wall.outer else _INNER_M, wall.end - wall.start
        x, y = (wall.start, wall.at - thick / 2) if wall.along_x else (wall.at - thick / 2, wall.start)
        size = (length, thick) if wall.along_x else (thick, length)
        path = f"{self._path}/wall/{index}"
        entity = self._author.root(
            "IfcWall",
            path,
            f"{'Outer' if wall.outer else 'Inner'} wall {self._storey.name} {index + 1}",
            ObjectPlacement=self._author.at(x, y, 0, self._placement),
            Representation=self._author.box((*size, self._storey.height_m - _SLAB_M)),
            PredefinedType="SOLIDWALL" if wall.outer else "PARTITIONING",
        )
        self._author.properties(path, [entity], "Pset_WallCommon", {"IsExternal": ("IfcBoolean", wall.outer)})
        self._material["outer" if wall.outer else "inner"].append(entity)
        fillings = self._windows(path, entity, wall) if wall.outer else self._door(path, entity, wall)
        return [entity, *fillings]

    def _door(self, path: str, host: Any, wall: Wall) -> list[Any]:
        """One door where a room meets the corridor."""
        rooms = [self._rooms[index] for index in wall.rooms]
        if wall.end - wall.start < 2 * _DOOR_M[0] or sum(_CORRIDOR in room.name.lower() for room in rooms) != 1:
            return []
        room = next(room for room in rooms if _CORRIDOR not in room.name.lower())
        middle = (wall.end - wall.start - _DOOR_M[0]) / 2
        return [self._filling("IfcDoor", f"{path}/door", f"Door {room.number}", host, wall, (middle, 0.0), _DOOR_M)]

    def _windows(self, path: str, host: Any, wall: Wall) -> list[Any]:
        """Windows at even distances; the ends of corridors get none."""
        room, length = self._rooms[wall.rooms[0]], wall.end - wall.start
        count = 0 if _CORRIDOR in room.name.lower() else int(length // _WINDOW_EVERY_M)
        windows = []
        for index in range(count):
            along = length * (index + 0.5) / count - _WINDOW_M[0] / 2
            name = f"Window {room.number}-{wall.at:g}-{index + 1}"
            windows.append(
                self._filling("IfcWindow", f"{path}/window/{index}", name, host, wall, (along, _SILL_M), _WINDOW_M)
            )
        return windows

    def _filling(
        self,
        ifc_class: str,
        path: str,
        name: str,
        host: Any,
        wall: Wall,
        at: tuple[float, float],
        size: tuple[float, float],
    ) -> Any:
        """A door or window in its opening."""
        author, thick = self._author, _OUTER_M if wall.outer else _INNER_M
        x, y = (at[0], 0.0) if wall.along_x else (0.0, at[0])
        box = (size[0], thick, size[1]) if wall.along_x else (thick, size[0], size[1])
        opening = author.root(
            "IfcOpeningElement",
            f"{path}/opening",
            f"Opening of {name}",
            ObjectPlacement=author.at(x, y, at[1], host.ObjectPlacement),
            Representation=author.box(box),
            PredefinedType="OPENING",
        )
        filling = author.root(
            ifc_class,
            path,
            name,
            ObjectPlacement=author.at(0, 0, 0, opening.ObjectPlacement),
            Representation=author.box(box),
            OverallHeight=size[1],
            OverallWidth=size[0],
            PredefinedType=ifc_class.removeprefix("Ifc").upper(),
        )
        author.relate(
            "IfcRelVoidsElement", f"{path}/voids", RelatingBuildingElement=host, RelatedOpeningElement=opening
        )
        author.relate(
            "IfcRelFillsElement", f"{path}/fills", RelatingOpeningElement=opening, RelatedBuildingElement=filling
        )
        return filling

    def _give_materials(self) -> None:
        for key, name in (("outer", "Insulated brick"), ("inner", "Gypsum board"), ("slab", "Reinforced concrete")):
            if self._material[key]:
                material = self._author.file.create_entity("IfcMaterial", name)
                path = f"{self._path}/material/{key}"
                self._author.relate(
                    "IfcRelAssociatesMaterial", path, RelatedObjects=self._material[key], RelatingMaterial=material
                )
