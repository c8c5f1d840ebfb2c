"""The ground and what lies on it: terrain, roads with kerbs and lines, paths, parking, lamps, fences, trees, fields."""

import math
from itertools import pairwise

from bim.campus.bodies import BODIES
from bim.campus.layout import Fence, Field, Lamps, Layout, Parking, Road, Terrain, Trees
from bim.campus.model import Model, Spot
from bim.campus.panels import module_rows
from bim.campus.solids import Box, Frame, Mesh, Part, Pipe
from bim.campus.step import Enum, Ref

__all__ = ["build_ground"]

_THICK_M, _KERB_M, _KERB_HIGH_M = 0.25, 0.15, 0.10
_ROAD_TOP_M, _PARKING_TOP_M, _PATH_TOP_M, _GROUND_M = 0.0, -0.01, -0.02, -0.08
_KERB_PIECE_M, _DASH_M, _PANEL_M, _BAY_LENGTH_M = 6.0, 3.0, 2.5, 5.0
_CARPORT_M, _VERGE_M = 2.9, 8.0

Rect = tuple[float, float, float, float]


def build_ground(model: Model, layout: Layout, site: Spot) -> None:
    """Everything outside of the buildings."""
    _terrain(model, layout, site)
    paved = [rect for road in layout.roads if road.kind == "road" for rect in _strips(road)]
    paved += [parking.rect_m for parking in layout.parkings]
    for number, road in enumerate(layout.roads):
        _road(model, site, number, road, paved)
    for number, parking in enumerate(layout.parkings):
        _parking(model, site, number, parking)
    for number, place in enumerate(layout.outdoors):
        _plate(model, site, f"outdoor/{number}", place.name, place.rect_m, place.surface)
    for number, row in enumerate(layout.trees):
        _trees(model, site, number, row)
    for number, line in enumerate(layout.lamps):
        _lamps(model, site, number, line)
    for number, fence in enumerate(layout.fences):
        _fence(model, site, number, fence)
    for number, field in enumerate(layout.fields):
        _field(model, site, number, field)


def _terrain(model: Model, layout: Layout, site: Spot) -> None:
    terrain = layout.terrain
    level = [terrain.flat_m, *(_wider(rect, _VERGE_M) for road in layout.roads for rect in _strips(road))]
    x0, y0, x1, y1 = terrain.rect_m
    across = [x0 + i * (x1 - x0) / n for n in [max(1, round((x1 - x0) / terrain.step_m))] for i in range(n + 1)]
    along = [y0 + i * (y1 - y0) / n for n in [max(1, round((y1 - y0) / terrain.step_m))] for i in range(n + 1)]
    points = tuple((x, y, round(_height_m(terrain, level, x, y), 3)) for y in along for x in across)
    wide, triangles = len(across), []
    for row in range(len(along) - 1):
        for column in range(wide - 1):
            a = row * wide + column
            b, c, d = a + 1, a + wide, a + wide + 1
            triangles += [(a, b, d), (a, d, c)]
    mesh = Mesh(points, tuple(triangles), terrain.colour, closed=False)
    ref = model.element("IfcGeographicElement", "terrain", "Terrain", site, Frame((0.0, 0.0, 0.0)), (mesh,),
                        predefined="TERRAIN", trade="earthworks", type_name="Terrain, surveyed surface")  # fmt: skip
    model.properties(ref, "Pset_Survey", Source="Drone photogrammetry", VerticalDatum=model.place.vertical_datum)


def _height_m(terrain: Terrain, level: list[Rect], x: float, y: float) -> float:
    """Level where things are built, rolling outside."""
    away = min(math.hypot(max(x0 - x, 0.0, x - x1), max(y0 - y, 0.0, y - y1)) for x0, y0, x1, y1 in level)
    rolling = 0.55 * math.sin(x / 37.0 + 1.0) + 0.45 * math.cos(y / 29.0) + 0.35 * math.sin((x + y) / 61.0)
    return _GROUND_M + terrain.relief_m * (1.0 - math.exp(-((away / 35.0) ** 2))) * rolling


