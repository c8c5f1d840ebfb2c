"""A building of columns and slabs: the shell of each storey, from the footings to the parapet."""

from bim.campus.bodies import BODIES, door_body, window_body
from bim.campus.catalogue import USES
from bim.campus.layout import Building, Room, Storey
from bim.campus.model import Model, Spot
from bim.campus.solids import Box, Frame, Part, Prism
from bim.campus.step import Enum, Ref, Typed
from bim.campus.walls import Wall, walls_of

__all__ = ["OUTER_M", "SLAB_M", "FrameStorey", "floor_finishes", "partition"]

SLAB_M, BASE_M = 0.25, 0.35
OUTER_M, INNER_M = 0.40, 0.15
_COLUMN_M, _FOOTING_M = 0.36, 1.6
_DOOR, _ENTRANCE, _WINDOW = (1.0, 2.15), (1.8, 2.4), (2.0, 1.8)
_SILL_M, _JAMB_M, _MULLION_EVERY_M = 0.8, 0.2, 1.5
_PARAPET_M, _FINISH_M, _RISER_M, _TREAD_M = 0.7, 0.02, 0.17, 0.28
_KINDS = {"DOOR": Enum("DOOR"), "WINDOW": Enum("WINDOW")}
_STRAIGHT = Enum("STRAIGHT")
_WINDOWLESS = ("corridor", "server", "electrical", "cleanroom", "process")
_WAYS = ("corridor", "stair", "lobby", "hall")  # uses that doors open from


