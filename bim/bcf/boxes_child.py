"""The child process that finds where elements are: `python -m bim.bcf.boxes_child MODEL OUT IDS_JSON LIMITS`.

Writes a JSON object GlobalId → box into OUT: of its geometry in world coordinates, else around its parts, else
around its placement. Exit codes: 0 done, 3 the model was refused.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bim.bcf.camera import Box, around
from bim.child import bound_this_process, open_model, refuse, too_little_memory
from bim.damage import READ_ERRORS
from bim.errors import ModelError
from bim.limits import ModelLimits
from bim.model_file import check_path, plain_model
from bim.placement import Placements
from bim.project_units import read_units
from wire.stopping import die_with_parent

__all__ = ["main"]

_PARTS_MAX = 2_000  # shapes made for one whole
_SAVED_EACH_MAX = 500
_PARTS = (("IsDecomposedBy", "RelatedObjects"), ("ContainsElements", "RelatedElements"))
_PLACE_M = 0.25  # half the box around an element of which only the place is known


def main(arguments: list[str]) -> int:
    """Find boxes; see the module."""
    file, out, ids_file = arguments[0], Path(arguments[1]), Path(arguments[2])
    limits = msgspec.json.decode(arguments[3], type=ModelLimits)
    die_with_parent()
    bound_this_process(limits)
    try:
        plain = plain_model(check_path(file, limits), out.parent, limits)
        model, _ = open_model(plain, file, limits)
    except ModelError as refusal:
        return refuse(refusal)
    except MemoryError:
        return refuse(too_little_memory(file, limits))
    ids = msgspec.json.decode(ids_file.read_bytes(), type=list[str])
    finder = _Finder(model)
    boxes: dict[str, Box] = {}
    for one in ids:
        box = finder.of(one)
        if box is not None:
            boxes[one] = box
        if len(ids) <= _SAVED_EACH_MAX:  # what the next geometry may crash is not lost
            out.write_bytes(msgspec.json.encode(boxes))
    out.write_bytes(msgspec.json.encode(boxes))
    return 0


class _Finder:
    """Boxes of elements of one open file."""

    def __init__(self, model: Any) -> None:
        import ifcopenshell.geom

        self._model = model
        self._make = ifcopenshell.geom.create_shape
        self._settings = ifcopenshell.geom.settings()
        self._settings.set("use-world-coords", True)
        self._placements = Placements(read_units(model).length_m)

    def of(self, global_id: str) -> Box | None:
        """The box of an element, None for one that the file lacks or whose place is not known."""
        try:
            product = self._model.by_guid(global_id)
        except (RuntimeError, TypeError):
            return None
        boxes = [box for one in _with_parts(product) if (box := self._shape(one)) is not None]
        return around(boxes) if boxes else self._place(product)

    def _shape(self, product: Any) -> Box | None:
        if getattr(product, "Representation", None) is None:
            return None
        try:
            shape = self._make(self._settings, product)
            points = np.array(shape.geometry.verts, dtype=np.float64).reshape(-1, 3)
        except READ_ERRORS:
            return None
        if not len(points) or not np.isfinite(points).all():
            return None
        return tuple(float(one) for one in (*points.min(0), *points.max(0)))  # type: ignore[return-value]

    def _place(self, product: Any) -> Box | None:
        try:
            placement = getattr(product, "ObjectPlacement", None)
            placed = None if placement is None else self._placements.of(placement)
        except READ_ERRORS:
            return None
        if placed is None:
            return None
        x, y, z = (float(number) for number in placed[:3, 3])
        return x - _PLACE_M, y - _PLACE_M, z - _PLACE_M, x + _PLACE_M, y + _PLACE_M, z + _PLACE_M


def _with_parts(product: Any) -> list[Any]:
    """The element, or what it is made of when it has no shape of its own."""
    found: dict[int, Any] = {}
    waiting = [product]
    while waiting and len(found) < _PARTS_MAX:
        one = waiting.pop(0)
        if one.id() in found:
            continue
        found[one.id()] = one
        if getattr(one, "Representation", None) is None:
            for attribute, ends in _PARTS:
                for relation in getattr(one, attribute, None) or ():
                    waiting += getattr(relation, ends, None) or ()
    return list(found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