def _road(model: Model, site: Spot, number: int, road: Road, paved: list[Rect]) -> None:
    path, is_road = f"road/{number}", road.kind == "road"
    whole = model.spatial("IfcRoad", path, road.name, site, Frame((0.0, 0.0, 0.0)), tail=(Enum("NOTDEFINED"),))
    kind = "CARRIAGEWAY" if is_road else "SIDEWALK"
    part = model.spatial("IfcRoadPart", f"{path}/part", kind.capitalize(), whole, Frame((0.0, 0.0, 0.0)),
                         tail=(Enum("LONGITUDINAL"), Enum(kind)))  # fmt: skip
    trade, top = ("roads", _ROAD_TOP_M) if is_road else ("paths", _PATH_TOP_M)
    colour = "asphalt" if is_road else "paving"
    for index, ((ax, ay), (bx, by)) in enumerate(pairwise(road.path_m)):
        length, turn = math.hypot(bx - ax, by - ay), math.degrees(math.atan2(by - ay, bx - ax))
        body: list[Part] = [Box((0.0, -road.width_m / 2, -_THICK_M), (length, road.width_m, _THICK_M), colour)]
        if index + 2 < len(road.path_m):
            body.append(Pipe((length, 0.0, -_THICK_M), (0.0, 0.0, 1.0), road.width_m / 2, _THICK_M, colour))
        ref = model.element("IfcPavement", f"{path}/pavement/{index}", f"{road.name} {index + 1}", part,
                            Frame.turned(ax, ay, top, turn), tuple(body),
                            predefined="FLEXIBLE" if is_road else "RIGID", trade=trade,
                            type_name="Asphalt road 250 mm" if is_road else "Paved path 250 mm")  # fmt: skip
        model.properties(ref, "Pset_PavementCommon", Status="NEW")
        if is_road:
            others = [rect for rect in paved if rect not in _strips(road)]
            _kerbs(model, part, f"{path}/kerb/{index}", (ax, ay), turn, length, road.width_m, others)
            _dashes(model, part, f"{path}/dash/{index}", ref, (ax, ay), turn, length, others)


def _kerbs(
    model: Model, part: Spot, path: str, start: tuple[float, float], turn: float, length: float, width: float,
    others: list[Rect],
) -> None:  # fmt: skip
    """Pieces on both sides, left out where another road or a parking joins."""
    count = max(1, round(length / _KERB_PIECE_M))
    piece = length / count
    shape = (Box((0.0, -_KERB_M / 2, -0.2), (piece, _KERB_M, 0.2 + _KERB_HIGH_M), "kerb"),)
    for side, offset in (("l", width / 2), ("r", -width / 2)):
        for index in range(count):
            frame = _along(start, turn, index * piece, offset)
            middle = _along(start, turn, (index + 0.5) * piece, offset)
            ends = [_along(start, turn, (index + share) * piece, offset * 1.01) for share in (0.05, 0.95)]
            if any(_inside(rect, one.at) for rect in others for one in (middle, *ends)):
                continue
            model.element("IfcKerb", f"{path}/{side}{index}", f"Kerb {side}{index + 1}", part, frame, shape,
                          trade="roads", type_name=f"Kerb {piece:.2f} m", shared=True)  # fmt: skip


