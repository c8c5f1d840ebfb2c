"""Rows of photovoltaic modules on a roof, a carport or the ground."""

import math

from bim.campus.bodies import panel_body
from bim.campus.layout import Panels
from bim.campus.model import Model, Spot
from bim.campus.solids import Box, Frame, tilted

__all__ = ["build_panels", "module_rows"]

_WIDE_M, _DEEP_M, _GAP_M = 1.76, 1.13, 0.02
_PEAK_W = 440.0
_FEET_M = 0.12


def build_panels(model: Model, spot: Spot, panels: Panels, base_m: float, *, pitched: bool = False) -> None:
    """An array on feet; `base_m` is the level it stands on. On a pitched roof it lies flush and rises with it."""
    module_rows(model, spot, f"panels/{panels.name}", panels.name, panels.rect_m, base_m, tilt_deg=panels.tilt_deg,
                pitch_m=panels.pitch_m, feet=not pitched, pitched=pitched)  # fmt: skip


def module_rows(
    model: Model, spot: Spot, path: str, name: str, rect: tuple[float, float, float, float], base_m: float, *,
    tilt_deg: float, pitch_m: float, feet: bool = False, pitched: bool = False,
) -> None:  # fmt: skip
    """Modules side by side along x in rows that look towards −y."""
    x0, y0, x1, y1 = rect
    columns, rows = int((x1 - x0) // (_WIDE_M + _GAP_M)), max(1, int((y1 - y0 - _DEEP_M) // pitch_m) + 1)
    lift = _FEET_M if feet else 0.0
    shape = panel_body(_WIDE_M, _DEEP_M)
    rise = _DEEP_M * math.sin(math.radians(tilt_deg))
    for row in range(rows):
        y = y0 + row * pitch_m
        level = base_m + (y * math.tan(math.radians(tilt_deg)) if pitched else 0.0)
        for column in range(columns):
            frame = tilted(x0 + column * (_WIDE_M + _GAP_M), y, level + lift, tilt_deg)
            ref = model.element("IfcSolarDevice", f"{path}/{row}-{column}", f"{name} {row + 1}-{column + 1}", spot,
                                frame, shape, predefined="SOLARPANEL", trade="photovoltaics",
                                type_name="Module 440 W", shared=True, system="generation")  # fmt: skip
            model.properties(ref, "Pset_AID4_Module", PeakPowerW=f"{_PEAK_W:g}", TiltDeg=f"{tilt_deg:g}")
        if feet:
            width = columns * (_WIDE_M + _GAP_M)
            rail = (Box((0.0, 0.05, 0.0), (width, 0.06, _FEET_M), "aluminium"),
                    Box((0.0, _DEEP_M * 0.9, 0.0), (width, 0.06, _FEET_M + rise * 0.9), "aluminium"))  # fmt: skip
            model.element("IfcMember", f"{path}/rail/{row}", f"{name} rail {row + 1}", spot, Frame((x0, y, base_m)),
                          rail, predefined="STRINGER", trade="photovoltaics", type_name=f"Rails, {name}",
                          shared=True)  # fmt: skip
