"""Shapes of elements as values: boxes, prisms, cylinders and meshes with a colour, in the element's own axes (metres).

`Shapes` writes them as swept solids; a shape that occurs often is written once and mapped.
"""

import math
from typing import NamedTuple

from bim.campus.step import DERIVED, Enum, Ref, StepFile, Typed

__all__ = ["COLOURS", "Box", "Frame", "Mesh", "Part", "Pipe", "Prism", "Shape", "Shapes", "tilted"]

Vector = tuple[float, float, float]
Outline = tuple[tuple[float, float], ...]

_PRECISION_M = 1e-5
_AREA = Enum("AREA")

# red, green, blue, transparency
COLOURS: dict[str, tuple[float, float, float, float]] = {
    "concrete": (0.74, 0.74, 0.72, 0.0),
    "concrete_dark": (0.56, 0.56, 0.55, 0.0),
    "render_white": (0.93, 0.92, 0.89, 0.0),
    "render_sand": (0.86, 0.80, 0.70, 0.0),
    "brick": (0.66, 0.42, 0.33, 0.0),
    "timber": (0.72, 0.53, 0.34, 0.0),
    "timber_dark": (0.45, 0.32, 0.22, 0.0),
    "panel_grey": (0.66, 0.69, 0.72, 0.0),
    "panel_blue": (0.24, 0.37, 0.50, 0.0),
    "panel_white": (0.90, 0.92, 0.93, 0.0),
    "anthracite": (0.20, 0.22, 0.24, 0.0),
    "steel": (0.55, 0.58, 0.61, 0.0),
    "steel_red": (0.62, 0.22, 0.17, 0.0),
    "zinc": (0.74, 0.77, 0.79, 0.0),
    "copper": (0.72, 0.45, 0.26, 0.0),
    "glass": (0.60, 0.76, 0.83, 0.55),
    "glass_clear": (0.80, 0.90, 0.93, 0.75),
    "gypsum": (0.95, 0.95, 0.94, 0.0),
    "door": (0.50, 0.38, 0.28, 0.0),
    "screed": (0.80, 0.79, 0.76, 0.0),
    "carpet": (0.42, 0.48, 0.54, 0.0),
    "tile": (0.84, 0.82, 0.77, 0.0),
    "resin": (0.58, 0.64, 0.62, 0.0),
    "parquet": (0.76, 0.60, 0.42, 0.0),
    "gravel": (0.70, 0.68, 0.64, 0.0),
    "sedum": (0.47, 0.55, 0.34, 0.0),
    "grass": (0.47, 0.60, 0.35, 0.0),
    "meadow": (0.57, 0.64, 0.38, 0.0),
    "field": (0.55, 0.45, 0.32, 0.0),
    "crop": (0.35, 0.56, 0.24, 0.0),
    "soil": (0.36, 0.27, 0.20, 0.0),
    "leaf": (0.30, 0.47, 0.23, 0.0),
    "leaf_light": (0.43, 0.58, 0.27, 0.0),
    "bark": (0.38, 0.29, 0.22, 0.0),
    "asphalt": (0.28, 0.29, 0.30, 0.0),
    "paving": (0.69, 0.67, 0.63, 0.0),
    "kerb": (0.78, 0.77, 0.74, 0.0),
    "marking": (0.96, 0.96, 0.94, 0.0),
    "water": (0.36, 0.58, 0.68, 0.3),
    "pv_cell": (0.09, 0.13, 0.25, 0.0),
    "aluminium": (0.80, 0.82, 0.84, 0.0),
    "machine_white": (0.88, 0.89, 0.88, 0.0),
    "machine_green": (0.24, 0.44, 0.38, 0.0),
    "robot_orange": (0.91, 0.45, 0.10, 0.0),
    "safety_yellow": (0.95, 0.76, 0.12, 0.0),
    "signal_green": (0.20, 0.62, 0.36, 0.0),
    "signal_blue": (0.13, 0.42, 0.68, 0.0),
    "duct_supply": (0.62, 0.72, 0.80, 0.0),
    "duct_return": (0.80, 0.74, 0.60, 0.0),
    "pipe_hot": (0.78, 0.30, 0.22, 0.0),
    "pipe_cold": (0.22, 0.45, 0.70, 0.0),
    "pipe_gas": (0.86, 0.72, 0.18, 0.0),
    "black": (0.12, 0.12, 0.13, 0.0),
    "lamp": (0.98, 0.95, 0.84, 0.0),
    "clean_white": (0.97, 0.98, 0.98, 0.0),
    "space": (0.70, 0.80, 0.90, 0.85),
}


