"""A glasshouse: slender frames, panes on all sides, beds of plants with drip lines, vents at the ridge."""

import math

from bim.campus.layout import Building
from bim.campus.model import Model, Spot
from bim.campus.solids import Box, Frame, Pipe, Prism
from bim.campus.step import Enum

__all__ = ["build_glasshouse"]

_SLOPE = math.radians(24.0)
_PANE_M, _BED_M, _AISLE_M = 1.5, 1.2, 0.8
_POST = 0.1


def build_glasshouse(model: Model, building: Building, spot: Spot) -> None:
    """One gable along x over the whole size; frames stand every bay."""
    _frames(model, building, spot)
    _panes(model, building, spot)
    for room in building.storeys[0].rooms:
        _beds(model, spot, room.number, room.rect_m)


def _frames(model: Model, building: Building, spot: Spot) -> None:
    (width, depth), eaves = building.size_m, building.storeys[0].height_m
    bays = max(1, round(width / building.bay_m))
    bay = width / bays
    model.element("IfcSlab", f"{spot.path}/slab", f"Floor {building.name}", spot, Frame((0.0, 0.0, -0.2)),
                  (Box((-0.15, -0.15, 0.0), (width + 0.3, depth + 0.3, 0.2), "concrete"),), predefined="BASESLAB",
                  trade="foundation", type_name="Greenhouse floor 200 mm")  # fmt: skip
    post = (Box((-_POST / 2, -_POST / 2, 0.0), (_POST, _POST, eaves), "aluminium"),)
    length = depth / 2 / math.cos(_SLOPE)
    for index in range(bays + 1):
        x = index * bay
        for side, y, sign in (("a", 0.0, 1.0), ("b", depth, -1.0)):
            model.element("IfcColumn", f"{spot.path}/post/{side}{index}", f"Post {side.upper()}{index + 1}", spot,
                          Frame((x, y, 0.0)), post, predefined="COLUMN", trade="steel", type_name="Post 100x100",
                          shared=True)  # fmt: skip
            axis = (0.0, sign * math.cos(_SLOPE), math.sin(_SLOPE))
            square = ((-0.04, -0.06), (0.04, -0.06), (0.04, 0.06), (-0.04, 0.06))
            body = (Prism(square, length, "aluminium", (0.0, 0.0, 0.0), axis, (1.0, 0.0, 0.0)),)
            model.element("IfcMember", f"{spot.path}/rafter/{side}{index}", f"Rafter {side.upper()}{index + 1}", spot,
                          Frame((x, y, eaves)), body, predefined="RAFTER", trade="steel", type_name="Rafter 80x120",
                          shared=True)  # fmt: skip
    rise = depth / 2 * math.tan(_SLOPE)
    for name, y, z in (("eaves a", 0.0, eaves), ("eaves b", depth, eaves), ("ridge", depth / 2, eaves + rise)):
        for index in range(bays):
            model.element("IfcMember", f"{spot.path}/{name}/{index}", f"{name.capitalize()} {index + 1}", spot,
                          Frame((index * bay, y, z)), (Box((0.0, -0.05, -0.05), (bay, 0.1, 0.1), "aluminium"),),
                          predefined="PURLIN", trade="steel", type_name="Purlin 100x100", shared=True)  # fmt: skip


