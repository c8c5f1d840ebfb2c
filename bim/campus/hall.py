"""A hall of portal frames under a shallow gable, clad in panels, with rooms and a mezzanine built into it."""

import math

from bim.campus.frame import SLAB_M, floor_finishes, partition
from bim.campus.layout import Building
from bim.campus.model import Model, Spot
from bim.campus.solids import Box, Frame, Outline, Prism
from bim.campus.step import Enum
from bim.campus.walls import walls_of

__all__ = ["Hall"]

_SLOPE = math.radians(6.0)
_PANEL_M, _PURLIN_EVERY_M, _WALL_M = 3.0, 2.5, 0.15
_ROOF_M = 0.42  # purlins, panel and the clamps of modules
_BASE_M, _GATE = 0.3, (4.5, 4.8)
_CRANE_UNDER_EAVES_M = 1.6
_GATE_KIND = (Enum("GATE"), Enum("ROLLINGUP"), None)
_SKYLIGHT = (Enum("SKYLIGHT"), None, None)
_BUILT_IN = ("hall", "barn")  # uses whose walls are the hall's own


class Hall:
    """Frames stand across y, one every bay along x; `spots` are the storeys' spots, lowest first."""

    def __init__(self, model: Model, building: Building, spots: list[Spot]) -> None:
        self._model, self._building, self._spots = model, building, spots
        self._ground = spots[0]
        self._width, self._depth = building.size_m
        self._eaves = building.storeys[0].height_m
        self._bays = max(1, round(self._width / building.bay_m))
        self._bay = self._width / self._bays

    @property
    def roof_m(self) -> float:
        """Level of the roof's upper side above the hall's floor, at the eaves."""
        return self._eaves + _ROOF_M

    def build(self) -> None:
        """Foundation, steel, skin, rooms."""
        self._foundation()
        for index in range(self._bays + 1):
            self._portal(index)
        self._purlins()
        self._walls()
        self._roof()
        if self._building.storeys[0].rooms[0].use == "hall":
            self._crane()
        for number, spot in enumerate(self._spots):
            self._rooms(number, spot)

    def _foundation(self) -> None:
        for index in range(self._bays + 1):
            for side, y in (("a", 0.0), ("b", self._depth)):
                self._model.element(
                    "IfcFooting", f"{self._ground.path}/footing/{side}{index}", f"Footing {side.upper()}{index + 1}",
                    self._ground, Frame((index * self._bay, y, -1.3)),
                    (Box((-1.0, -1.0, 0.0), (2.0, 2.0, 1.0), "concrete_dark"),),
                    predefined="PAD_FOOTING", trade="foundation", type_name="Pad footing 2 m", shared=True,
                )  # fmt: skip
        self._model.element(
            "IfcSlab", f"{self._ground.path}/slab", f"Floor slab {self._building.name}", self._ground,
            Frame((0.0, 0.0, -_BASE_M)),
            (Box((-0.1, -0.1, 0.0), (self._width + 0.2, self._depth + 0.2, _BASE_M), "concrete"),),
            predefined="BASESLAB", trade="foundation", type_name="Industrial floor 300 mm",
        )  # fmt: skip

    def _portal(self, index: int) -> None:
        model, path, x = self._model, f"{self._ground.path}/portal/{index}", index * self._bay
        column = (Prism(_i_profile(0.36, 0.3, 0.02), self._eaves, "steel"),)
        for side, y in (("a", 0.0), ("b", self._depth)):
            ref = model.element(
                "IfcColumn", f"{path}/column/{side}", f"Column {side.upper()}{index + 1}", self._ground,
                Frame((x, y, 0.0)), column, predefined="COLUMN", trade="steel", type_name="HEA 360", shared=True,
            )  # fmt: skip
            model.properties(ref, "Pset_ColumnCommon", LoadBearing=True, IsExternal=False)
        length = self._depth / 2 / math.cos(_SLOPE)
        for side, y, sign in (("a", 0.0, 1.0), ("b", self._depth, -1.0)):
            # pulled along the slope from the eaves to the ridge
            axis = (0.0, sign * math.cos(_SLOPE), math.sin(_SLOPE))
            rafter = (Prism(_i_profile(0.3, 0.45, 0.02), length, "steel", (0.0, 0.0, 0.0), axis, (1.0, 0.0, 0.0)),)
            model.element(
                "IfcMember", f"{path}/rafter/{side}", f"Rafter {side.upper()}{index + 1}", self._ground,
                Frame((x, y, self._eaves - 0.2)), rafter, predefined="RAFTER", trade="steel", type_name="IPE 450",
                shared=True,
            )  # fmt: skip

    def _purlins(self) -> None:
        body = (Box((0.0, -0.04, 0.0), (self._bay, 0.08, 0.18), "zinc"),)
        half = self._depth / 2
        count = int(half // _PURLIN_EVERY_M)
        for bay in range(self._bays):
            for row in range(count + 1):
                away = half * row / count
                z = self._eaves + away * math.tan(_SLOPE) + 0.02
                for side, y in (("a", away), ("b", self._depth - away))[: 1 if row == count else 2]:
                    self._model.element(
                        "IfcMember", f"{self._ground.path}/purlin/{bay}/{side}{row}",
                        f"Purlin {bay + 1}{side.upper()}{row + 1}",
                        self._ground, Frame((bay * self._bay, y, z)), body, predefined="PURLIN", trade="steel",
                        type_name="Purlin Z 180", shared=True,
                    )  # fmt: skip

    def _walls(self) -> None:
        """Panels around: a plinth, a band of glass high up, and gates in the middle of the two ends."""
        sides = (
            ("s", Frame((0.0, -_WALL_M - 0.18, 0.0)), self._width, False),
            ("n", Frame.turned(self._width, self._depth + _WALL_M + 0.18, 0.0, 180.0), self._width, False),
            ("w", Frame.turned(-0.2, self._depth, 0.0, 270.0), self._depth, True),
            ("e", Frame.turned(self._width + 0.2, 0.0, 0.0, 90.0), self._depth, True),
        )
        for side, frame, length, is_end in sides:
            count = max(1, round(length / _PANEL_M))
            gates = range(count // 2 - 1, count // 2 + 1) if is_end and count > 5 else range(0)
            for index in range(count):
                self._panel(
                    side, frame, index, length / count, is_gate=index in gates, length=length if is_end else 0.0
                )
            if gates:
                self._gate(side, frame, gates.start * length / count, 2 * length / count)

    def _panel(self, side: str, frame: Frame, index: int, wide: float, *, is_gate: bool, length: float) -> None:
        low, colour = (_GATE[1] + 0.1 if is_gate else 0.4), self._building.outer
        glass = (self._eaves - 1.6, self._eaves - 0.5)
        start, end = index * wide, (index + 1) * wide
        tops = [self._eaves + self._rise(at, length) for at in (start, end)]
        parts: list[Box | Prism] = []
        if glass[0] > low:
            parts.append(Box((0.0, 0.0, low), (wide - 0.02, _WALL_M, glass[0] - low), colour))
        outline = ((0.0, glass[1]), (wide - 0.02, glass[1]), (wide - 0.02, tops[1]), (0.0, tops[0]))
        accent = self._building.accent
        parts.append(Prism(outline, _WALL_M, accent, (0.0, _WALL_M, 0.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0)))
        if not is_gate:
            parts.append(Box((0.0, -0.02, 0.0), (wide, _WALL_M + 0.02, 0.4), "concrete"))
        ref = self._model.element(
            "IfcWall", f"{self._ground.path}/panel/{side}{index}", f"Wall panel {side.upper()}{index + 1}",
            self._ground,
            frame, _moved(parts, start), predefined="ELEMENTEDWALL", trade="cladding",
            type_name="Sandwich panel 150 mm",
        )  # fmt: skip
        self._model.properties(ref, "Pset_WallCommon", IsExternal=True, LoadBearing=False)
        pane = (Box((start + 0.05, 0.05, glass[0]), (wide - 0.1, 0.04, glass[1] - glass[0]), "glass"),)
        self._model.element(
            "IfcPlate", f"{self._ground.path}/band/{side}{index}", f"Light band {side.upper()}{index + 1}",
            self._ground,
            frame, pane, predefined="CURTAIN_PANEL", trade="cladding", type_name="Polycarbonate band",
        )  # fmt: skip

    def _gate(self, side: str, frame: Frame, start: float, wide: float) -> None:
        rim = 0.4
        parts = [
            Box((start + rim, 0.02, z), (wide - 2 * rim, 0.06, 0.56), "panel_grey")
            for z in (0.0, 0.6, 1.2, 1.8, 3.0, 3.6, 4.2)
        ]
        parts += [Box((start + rim, 0.04, 2.4), (wide - 2 * rim, 0.03, 0.56), "glass")]
        parts += [Box((start, 0.0, 0.0), (rim, _WALL_M, _GATE[1] + 0.1), "anthracite"),
                  Box((start + wide - rim, 0.0, 0.0), (rim, _WALL_M, _GATE[1] + 0.1), "anthracite")]  # fmt: skip
        self._model.element(
            "IfcDoor", f"{self._ground.path}/gate/{side}", f"Gate {side.upper()}", self._ground, frame, tuple(parts),
            trade="doors", type_name="Sectional gate", tail=(_GATE[1], wide - 2 * rim, *_GATE_KIND),
        )  # fmt: skip

    def _rise(self, at: float, length: float) -> float:
        """How far the gable stands above the eaves; nothing along the sides."""
        return math.tan(_SLOPE) * min(at, length - at) + 0.1 if length else 0.0

    def _roof(self) -> None:
        length = (self._depth / 2 + 0.35) / math.cos(_SLOPE)
        whole = self._model.element(
            "IfcRoof", f"{self._ground.path}/roof", f"Roof {self._building.name}", self._ground, Frame((0.0, 0.0, 0.0)),
            predefined="GABLE_ROOF", trade="roof", type_name="Gable roof, sandwich panels",
        )  # fmt: skip
        for bay in range(self._bays):
            for side, y, sign in (("a", -0.35, 1.0), ("b", self._depth + 0.35, -1.0)):
                x = bay * self._bay if sign > 0 else (bay + 1) * self._bay
                across = (sign, 0.0, 0.0)
                normal = (0.0, -sign * math.sin(_SLOPE), math.cos(_SLOPE))
                z = self._eaves + 0.22 - 0.35 * math.tan(_SLOPE)
                sky = bay % 3 == 1
                body = [Box((0.0, 0.0, 0.0), (self._bay, length, 0.12), self._building.roof)]
                if sky:
                    body = [Box((0.0, 0.0, 0.0), (self._bay, length * 0.3, 0.12), self._building.roof),
                            Box((0.0, length * 0.7, 0.0), (self._bay, length * 0.3, 0.12),
                                self._building.roof)]  # fmt: skip
                self._model.element(
                    "IfcSlab", f"{self._ground.path}/roof/{bay}{side}", f"Roof panel {bay + 1}{side.upper()}",
                    self._ground,
                    Frame((x, y, z), normal, across), tuple(body), predefined="ROOF", trade="roofing", above=whole,
                    whole=whole, type_name="Roof panel with skylight" if sky else "Roof panel", shared=True,
                )  # fmt: skip
                if sky:
                    pane = (Box((0.0, length * 0.3, 0.02), (self._bay, length * 0.4, 0.06), "glass"),)
                    self._model.element(
                        "IfcWindow", f"{self._ground.path}/skylight/{bay}{side}", f"Skylight {bay + 1}{side.upper()}",
                        self._ground, Frame((x, y, z), normal, across), pane, trade="roofing", type_name="Skylight",
                        shared=True, tail=(length * 0.4, self._bay, *_SKYLIGHT),
                    )  # fmt: skip

    def _crane(self) -> None:
        z, y0 = self._eaves - _CRANE_UNDER_EAVES_M, 0.55
        rail = (
            Prism(
                _i_profile(0.25, 0.4, 0.02),
                self._bay,
                "safety_yellow",
                (0.0, 0.0, 0.0),
                (1.0, 0.0, 0.0),
                (0.0, 1.0, 0.0),
            ),
        )
        for bay in range(self._bays):
            for side, y in (("a", y0), ("b", self._depth - y0)):
                self._model.element(
                    "IfcBeam", f"{self._ground.path}/runway/{side}{bay}", f"Crane runway {side.upper()}{bay + 1}",
                    self._ground,
                    Frame((bay * self._bay, y, z - 0.2)), rail, predefined="BEAM", trade="steel",
                    type_name="Runway HEA 400",
                    shared=True,
                )  # fmt: skip
        span = self._depth - 2 * y0
        bridge = (Box((-0.6, 0.0, 0.05), (0.3, span, 0.5), "safety_yellow"), Box((0.3, 0.0, 0.05), (0.3, span, 0.5),
                                                                                 "safety_yellow"),
                  Box((-0.7, span * 0.4, 0.5), (1.4, 1.0, 0.5), "anthracite"), Box((-0.02, span * 0.4 + 0.5, -2.2),
                                                                                   (0.04, 0.04, 2.3),
                                                                                   "black"))  # fmt: skip
        self._model.element(
            "IfcTransportElement", f"{self._ground.path}/crane", f"Overhead crane {self._building.code}", self._ground,
            Frame((self._width * 0.45, y0, z)), bridge, predefined="LIFTINGGEAR", trade="machines",
            type_name="Overhead crane 5 t",
        )  # fmt: skip

    def _rooms(self, number: int, spot: Spot) -> None:
        storey = self._building.storeys[number]
        rooms = storey.rooms
        above = self._building.storeys[number + 1].elevation_m if number + 1 < len(self._building.storeys) else None
        clear = (above - storey.elevation_m if above is not None else min(3.2, storey.height_m)) - SLAB_M
        if number:
            x0, y0 = min(r.rect_m[0] for r in rooms), min(r.rect_m[1] for r in rooms)
            x1, y1 = max(r.rect_m[2] for r in rooms), max(r.rect_m[3] for r in rooms)
            self._model.element(
                "IfcSlab", f"{spot.path}/slab", f"Slab {storey.name}", spot, Frame((0.0, 0.0, -SLAB_M)),
                (Box((x0, y0, 0.0), (x1 - x0, y1 - y0, SLAB_M), "concrete"),), predefined="FLOOR", trade="slabs",
                type_name="Floor slab 250 mm",
            )  # fmt: skip
        for index, wall in enumerate(walls_of([room.rect_m for room in rooms])):
            beside = [rooms[one] for one in wall.rooms]
            own = [room for room in beside if room.use not in _BUILT_IN]
            at_hull = wall.at in ((0.0, self._depth) if wall.along_x else (0.0, self._width))
            if own and not at_hull:
                pair = wall if len(wall.rooms) > 1 else wall._replace(rooms=wall.rooms * 2)
                partition(self._model, spot, f"{spot.path}/wall/{index}", pair, rooms, clear)
        floor_finishes(self._model, spot, [room for room in rooms if room.use not in _BUILT_IN])


def _moved(shape: list[Box | Prism], x: float) -> tuple[Box | Prism, ...]:
    """Parts further along x."""
    moved: list[Box | Prism] = []
    for part in shape:
        if isinstance(part, Box):
            moved.append(part._replace(corner=(part.corner[0] + x, *part.corner[1:])))
        else:
            moved.append(part._replace(origin=(part.origin[0] + x, *part.origin[1:])))
    return tuple(moved)


def _i_profile(wide: float, high: float, thick: float) -> Outline:
    """An I section around the origin: flanges along x."""
    w, h, t = wide / 2, high / 2, thick
    half = [(w, -h), (w, -h + t), (t / 2, -h + t), (t / 2, h - t), (w, h - t), (w, h)]
    return ((-w, -h), *half, (-w, h), (-w, h - t), (-t / 2, h - t), (-t / 2, -h + t), (-w, -h + t))
