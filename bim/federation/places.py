"""Which spatial structure of a part is in the model already: project, site, building, storeys, spaces."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from bim.federation.parts import Row
from bim.model_index import plain

__all__ = ["MergedPlace", "merge_places"]

_NAMELESS = {"", "undefined", "default", "unnamed", "none", "building", "site"}
_SAME_LEVEL_M = 0.15  # storeys of one level in two trades' files differ by floor build-ups at most
_SAME_NAME_M = 0.5  # and where the name is the same, by more
_SAME_NUMBER_M = 1.0
_SAME_SPACE_M = 1.0
_NUMBER = re.compile(r"[+-]?\d+")
_ALIKE_M = 0.01  # two storeys of one file at one height: the file's elevations mean nothing

PlaceHow = Literal["one per site", "name", "name and elevation", "number in the name", "elevation", "name and position"]


class MergedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A place of a part that is a place of the model; `apart_m` is how far their heights (or positions) differ."""

    part: str
    id: str
    type: str
    name: str
    into: str
    into_name: str
    how: PlaceHow
    apart_m: float | None = None


def merge_places(part: str, known: Sequence[Row], rows: Sequence[Row]) -> list[MergedPlace]:
    """Places of `rows` that stand for a place of `known`; both in coordinates of the model.

    A place whose GlobalId the model has already is not listed: that is a matter of duplicates.
    """
    taken = {row["id"] for row in known}
    fresh = [row for row in rows if row["id"] not in taken]
    found = [*_singles(part, known, fresh), *_storeys(part, known, fresh)]
    return [*found, *_spaces(part, known, fresh, {one.id: one.into for one in found})]


def _singles(part: str, known: Sequence[Row], rows: Sequence[Row]) -> list[MergedPlace]:
    """A site has one project and one IfcSite; buildings are one where each file has one, else by name."""
    found: list[MergedPlace] = []
    for kind in ("IfcProject", "IfcSite", "IfcBuilding"):
        ours, theirs = _of(known, kind), _of(rows, kind)
        by_name = {plain(row["name"]): row for row in ours if plain(row["name"]) not in _NAMELESS}
        for row in theirs:
            same = by_name.get(plain(row["name"]))
            if same is not None:
                found.append(_merged(part, row, same, "name"))
            elif ours and (kind == "IfcProject" or len(ours) == len(theirs) == 1):
                found.append(_merged(part, row, ours[0], "one per site"))
    return found


def _storeys(part: str, known: Sequence[Row], rows: Sequence[Row]) -> list[MergedPlace]:
    """Each storey of the part to at most one of the model, the best pairs first."""
    ours, theirs = _of(known, "IfcBuildingStorey"), _of(rows, "IfcBuildingStorey")
    our_levels, their_levels = _levels(ours), _levels(theirs)
    pairs: list[tuple[int, float, MergedPlace]] = []
    for row in theirs:
        for one in ours:
            a, b = their_levels.get(row["id"]), our_levels.get(one["id"])
            apart = None if a is None or b is None else abs(a - b)
            how = _storey_how(row["name"], one["name"], apart)
            if how is not None:
                rank = ("name and elevation", "name", "number in the name", "elevation").index(how)
                pairs.append((rank, apart or 0.0, _merged(part, row, one, how, apart)))
    used: set[str] = set()
    chosen: list[MergedPlace] = []
    for _, _, pair in sorted(pairs, key=lambda pair: (pair[0], pair[1], pair[2].id, pair[2].into)):
        if pair.id not in used and pair.into not in used:
            used |= {pair.id, pair.into}
            chosen.append(pair)
    return chosen


def _storey_how(name: str, other: str, apart_m: float | None) -> PlaceHow | None:
    same = plain(name) == plain(other)
    if same and apart_m is not None and apart_m <= _SAME_NAME_M:
        return "name and elevation"
    if plain(name) in _NAMELESS or plain(other) in _NAMELESS:
        return None
    if same and apart_m is None:
        return "name"
    number = _number(name)
    if number is not None and number == _number(other) and (apart_m is None or apart_m <= _SAME_NUMBER_M):
        return "number in the name"
    return "elevation" if apart_m is not None and apart_m <= _SAME_LEVEL_M else None


def _number(name: str) -> int | None:
    """The number that a storey's name begins with: `01 first floor` is `01` of another file."""
    found = _NUMBER.match(name.strip())
    return int(found[0]) if found else None


def _levels(storeys: Sequence[Row]) -> dict[str, float]:
    """Heights by storey; none of a height that several storeys claim."""
    stated = {row["id"]: row["elevation_m"] for row in storeys if row["elevation_m"] is not None}
    return {
        one: level
        for one, level in stated.items()
        if not any(other != one and abs(level - far) < _ALIKE_M for other, far in stated.items())
    }


def _spaces(part: str, known: Sequence[Row], rows: Sequence[Row], merged: dict[str, str]) -> list[MergedPlace]:
    """Rooms that a trade's file repeats: one name on one storey at one place."""
    ours: dict[tuple[str, str | None], list[Row]] = {}
    for row in _of(known, "IfcSpace"):
        ours.setdefault((plain(row["name"]), row["storey"]), []).append(row)
    found: list[MergedPlace] = []
    for row in _of(rows, "IfcSpace"):
        storey = merged.get(row["storey"], row["storey"])
        near = [(_apart(row, one), one) for one in ours.get((plain(row["name"]), storey), []) if row["name"]]
        close = sorted(((apart, one["id"], one) for apart, one in near if apart <= _SAME_SPACE_M))
        if close:
            found.append(_merged(part, row, close[0][2], "name and position", close[0][0]))
    return found


def _apart(row: Row, other: Row) -> float:
    a, b = _middle(row), _middle(other)
    return math.inf if a is None or b is None else math.dist(a, b)


def _middle(row: Row) -> tuple[float, float] | None:
    outline = row["footprint_m"]
    if outline:
        xs, ys = outline[::2], outline[1::2]
        return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return None if row["x_m"] is None else (row["x_m"], row["y_m"])


def _of(rows: Iterable[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["type"] == kind]


def _merged(part: str, row: Row, into: Row, how: PlaceHow, apart_m: float | None = None) -> MergedPlace:
    return MergedPlace(
        part=part,
        id=row["id"],
        type=row["type"],
        name=row["name"],
        into=into["id"],
        into_name=into["name"],
        how=how,
        apart_m=apart_m,
    )