def _dashes(
    model: Model, part: Spot, path: str, road: Ref, start: tuple[float, float], turn: float, length: float,
    others: list[Rect],
) -> None:  # fmt: skip
    shape = (Box((0.0, -0.06, 0.0), (_DASH_M, 0.12, 0.006), "marking"),)
    for index in range(int(length // (2 * _DASH_M))):
        frame = _along(start, turn, (2 * index + 0.5) * _DASH_M, 0.0)
        if not any(_inside(rect, frame.at) for rect in others):
            model.element("IfcSurfaceFeature", f"{path}/{index}", f"Line {index + 1}", part, frame, shape,
                          predefined="LINEMARKING", trade="roads", shared=True, host=road)  # fmt: skip


def _parking(model: Model, site: Spot, number: int, parking: Parking) -> None:
    path = f"parking/{number}"
    x0, y0, x1, y1 = parking.rect_m
    whole = model.spatial("IfcRoad", path, parking.name, site, Frame((x0, y0, 0.0)), tail=(Enum("NOTDEFINED"),))
    part = model.spatial("IfcRoadPart", f"{path}/bays", "Bays", whole, Frame((0.0, 0.0, 0.0)),
                         tail=(Enum("REGION"), Enum("PARKINGBAY")))  # fmt: skip
    width, depth = x1 - x0, y1 - y0
    surface = model.element(
                  "IfcPavement", f"{path}/pavement", f"{parking.name}, surface", part,
                  Frame((0.0, 0.0, _PARKING_TOP_M)),
                  (Box((0.0, 0.0, -_THICK_M), (width, depth, _THICK_M), "asphalt"),), predefined="FLEXIBLE",
                  trade="parking", type_name="Asphalt parking 250 mm")  # fmt: skip
    bays, rows = int(width // parking.bay_m), 2 if depth >= 2 * _BAY_LENGTH_M + 5.0 else 1
    line = (Box((-0.05, 0.0, 0.0), (0.1, _BAY_LENGTH_M, 0.006), "marking"),)
    for row in range(rows):
        y = 0.0 if row == 0 else depth - _BAY_LENGTH_M
        for bay in range(bays + 1):
            model.element("IfcSurfaceFeature", f"{path}/line/{row}-{bay}", f"Bay line {row + 1}-{bay + 1}", part,
                          Frame((bay * parking.bay_m, y, _PARKING_TOP_M)), line, predefined="LINEMARKING",
                          trade="parking", shared=True, host=surface)  # fmt: skip
        for bay in range(row, bays, 3):
            frame = Frame.turned((bay + 0.5) * parking.bay_m, y + 2.5, _PARKING_TOP_M, 90.0)
            if (bay * 7 + row * 3) % 4:
                model.element("IfcVehicle", f"{path}/car/{row}-{bay}", f"Car {row + 1}-{bay + 1}", part, frame,
                              BODIES["car"], predefined="VEHICLEWHEELED", type_name="Car", shared=True)  # fmt: skip
    if parking.carport:
        _carport(model, part, path, parking, bays, depth)


def _carport(model: Model, part: Spot, path: str, parking: Parking, bays: int, depth: float) -> None:
    """Posts, girders and modules above the bays of the far row."""
    width = bays * parking.bay_m
    y = max(depth - _BAY_LENGTH_M, 0.0)
    post = (Box((-0.1, -0.1, 0.0), (0.2, 0.2, _CARPORT_M), "anthracite"),)
    girder = (Box((-0.08, -0.3, -0.25), (0.16, _BAY_LENGTH_M + 0.6, 0.25), "anthracite"),)
    for index in range(0, bays + 1, 2):
        x = index * parking.bay_m
        for row, at in (("a", 0.5), ("b", _BAY_LENGTH_M - 0.5)):
            model.element("IfcColumn", f"{path}/post/{row}{index}", f"Carport post {row}{index + 1}", part,
                          Frame((x, y + at, 0.0)), post, predefined="COLUMN", trade="steel",
                          type_name="Carport post 200x200", shared=True)  # fmt: skip
        model.element("IfcBeam", f"{path}/girder/{index}", f"Carport girder {index + 1}", part,
                      Frame((x, y, _CARPORT_M + 0.25)), girder, predefined="BEAM", trade="steel",
                      type_name="Carport girder", shared=True)  # fmt: skip
    module_rows(model, part, f"{path}/modules", parking.name, (0.0, y - 0.2, width, y + _BAY_LENGTH_M + 0.2),
                _CARPORT_M + 0.3, tilt_deg=4.0, pitch_m=1.78)  # fmt: skip


def _plate(model: Model, site: Spot, path: str, name: str, rect: Rect, colour: str) -> None:
    x0, y0, x1, y1 = rect
    if colour:
        model.element("IfcSlab", f"{path}/plate", f"{name}, ground", site, Frame((x0, y0, _PATH_TOP_M - _THICK_M)),
                      (Box((0.0, 0.0, 0.0), (x1 - x0, y1 - y0, _THICK_M), colour),), predefined="PAVING", trade="paths",
                      type_name=f"Ground plate, {colour}")  # fmt: skip


def _trees(model: Model, site: Spot, number: int, row: Trees) -> None:
    for index, (x, y) in enumerate(_points(row.from_m, row.to_m, row.every_m)):
        frame = Frame.turned(x, y, _GROUND_M - 0.1, (index * 67 + number * 41) % 360)
        model.element("IfcGeographicElement", f"trees/{number}/{index}", f"Tree {number + 1}-{index + 1}", site, frame,
                      BODIES[f"tree-{row.kind}"], predefined="VEGETATION", trade="planting",
                      type_name={"round": "Acer campestre", "slim": "Carpinus betulus",
                                 "shrub": "Cornus mas"}[row.kind],
                      shared=True)  # fmt: skip


def _lamps(model: Model, site: Spot, number: int, line: Lamps) -> None:
    for index, (x, y) in enumerate(_points(line.from_m, line.to_m, line.every_m)):
        model.element("IfcLightFixture", f"lamps/{number}/{index}", f"Lamp post {number + 1}-{index + 1}", site,
                      Frame((x, y, _GROUND_M)), BODIES["lamp-post"], predefined="POINTSOURCE", trade="lamps",
                      type_name="Lamp post 5 m, LED 36 W", shared=True, system="lighting")  # fmt: skip


def _fence(model: Model, site: Spot, number: int, fence: Fence) -> None:
    count = 0
    for (ax, ay), (bx, by) in pairwise(fence.path_m):
        length, turn = math.hypot(bx - ax, by - ay), math.degrees(math.atan2(by - ay, bx - ax))
        panels = max(1, round(length / _PANEL_M))
        wide = length / panels
        parts: list[Part] = [Box((-0.03, -0.03, -0.3), (0.06, 0.06, 2.0), "machine_green")]
        parts += [Box((0.0, -0.01, z), (wide, 0.02, 0.03), "machine_green") for z in (0.1, 0.6, 1.1, 1.6)]
        parts += [Box((wide * n / 8 - 0.01, -0.008, 0.05), (0.02, 0.016, 1.6), "machine_green") for n in range(1, 8)]
        for index in range(panels):
            model.element("IfcRailing", f"fence/{number}/{count}", f"Fence {number + 1}-{count + 1}", site,
                          _along((ax, ay), turn, index * wide, 0.0, _GROUND_M), tuple(parts), predefined="FENCE",
                          trade="fences", type_name=f"Fence panel {wide:.2f} m", shared=True)  # fmt: skip
            count += 1


def _field(model: Model, site: Spot, number: int, field: Field) -> None:
    """A bed of soil with rows of plants, each with its drip line."""
    x0, y0, x1, y1 = field.rect_m
    width, pitch = x1 - x0, (y1 - y0) / field.rows
    model.element("IfcGeographicElement", f"field/{number}/soil", f"{field.name}, soil", site,
                  Frame((x0, y0, _GROUND_M - 0.02)), (Box((0.0, 0.0, 0.0), (width, y1 - y0, 0.1), "soil"),),
                  predefined="VEGETATION", trade="growing", type_name="Field soil")  # fmt: skip
    row = (Box((0.0, 0.0, 0.0), (width - 0.6, pitch * 0.45, 0.35), field.crop),)
    drip = (Pipe((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), 0.012, width - 0.4, "black"),)
    for index in range(field.rows):
        y = y0 + (index + 0.28) * pitch
        model.element("IfcGeographicElement", f"field/{number}/row/{index}", f"{field.name}, row {index + 1}", site,
                      Frame((x0 + 0.3, y, 0.0)), row, predefined="VEGETATION", trade="growing",
                      type_name=f"Row of plants, {field.name}", shared=True)  # fmt: skip
        model.element("IfcPipeSegment", f"field/{number}/drip/{index}", f"{field.name}, drip line {index + 1}", site,
                      Frame((x0 + 0.2, y - 0.08, 0.05)), drip, predefined="FLEXIBLESEGMENT", trade="irrigation",
                      type_name=f"Drip line 16 mm, {field.name}", shared=True, system="irrigation")  # fmt: skip


def _strips(road: Road) -> list[Rect]:
    """The boxes around a road's stretches."""
    half = road.width_m / 2
    return [
        (min(ax, bx) - (half if ax == bx else 0.0), min(ay, by) - (half if ay == by else 0.0),
         max(ax, bx) + (half if ax == bx else 0.0), max(ay, by) + (half if ay == by else 0.0))
        for (ax, ay), (bx, by) in pairwise(road.path_m)
    ]  # fmt: skip


def _wider(rect: Rect, by_m: float) -> Rect:
    return rect[0] - by_m, rect[1] - by_m, rect[2] + by_m, rect[3] + by_m


def _along(start: tuple[float, float], turn: float, far: float, aside: float, z: float = _ROAD_TOP_M) -> Frame:
    """A frame on a line: `far` along it, `aside` to its left."""
    angle = math.radians(turn)
    x = start[0] + far * math.cos(angle) - aside * math.sin(angle)
    y = start[1] + far * math.sin(angle) + aside * math.cos(angle)
    return Frame.turned(x, y, z, turn)


def _points(start: tuple[float, float], end: tuple[float, float], every_m: float) -> list[tuple[float, float]]:
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    count = max(1, round(length / every_m))
    return [(start[0] + (end[0] - start[0]) * i / count, start[1] + (end[1] - start[1]) * i / count)
            for i in range(count + 1)]  # fmt: skip


def _inside(rect: Rect, at: tuple[float, float, float]) -> bool:
    return rect[0] < at[0] < rect[2] and rect[1] < at[1] < rect[3]