class Box(NamedTuple):
    """A box from its lower corner."""

    corner: Vector
    size: Vector
    colour: str


class Prism(NamedTuple):
    """An outline pulled by `depth` along `axis`; its plane's x axis is `across`. `holes` are outlines inside."""

    outline: Outline
    depth: float
    colour: str
    origin: Vector = (0.0, 0.0, 0.0)
    axis: Vector = (0.0, 0.0, 1.0)
    across: Vector = (1.0, 0.0, 0.0)
    holes: tuple[Outline, ...] = ()


class Pipe(NamedTuple):
    """A cylinder from `start` along `axis`."""

    start: Vector
    axis: Vector
    radius: float
    length: float
    colour: str


class Mesh(NamedTuple):
    """Triangles over points; closed bodies turn their faces outwards."""

    points: tuple[Vector, ...]
    triangles: tuple[tuple[int, int, int], ...]
    colour: str
    closed: bool = True


Part = Box | Prism | Pipe | Mesh
Shape = tuple[Part, ...]


class Frame(NamedTuple):
    """Where an element's own axes lie within those above: a point, and the directions of its z and x axes."""

    at: Vector
    axis: Vector | None = None
    across: Vector | None = None

    @classmethod
    def turned(cls, x: float, y: float, z: float, degrees: float) -> "Frame":
        """Turned counter-clockwise about the upright."""
        turn = math.radians(degrees)
        return cls((x, y, z), (0.0, 0.0, 1.0), (math.cos(turn), math.sin(turn), 0.0)) if degrees else cls((x, y, z))


def tilted(x: float, y: float, z: float, degrees: float) -> Frame:
    """Leaned about the x axis, so that its face looks towards −y and up, as a south-facing module does."""
    lean = math.radians(degrees)
    return Frame((x, y, z), (0.0, -math.sin(lean), math.cos(lean)), (1.0, 0.0, 0.0))


