"""Shapes as SVG: one group a layer, every path with the GlobalId of its element, styled by whoever shows it.

Coordinates are model metres relative to the origin, y turned down as SVG has it, in whole millimetres.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import shapely

from bim.plans.classes import LAYERS
from bim.plans.drawing import Shape

__all__ = ["svg_of"]

_MARGIN_M = 0.5
_NAME_CHARS_MAX = 120


def svg_of(
    shapes: Sequence[Shape], names: dict[str, str], title: str, origin: tuple[float, float]
) -> tuple[str, tuple[float, float, float, float]]:
    """The document, and its bounds: minimum x, y, maximum x, y in model axes relative to the origin."""
    boxes = np.array([shape.polygons.bounds for shape in shapes]).reshape(-1, 4)
    x0, y0 = (boxes[:, :2].min(axis=0) - origin).tolist()
    x1, y1 = (boxes[:, 2:].max(axis=0) - origin).tolist()
    view = (x0 - _MARGIN_M, -y1 - _MARGIN_M, x1 - x0 + 2 * _MARGIN_M, y1 - y0 + 2 * _MARGIN_M)
    box = " ".join(_number(round(value * 1000)) for value in view)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">', f"<title>{escape(_plain(title))}</title>"]
    for layer in LAYERS:
        own = sorted((shape for shape in shapes if shape.layer == layer), key=lambda shape: -shape.polygons.area)
        if own:
            lines += [f'<g class="{layer}">', *(_path(shape, names, origin) for shape in own), "</g>"]
    lines.append("</svg>\n")
    return "\n".join(lines), (x0, y0, x1, y1)


def _path(shape: Shape, names: dict[str, str], origin: tuple[float, float]) -> str:
    rings = [ring for part in shapely.get_parts(shape.polygons) for ring in (part.exterior, *part.interiors)]
    steps = "".join(_ring(np.array(ring.coords)[:-1, :2] - origin) for ring in rings)
    start = f'<path class="{shape.layer}" data-id={quoteattr(shape.global_id)} d="{steps}"'
    name = _plain(names.get(shape.global_id, ""))
    if shape.layer != "space" or not name:
        return f"{start}/>"
    point = _inside(shape.polygons)
    x, y = round((point.x - origin[0]) * 1000), round((origin[1] - point.y) * 1000)
    return f'{start} data-x="{_number(x)}" data-y="{_number(y)}"><title>{escape(name)}</title></path>'


def _inside(polygons: Any) -> Any:
    """Where a label has most room: the middle of the largest circle inside the largest part."""
    largest = max(shapely.get_parts(polygons), key=lambda part: part.area)
    try:
        circle = shapely.maximum_inscribed_circle(largest, tolerance=0.05)
        return shapely.Point(circle.coords[0])
    except shapely.GEOSException:
        return largest.representative_point()


def _ring(points: Any) -> str:
    """One closed ring in relative steps of whole millimetres, with h and v where it runs along an axis."""
    rows = np.round(points * [1000.0, -1000.0]).astype(np.int64)
    rows = rows[np.r_[True, (np.diff(rows, axis=0) != 0).any(axis=1)]]
    x, y = rows[0].tolist()
    parts = [f"M{_number(x)} {_number(y)}"]
    for dx, dy in np.diff(rows, axis=0).tolist():
        parts.append(
            f"h{_number(dx)}" if dy == 0 else f"v{_number(dy)}" if dx == 0 else f"l{_number(dx)} {_number(dy)}"
        )
    return "".join([*parts, "z"])


def _number(millimetres: int) -> str:
    """Millimetres as metres, as short as can be: -0.5 is "-.5"."""
    text = f"{millimetres / 1000:.3f}".rstrip("0").rstrip(".")
    text = text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
    return "0" if text in ("", "-", "-0") else text


def _plain(name: str) -> str:
    """A name without what no XML may hold."""
    return "".join(letter for letter in name[:_NAME_CHARS_MAX] if letter.isprintable())


def names_of(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What a room is called: number and name."""
    return {row["id"]: f"{row['name']} {row['long_name']}".strip() for row in rows}
