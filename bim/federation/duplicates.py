"""One GlobalId in two files: the same element exported twice, or two elements that clash.

The same element keeps what the earlier file says, and takes from the later one the properties that it lacks. Of two
that clash the later one gets a GlobalId of its own, derived from the file and the old one, so that neither is lost
and the name stays the same in every revision.
"""

import math
from typing import Literal

import msgspec

from bim.federation.parts import Row
from bim.global_id import derived
from bim.model_index import plain

__all__ = ["Duplicate", "compare"]

_SAME_PLACE_M = 0.5
_CASES = ("StandardCase", "ElementedCase")  # IFC2X3 and IFC4 split walls, beams and slabs that are one class


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """`kept` is the id under which the later file's element is in the model; `wins` names the file that stands."""

    id: str
    first: str
    second: str
    verdict: Literal["same", "clash"]
    wins: str
    kept: str
    reason: str


def compare(row: Row, other: Row, part: str) -> Duplicate:
    """Judge two rows of one GlobalId, both in coordinates of the model; `row` is in it already."""
    against = _against(row, other)
    first = row["source"]
    if not against:
        reason = f"one {_shown(row)} in both files; the file named first stands"
        return Duplicate(
            id=row["id"], first=first, second=part, verdict="same", wins=first, kept=row["id"], reason=reason
        )
    kept = derived("clash", part, other["id"])
    return Duplicate(id=row["id"], first=first, second=part, verdict="clash", wins=first, kept=kept, reason=against)


def _against(row: Row, other: Row) -> str:
    """What speaks against their being one element; "" when nothing does."""
    if _class(row) != _class(other):
        return f"{_shown(row)} in one file, {_shown(other)} in the other"
    if row["category"] in ("project", "group") or row["type"] in ("IfcSite", "IfcBuilding", "IfcBuildingStorey"):
        return ""
    apart = _apart_m(row, other)
    if apart is None:
        return "" if plain(row["name"]) == plain(other["name"]) else f"{_shown(row)} and {_shown(other)} without place"
    if apart <= _SAME_PLACE_M:
        return ""
    return f"{_shown(row)} and {_shown(other)} stand {apart:.2f} m apart"


def _class(row: Row) -> str:
    name = str(row["type"])
    for case in _CASES:
        name = name.removesuffix(case)
    return name


def _apart_m(row: Row, other: Row) -> float | None:
    if row["x_m"] is None or other["x_m"] is None:
        return None
    return math.dist((row["x_m"], row["y_m"], row["z_m"]), (other["x_m"], other["y_m"], other["z_m"]))


def _shown(row: Row) -> str:
    return f"{row['type']} {row['name']!r}" if row["name"] else str(row["type"])