class Shapes:
    """Writes shapes into a file."""

    def __init__(self, file: StepFile) -> None:
        self._file = file
        self._origin = self._axes(Frame((0.0, 0.0, 0.0)))
        self._maps: dict[Shape, Ref] = {}
        self.context = Ref(0)
        self._body = Ref(0)

    def begin(self, true_north: tuple[float, float]) -> Ref:
        """The geometric context of the model."""
        north = self._file.add("IfcDirection", true_north)
        self.context = self._file.add(
            "IfcGeometricRepresentationContext", None, "Model", 3, _PRECISION_M, self._origin, north
        )
        self._body = self._file.add(
            "IfcGeometricRepresentationSubContext", "Body", "Model", *[DERIVED] * 4, self.context, None,
            Enum("MODEL_VIEW"), None,
        )  # fmt: skip
        return self.context

    def placement(self, frame: Frame, above: Ref | None) -> Ref:
        """A placement relative to another one."""
        return self._file.add("IfcLocalPlacement", above, self._axes(frame))

    def definition(self, shape: Shape) -> Ref:
        """The shape of one element."""
        items = [self._item(part) for part in shape]
        return self._product(self._representation(items, shape))

    def mapped(self, shape: Shape) -> Ref:
        """The shape of one element of many that look alike; drawn once."""
        turned = self._file.once("IfcCartesianTransformationOperator3D", None, None, self._point((0.0, 0.0, 0.0)), 1.0,
                                 None)  # fmt: skip
        item = self._file.once("IfcMappedItem", self.map_of(shape), turned)
        again = self._file.add("IfcShapeRepresentation", self._body, "Body", "MappedRepresentation", [item])
        return self._product(again)

    def map_of(self, shape: Shape) -> Ref:
        """The representation map of a shape, which types name too."""
        if shape not in self._maps:
            items = [self._item(part) for part in shape]
            self._maps[shape] = self._file.add("IfcRepresentationMap", self._origin, self._representation(items, shape))
        return self._maps[shape]

    def _representation(self, items: list[Ref], shape: Shape) -> Ref:
        meshes = sum(isinstance(part, Mesh) for part in shape)
        kind = "Tessellation" if meshes == len(shape) else "SurfaceOrSolidModel" if meshes else "SweptSolid"
        return self._file.add("IfcShapeRepresentation", self._body, "Body", kind, items)

    def _product(self, representation: Ref) -> Ref:
        return self._file.add("IfcProductDefinitionShape", None, None, [representation])

    def _item(self, part: Part) -> Ref:
        match part:
            case Box(corner, size, _):
                x, y, z = size
                profile = self._file.once("IfcRectangleProfileDef", _AREA, None, self._flat(x / 2, y / 2), x, y)
                item = self._extruded(profile, Frame(corner), z)
            case Prism(outline, depth, _, origin, axis, across, holes):
                item = self._extruded(self._profile(outline, holes), Frame(origin, axis, across), depth)
            case Pipe(start, axis, radius, length, _):
                profile = self._file.once("IfcCircleProfileDef", _AREA, None, self._flat(0.0, 0.0), radius)
                item = self._extruded(profile, Frame(start, axis, _beside(axis)), length)
            case Mesh(points, triangles, _, closed):
                list_ = self._file.once("IfcCartesianPointList3D", points, None)
                corners = [tuple(index + 1 for index in triangle) for triangle in triangles]
                item = self._file.add("IfcTriangulatedFaceSet", list_, None, closed, corners, None)
        self._file.add("IfcStyledItem", item, [self._style(part.colour)], None)
        return item

    def _extruded(self, profile: Ref, frame: Frame, depth: float) -> Ref:
        up = self._direction((0.0, 0.0, 1.0))
        return self._file.add("IfcExtrudedAreaSolid", profile, self._axes(frame), up, depth)

    def _profile(self, outline: Outline, holes: tuple[Outline, ...]) -> Ref:
        outer = self._curve(outline)
        if not holes:
            return self._file.once("IfcArbitraryClosedProfileDef", _AREA, None, outer)
        inner = [self._curve(hole) for hole in holes]
        return self._file.once("IfcArbitraryProfileDefWithVoids", _AREA, None, outer, inner)

    def _curve(self, outline: Outline) -> Ref:
        points = self._file.once("IfcCartesianPointList2D", outline, None)
        around = (*range(1, len(outline) + 1), 1)
        return self._file.once("IfcIndexedPolyCurve", points, [Typed("IfcLineIndex", around)], None)

    def _style(self, colour: str) -> Ref:
        red, green, blue, transparency = COLOURS[colour]
        shade = self._file.once(
            "IfcSurfaceStyleShading", self._file.once("IfcColourRgb", None, red, green, blue), transparency
        )
        return self._file.once("IfcSurfaceStyle", colour, Enum("BOTH"), [shade])

    def _flat(self, x: float, y: float) -> Ref:
        return self._file.once("IfcAxis2Placement2D", self._file.once("IfcCartesianPoint", (x, y)), None)

    def _axes(self, frame: Frame) -> Ref:
        axis = None if frame.axis is None else self._direction(frame.axis)
        across = None if frame.across is None else self._direction(frame.across)
        return self._file.once("IfcAxis2Placement3D", self._point(frame.at), axis, across)

    def _point(self, at: Vector) -> Ref:
        return self._file.once("IfcCartesianPoint", tuple(map(float, at)))

    def _direction(self, along: Vector) -> Ref:
        return self._file.once("IfcDirection", tuple(map(float, along)))


def _beside(axis: Vector) -> Vector:
    """A direction at right angles to one of the three axes."""
    return (1.0, 0.0, 0.0) if abs(axis[0]) < 0.9 else (0.0, 1.0, 0.0)