def _panes(model: Model, building: Building, spot: Spot) -> None:
    (width, depth), eaves = building.size_m, building.storeys[0].height_m
    count = max(1, round(width / _PANE_M))
    wide = width / count
    wall = (Box((0.02, -0.01, 0.3), (wide - 0.04, 0.02, eaves - 0.35), "glass_clear"),
            Box((0.0, -0.08, 0.0), (wide, 0.16, 0.3), "concrete"))  # fmt: skip
    slope = depth / 2 / math.cos(_SLOPE)
    for index in range(count):
        for side, y, sign in (("a", 0.0, 1.0), ("b", depth, -1.0)):
            _pane(model, spot, f"wall/{side}{index}", Frame((index * wide, y, 0.0)), wall, "Wall pane")
            x = index * wide if sign > 0 else (index + 1) * wide
            normal = (0.0, -sign * math.sin(_SLOPE), math.cos(_SLOPE))
            for row, (low, high) in enumerate(((0.0, 0.5), (0.5, 1.0))):
                body = (
                    Box(
                        (0.02, slope * low + 0.02, 0.07),
                        (wide - 0.04, slope * (high - low) - 0.04, 0.015),
                        "glass_clear",
                    ),
                )
                _pane(model, spot, f"roof/{side}{index}-{row}", Frame((x, y, eaves), normal, (sign, 0.0, 0.0)), body,
                      f"Roof pane {row + 1}")  # fmt: skip
        if index % 2 == 0:
            vent = (Box((0.0, slope - 0.9, 0.1), (wide, 0.85, 0.04), "glass"),)
            normal = (0.0, -math.sin(_SLOPE), math.cos(_SLOPE))
            ref = model.element("IfcWindow", f"{spot.path}/vent/{index}", f"Vent {index // 2 + 1}", spot,
                                Frame((index * wide, 0.0, eaves), normal, (1.0, 0.0, 0.0)), vent, trade="glazing",
                                type_name="Ridge vent", shared=True,
                                tail=(0.85, wide, Enum("SKYLIGHT"), None, None))  # fmt: skip
            model.properties(ref, "Pset_WindowCommon", IsExternal=True)
    rise = depth / 2 * math.tan(_SLOPE)
    ends = max(2, 2 * round(depth / 2 / _PANE_M))
    step = depth / ends
    for side, x in (("w", 0.0), ("e", width)):
        for index in range(ends):
            tops = [eaves + rise * (1 - abs(2 * at / depth - 1)) for at in (index * step, (index + 1) * step)]
            outline = ((0.02, 0.3), (step - 0.02, 0.3), (step - 0.02, tops[1] - 0.06), (0.02, tops[0] - 0.06))
            pane = (Prism(outline, 0.02, "glass_clear", (0.0, 0.0, 0.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
                    Box((0.0, -0.08, 0.0), (step, 0.16, 0.3), "concrete"))  # fmt: skip
            _pane(
                model,
                spot,
                f"gable/{side}{index}",
                Frame.turned(x, index * step, 0.0, 90.0),
                pane,
                f"Gable pane {index + 1}",
            )


def _pane(model: Model, spot: Spot, path: str, frame: Frame, body: tuple[Box | Prism, ...], name: str) -> None:
    model.element("IfcPlate", f"{spot.path}/{path}", f"{name} {path.rpartition('/')[2]}", spot, frame, body,
                  predefined="CURTAIN_PANEL", trade="glazing", type_name=f"{name}, toughened 4 mm",
                  shared=True)  # fmt: skip


def _beds(model: Model, spot: Spot, number: str, rect: tuple[float, float, float, float]) -> None:
    """Beds along x with plants and a drip line each."""
    x0, y0, x1, y1 = rect
    length, rows = x1 - x0 - 1.6, max(1, int((y1 - y0 - _AISLE_M) // (_BED_M + _AISLE_M)))
    soil = (
        Box((0.0, 0.0, 0.0), (length, _BED_M, 0.35), "timber_dark"),
        Box((0.05, 0.05, 0.35), (length - 0.1, _BED_M - 0.1, 0.04), "soil"),
    )
    plants = tuple(Box((0.3 + n * 0.8, y, 0.39), (0.45, 0.35, 0.35 + 0.12 * ((n * 5 + k * 3) % 4)),
                       "crop" if (n + k) % 3 else "leaf_light")
                   for n in range(int((length - 0.4) // 0.8)) for k, y in enumerate((0.15, 0.7)))  # fmt: skip
    drip = (Pipe((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), 0.012, length, "black"),)
    for row in range(rows):
        y, path = y0 + _AISLE_M + row * (_BED_M + _AISLE_M), f"{spot.path}/bed/{number}/{row}"
        model.element("IfcFurniture", path, f"Bed {number}-{row + 1}", spot, Frame((x0 + 0.8, y, 0.0)), soil,
                      predefined="USERDEFINED", object_type="GROWINGBED", trade="growing",
                      type_name=f"Growing bed {length:g} m", shared=True)  # fmt: skip
        model.element("IfcGeographicElement", f"{path}/plants", f"Plants {number}-{row + 1}", spot,
                      Frame((x0 + 0.8, y, 0.0)), plants, predefined="VEGETATION", trade="growing",
                      type_name=f"Vegetables, {length:g} m", shared=True)  # fmt: skip
        model.element("IfcPipeSegment", f"{path}/drip", f"Drip line {number}-{row + 1}", spot,
                      Frame((x0 + 0.8, y + _BED_M / 2, 0.42)), drip, predefined="FLEXIBLESEGMENT", trade="irrigation",
                      type_name=f"Drip line 16 mm, {length:g} m", shared=True, system="irrigation")  # fmt: skip
