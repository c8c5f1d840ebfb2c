"""Which geometry kernel is asked, in which order, with which settings, and what it must not be asked for.

Measured with ifcopenshell 0.9.0 on the real files of our tests, each kernel against opencascade alone, element by
element (docs/adr/0010-tiles.md has the figures): cgal-simple is right wherever it gives something; manifold cuts
openings right and fast, but clips by half spaces wrong without a word, by up to 2.8 m; opencascade gets nearly
everything, slowly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from bim.damage import READ_ERRORS
from bim.tiles.tessellation import TESSELLATION, has_tessellations

__all__ = ["KERNELS", "Kernel"]

_DEPTH_MAX = 50  # booleans of booleans; real files stay below 20


class Kernel(NamedTuple):
    """One geometry library: the settings it needs, and products that it would get wrong."""

    name: str
    settings: dict[str, int]
    errs_on: Callable[[Any], bool]
    suits: Callable[[Any], bool] = lambda _model: True  # whether there is anything for it in an open file
    patience: float = 1.0  # how many times longer than others it may take on one element


def _never(_product: Any) -> bool:
    return False


def clipped_by_half_space(product: Any) -> bool:
    """Whether a boolean of its representation has a half space as operand."""
    try:
        items = [item for part in product.Representation.Representations for item in part.Items or ()]
        return any(_has_half_space(item, _DEPTH_MAX) for item in items)
    except READ_ERRORS:
        return True  # damaged: leave it to a kernel that complains


def _has_half_space(item: Any, depth: int) -> bool:
    if item.is_a("IfcHalfSpaceSolid") or depth == 0:
        return True
    if item.is_a("IfcBooleanResult"):
        return _has_half_space(item.FirstOperand, depth - 1) or _has_half_space(item.SecondOperand, depth - 1)
    if item.is_a("IfcMappedItem"):
        return any(_has_half_space(one, depth - 1) for one in item.MappingSource.MappedRepresentation.Items)
    if item.is_a("IfcCsgSolid"):
        return _has_half_space(item.TreeRootExpression, depth - 1)
    return False


KERNELS = (
    Kernel(TESSELLATION, {}, _never, suits=has_tessellations),
    Kernel("cgal-simple", {}, _never),
    Kernel("manifold", {"circle-segments": 128}, clipped_by_half_space),  # by itself it makes a chord of an arc
    Kernel("hybrid-cgal-simple-opencascade", {}, _never),
    Kernel("opencascade", {}, _never, patience=3.0),
)