class FrameStorey:
    """Builds the shell of one storey into its spot; `number` counts from the lowest."""

    def __init__(self, model: Model, building: Building, number: int, spot: Spot) -> None:
        self._model, self._building, self._number, self._spot = model, building, number, spot
        self._storey: Storey = building.storeys[number]
        self._rooms = [room for room in self._storey.rooms if not room.outside]
        self._is_top = number == len(building.storeys) - 1
        self._clear_m = self._storey.height_m - SLAB_M

    def build(self) -> None:
        """All of it, in the order in which it is built."""
        if self._number == 0:
            self._footings()
        self._slab()
        self._columns()
        for index, wall in enumerate(walls_of([room.rect_m for room in self._rooms])):
            self._wall(f"{self._spot.path}/wall/{index}", wall)
        self._stairs()
        floor_finishes(self._model, self._spot, self._storey.rooms)
        self._railings()
        if self._is_top:
            self._roof()

    def _grid(self) -> list[tuple[float, float]]:
        (width, depth), bay = self._building.size_m, self._building.bay_m
        columns, rows = max(1, round(width / bay)), max(1, round(depth / bay))
        return [(width * i / columns, depth * j / rows) for i in range(columns + 1) for j in range(rows + 1)]

    def _footings(self) -> None:
        half = _FOOTING_M / 2
        for index, (x, y) in enumerate(self._grid()):
            shape = (Box((-half, -half, 0.0), (_FOOTING_M, _FOOTING_M, 0.6), "concrete_dark"),)
            self._model.element(
                "IfcFooting", f"{self._spot.path}/footing/{index}", f"Pad footing {self._building.code}{index + 1}",
                self._spot, Frame((x, y, -BASE_M - 0.6)), shape, predefined="PAD_FOOTING", trade="foundation",
                type_name="Pad footing 1.6 m", shared=True,
            )  # fmt: skip

    def _columns(self) -> None:
        half = _COLUMN_M / 2
        shape = (Box((-half, -half, 0.0), (_COLUMN_M, _COLUMN_M, self._clear_m), "concrete"),)
        for index, (x, y) in enumerate(self._grid()):
            if not any(_within(room.rect_m, x, y) for room in self._rooms):
                continue
            ref = self._model.element(
                "IfcColumn", f"{self._spot.path}/column/{index}", f"Column {self._building.code}{index + 1}",
                self._spot, Frame((x, y, 0.0)), shape, predefined="COLUMN", trade="columns",
                type_name=f"Column 360x360x{self._clear_m:g} m", shared=True,
            )  # fmt: skip
            self._model.properties(ref, "Pset_ColumnCommon", LoadBearing=True, IsExternal=False)

    def _slab(self) -> None:
        rects = [room.rect_m for room in self._storey.rooms]
        x0, y0, x1, y1 = _around(rects)
        thick, low = (BASE_M, -BASE_M) if self._number == 0 else (SLAB_M, -SLAB_M)
        inset = OUTER_M / 2 - 0.02
        outline = _ring((x0 - inset, y0 - inset, x1 + inset, y1 + inset))
        holes = tuple(_hole(room.rect_m) for room in self._rooms if room.use == "stair") if self._number else ()
        ref = self._model.element(
            "IfcSlab", f"{self._spot.path}/slab", f"Slab {self._storey.name}", self._spot, Frame((0.0, 0.0, 0.0)),
            (Prism(outline, thick, "concrete", (0.0, 0.0, low), holes=holes),),
            predefined="FLOOR" if self._number else "BASESLAB", trade="slabs" if self._number else "foundation",
            type_name="Floor slab 250 mm" if self._number else "Base slab 350 mm",
        )  # fmt: skip
        self._model.properties(ref, "Pset_SlabCommon", LoadBearing=True, IsExternal=self._number == 0)

    def _wall(self, path: str, wall: Wall) -> None:
        if not wall.outer:
            partition(self._model, self._spot, path, wall, self._rooms, self._clear_m)
        elif self._rooms[wall.rooms[0]].glazed:
            self._curtain(path, wall)
        else:
            self._outer(path, wall)

    def _outer(self, path: str, wall: Wall) -> None:
        model, colour = self._model, self._building.accent if self._number == 0 else self._building.outer
        room = self._rooms[wall.rooms[0]]
        low, height = (-SLAB_M, self._storey.height_m) if self._number else (0.0, self._clear_m)
        frame, start, end = self._outer_frame(wall)
        ref = model.element(
            "IfcWall", path, f"Outer wall {room.number} {'x' if wall.along_x else 'y'}{wall.at:g}", self._spot, frame,
            (Box((start, 0.0, low), (end - start, OUTER_M, height), colour),),
            predefined="SOLIDWALL", trade="walls", type_name="Outer wall 400 mm",
        )  # fmt: skip
        model.properties(ref, "Pset_WallCommon", IsExternal=True, LoadBearing=True, FireRating="REI 90",
                         ThermalTransmittance=Typed("IfcThermalTransmittanceMeasure", 0.16))  # fmt: skip
        if room.use in ("lobby", "stair") and self._number == 0 and wall.along_x and wall.length > 3.0:
            where = (wall.length / 2 - _ENTRANCE[0] / 2, 0.0)
            self._filling("IfcDoor", f"{path}/door", f"Entrance {room.number}", ref, where, _ENTRANCE)
            return
        for index, middle in enumerate(self._window_middles(wall, room)):
            where = (middle - wall.start - _WINDOW[0] / 2, _SILL_M)
            name = f"Window {room.number}-{'x' if wall.along_x else 'y'}{wall.at:g}-{index + 1}"
            self._filling("IfcWindow", f"{path}/window/{index}", name, ref, where, _WINDOW)
            if USES[room.use].heated:
                self._radiator(f"{path}/radiator/{index}", f"Radiator {room.number}-{index + 1}", ref, where[0], wall)

    def _window_middles(self, wall: Wall, room: Room) -> list[float]:
        """Two windows between two columns, on one grid for all storeys; those that fit between the room's walls."""
        if room.use in _WINDOWLESS:
            return []
        length = self._building.size_m[0 if wall.along_x else 1]
        pitch = length / max(1, round(length / self._building.bay_m)) / 2
        reach = _WINDOW[0] / 2 + _JAMB_M
        middles = [(number + 0.5) * pitch for number in range(round(length / pitch))]
        return [middle for middle in middles if wall.start + reach <= middle <= wall.end - reach]

    def _outer_frame(self, wall: Wall) -> tuple[Frame, float, float]:
        """Axes along the wall, and where its body starts and ends on them: x walls take the corners."""
        x0, y0, x1, y1 = _around([room.rect_m for room in self._rooms])
        half = OUTER_M / 2
        if wall.along_x:
            start = -half if wall.start == x0 else 0.0
            end = wall.length + (half if wall.end == x1 else 0.0)
            return Frame((wall.start, wall.at - half, 0.0)), start, end
        start = half if wall.start == y0 else 0.0
        end = wall.length - (half if wall.end == y1 else 0.0)
        return Frame.turned(wall.at + half, wall.start, 0.0, 90.0), start, end

    def _filling(
        self, ifc_class: str, path: str, name: str, host: Ref, at: tuple[float, float], size: tuple[float, float]
    ) -> None:
        shape = window_body(*size, OUTER_M) if ifc_class == "IfcWindow" else door_body(*size, OUTER_M, "glass")
        _fill(self._model, self._spot, ifc_class, path, name, host, at, size, OUTER_M, shape, "windows", external=True)

    def _radiator(self, path: str, name: str, host: Ref, along: float, wall: Wall) -> None:
        inside = _inside_y(wall, self._rooms[wall.rooms[0]].rect_m, OUTER_M)
        self._model.element(
            "IfcSpaceHeater", path, name, self._spot, Frame((along + _WINDOW[0] / 2, inside, 0.0)), BODIES["radiator"],
            predefined="RADIATOR", trade="heaters", type_name="Radiator 1.2 m", shared=True, above=host,
            system="heating",
        )  # fmt: skip

    def _curtain(self, path: str, wall: Wall) -> None:
        """Panes between mullions from floor to floor, parts of one curtain wall."""
        model, room = self._model, self._rooms[wall.rooms[0]]
        frame, start, end = self._outer_frame(wall)
        count = max(1, round((end - start) / _MULLION_EVERY_M))
        width, low, middle = (end - start) / count, -SLAB_M if self._number else 0.0, OUTER_M / 2
        height = self._storey.height_m if self._number else self._clear_m
        whole = model.element(
            "IfcCurtainWall", path, f"Curtain wall {room.number} {'x' if wall.along_x else 'y'}{wall.at:g}",
            self._spot, frame, trade="facade", type_name="Curtain wall, posts and rails",
        )  # fmt: skip
        model.properties(whole, "Pset_CurtainWallCommon", IsExternal=True)
        for index in range(count + 1):
            model.element(
                "IfcMember", f"{path}/mullion/{index}", f"Mullion {room.number}-{index + 1}", self._spot,
                Frame((start + index * width, middle, low)),
                (Box((-0.03, -0.08, 0.0), (0.06, 0.16, height), "anthracite"),),
                predefined="MULLION", trade="facade", type_name=f"Mullion {height:g} m", shared=True, above=whole,
                whole=whole,
            )  # fmt: skip
        spandrel = Box((0.03, -0.04, 0.0), (width - 0.06, 0.08, SLAB_M + 0.1), "anthracite")
        pane: tuple[Part, ...] = (
            spandrel,
            Box((0.03, -0.02, SLAB_M + 0.1), (width - 0.06, 0.04, height - SLAB_M - 0.1), "glass"),
        )
        for index in range(count):
            model.element(
                "IfcPlate", f"{path}/pane/{index}", f"Pane {room.number}-{index + 1}", self._spot,
                Frame((start + index * width, middle, low)), pane, predefined="CURTAIN_PANEL", trade="facade",
                type_name=f"Pane {width:.2f} x {height:.2f} m", shared=True, above=whole, whole=whole,
            )  # fmt: skip

    def _stairs(self) -> None:
        if self._is_top:
            return
        for room in self._rooms:
            if room.use == "stair":
                self._stair(room)

    def _stair(self, room: Room) -> None:
        """Two flights side by side with a landing between."""
        x0, y0, x1, y1 = room.rect_m
        path, height = f"{self._spot.path}/stair/{room.number}", self._storey.height_m
        whole = self._model.element(
            "IfcStair", path, f"Stair {room.number}", self._spot, Frame((x0 + 0.25, y0 + 0.35, 0.0)),
            predefined="HALF_TURN_STAIR", trade="stairs", type_name="Half-turn stair, precast",
        )  # fmt: skip
        risers = max(2, round(height / _RISER_M / 2))
        rise, width = height / 2 / risers, min(1.3, (x1 - x0 - 0.6) / 2)
        run = risers * _TREAD_M
        for flight in (0, 1):
            steps = [(0.0, -0.2)]
            for step in range(risers):
                steps += [(step * _TREAD_M, (step + 1) * rise), ((step + 1) * _TREAD_M, (step + 1) * rise)]
            steps += [(run, risers * rise - 0.25)]
            # the profile stands upright along the flight; the second one comes back
            turned = Prism(tuple(steps), width, "concrete", (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
            frame = (
                Frame((0.0, 0.0, 0.0)) if flight == 0 else Frame.turned(2 * width + 0.1, run + 0.0, height / 2, 180.0)
            )
            self._model.element(
                "IfcStairFlight", f"{path}/flight/{flight}", f"Flight {room.number}-{flight + 1}", self._spot, frame,
                (turned,), trade="stairs", above=whole, whole=whole,
                tail=(risers, risers - 1, rise, _TREAD_M, _STRAIGHT),
            )  # fmt: skip
        landing = Box((0.0, run, height / 2 - 0.2), (2 * width + 0.1, max(0.9, y1 - y0 - run - 0.7), 0.2), "concrete")
        self._model.element(
            "IfcSlab", f"{path}/landing", f"Landing {room.number}", self._spot, Frame((0.0, 0.0, 0.0)), (landing,),
            predefined="LANDING", trade="stairs", above=whole, whole=whole,
        )  # fmt: skip

    def _railings(self) -> None:
        """Around terraces, where they meet the sky."""
        inside = [room.rect_m for room in self._rooms]
        for room in self._storey.rooms:
            for side, (x0, y0, x1, y1) in enumerate(_edges(room.rect_m)) if room.outside else ():
                if any(_within(rect, (x0 + x1) / 2, (y0 + y1) / 2) for rect in inside):
                    continue
                along_x, length = y0 == y1, max(x1 - x0, y1 - y0)
                frame = Frame((x0, y0, 0.0)) if along_x else Frame.turned(x0, y0, 0.0, 90.0)
                parts: list[Part] = [Box((0.0, -0.03, 1.0), (length, 0.06, 0.05), "anthracite"),
                                     Box((0.0, -0.01, 0.12), (length, 0.02, 0.85), "glass_clear")]  # fmt: skip
                posts = max(1, round(length / 2.0))
                parts += [Box((length * n / posts - 0.03, -0.03, 0.0), (0.06, 0.06, 1.0), "anthracite")
                          for n in range(posts + 1)]  # fmt: skip
                self._model.element(
                    "IfcRailing", f"{self._spot.path}/railing/{room.number}/{side}",
                    f"Railing {room.number}-{side + 1}",
                    self._spot, frame, tuple(parts), predefined="BALUSTRADE", trade="stairs",
                    type_name="Glass balustrade",
                )  # fmt: skip

    def _roof(self) -> None:
        model, path, top = self._model, f"{self._spot.path}/roof", self._storey.height_m
        whole = model.element(
            "IfcRoof", path, f"Roof {self._building.name}", self._spot, Frame((0.0, 0.0, top - SLAB_M)),
            predefined="FLAT_ROOF", trade="roof", type_name="Flat roof, warm",
        )  # fmt: skip
        model.properties(whole, "Pset_RoofCommon", IsExternal=True)
        for room in self._rooms:
            x0, y0, x1, y1 = room.rect_m
            slab = Box((x0, y0, 0.0), (x1 - x0, y1 - y0, SLAB_M), "concrete")
            cover = Box((x0, y0, SLAB_M), (x1 - x0, y1 - y0, 0.08), self._building.roof)
            model.element("IfcSlab", f"{path}/slab/{room.number}", f"Roof slab {room.number}", self._spot,
                          Frame((0.0, 0.0, 0.0)), (slab,), predefined="ROOF", trade="roof", above=whole,
                          whole=whole)  # fmt: skip
            model.element("IfcCovering", f"{path}/cover/{room.number}", f"Roof covering {room.number}", self._spot,
                          Frame((0.0, 0.0, 0.0)), (cover,), predefined="ROOFING", trade="roofing", above=whole,
                          whole=whole)  # fmt: skip
        for index, wall in enumerate(walls_of([room.rect_m for room in self._rooms])):
            if wall.outer:
                frame, start, end = self._outer_frame(wall)
                body = Box(
                    (start, 0.0, top - SLAB_M), (end - start, OUTER_M, SLAB_M + _PARAPET_M), self._building.outer
                )
                cap = Box((start, -0.03, top + _PARAPET_M), (end - start, OUTER_M + 0.06, 0.04), "zinc")
                model.element("IfcWall", f"{path}/parapet/{index}", f"Parapet {index + 1}", self._spot, frame,
                              (body, cap), predefined="PARAPET", trade="roof", type_name="Parapet 700 mm")  # fmt: skip


def partition(model: Model, spot: Spot, path: str, wall: Wall, rooms: list[Room], height_m: float) -> None:
    """An inner wall, with a door where a room meets a way."""
    first, second = (rooms[index] for index in wall.rooms[:2])
    frame = (
        Frame((wall.start, wall.at - INNER_M / 2, 0.0))
        if wall.along_x
        else Frame.turned(wall.at + INNER_M / 2, wall.start, 0.0, 90.0)
    )
    ref = model.element(
        "IfcWall", path, f"Partition {first.number} {second.number}", spot, frame,
        (Box((0.0, 0.0, 0.0), (wall.length, INNER_M, height_m), "gypsum"),), predefined="PARTITIONING",
        trade="partitions", type_name="Partition 150 mm",
    )  # fmt: skip
    model.properties(ref, "Pset_WallCommon", IsExternal=False, LoadBearing=False, FireRating="EI 30")
    ways = [room for room in (first, second) if room.use in _WAYS]
    if len(ways) != 1 or wall.length < 1.6:
        return
    room = second if ways[0] is first else first
    _fill(model, spot, "IfcDoor", f"{path}/door", f"Door {room.number}", ref, (wall.length / 2 - 0.5, 0.0), _DOOR,
          INNER_M, door_body(*_DOOR, INNER_M), "doors", external=False)  # fmt: skip


def floor_finishes(model: Model, spot: Spot, rooms: list[Room]) -> None:
    """The covering of each room's floor."""
    for room in rooms:
        x0, y0, x1, y1 = room.rect_m
        gap = 0.08
        shape = (
            Box((x0 + gap, y0 + gap, 0.0), (x1 - x0 - 2 * gap, y1 - y0 - 2 * gap, _FINISH_M), USES[room.use].floor),
        )
        model.element(
            "IfcCovering", f"{spot.path}/floor/{room.number}", f"Floor {room.number} {room.name}", spot,
            Frame((0.0, 0.0, 0.0)), shape, predefined="FLOORING", trade="finishes",
            type_name=f"Floor, {USES[room.use].floor}",
        )  # fmt: skip


def _fill(
    model: Model, spot: Spot, ifc_class: str, path: str, name: str, host: Ref, at: tuple[float, float],
    size: tuple[float, float], thick: float, shape: tuple[Part, ...], trade: str, *, external: bool,
) -> None:  # fmt: skip
    """A door or window in its opening; the opening is a little thicker than the wall, so that the cut is clean."""
    opening = model.element(
        "IfcOpeningElement", f"{path}/opening", f"Opening of {name}", spot, Frame((at[0], 0.0, at[1])),
        (Box((0.0, -0.05, 0.0), (size[0], thick + 0.1, size[1]), "space"),), predefined="OPENING", above=host,
        shared=True,
    )  # fmt: skip
    model.relate("IfcRelVoidsElement", f"{path}/voids", host, opening)
    kind = "DOOR" if ifc_class == "IfcDoor" else "WINDOW"
    ref = model.element(
        ifc_class, path, name, spot, Frame((0.0, 0.0, 0.0)), shape, predefined=kind, trade=trade, above=opening,
        type_name=f"{kind.capitalize()} {size[0]:g} x {size[1]:g} m", shared=True,
        tail=(size[1], size[0], _KINDS[kind], None, None),
    )  # fmt: skip
    model.relate("IfcRelFillsElement", f"{path}/fills", opening, ref)
    model.properties(ref, f"Pset_{kind.capitalize()}Common", IsExternal=external)


def _inside_y(wall: Wall, rect: tuple[float, float, float, float], thick: float) -> float:
    """Just inside of an outer wall, on the axis across it."""
    x0, y0, x1, y1 = rect
    # along y the axis across looks towards −x
    inward = (y0 + y1) / 2 > wall.at if wall.along_x else (x0 + x1) / 2 < wall.at
    return thick + 0.1 if inward else -0.1


def _within(rect: tuple[float, float, float, float], x: float, y: float) -> bool:
    return rect[0] <= x <= rect[2] and rect[1] <= y <= rect[3]


def _around(rects: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    return (min(r[0] for r in rects), min(r[1] for r in rects), max(r[2] for r in rects), max(r[3] for r in rects))


def _ring(rect: tuple[float, float, float, float]) -> tuple[tuple[float, float], ...]:
    x0, y0, x1, y1 = rect
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _hole(rect: tuple[float, float, float, float]) -> tuple[tuple[float, float], ...]:
    """Of a stairwell: clear of its walls, and of the landing at the way's side."""
    x0, y0, x1, y1 = rect
    return ((x0 + 0.25, y0 + 0.35), (x0 + 0.25, y1 - 0.3), (x1 - 0.25, y1 - 0.3), (x1 - 0.25, y0 + 0.35))


def _edges(rect: tuple[float, float, float, float]) -> list[tuple[float, float, float, float]]:
    x0, y0, x1, y1 = rect
    return [(x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)]
