"""How the coordinates of one file become those of the first: the most certain statement that both files make.

In order: what a person gave; map conversions into one map; the places of their IfcSites; coordinates that are
simply shared. Heights are then compared storey by storey, and the elements with the bounds of the first file, so
that a wrong alignment is told and not only made.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bim.federation.parts import Part, PartPlace, Row
from bim.georeference import Georeference
from bim.model_index import plain
from wire.errors import InputError

__all__ = ["Alignment", "How", "Matrix", "align", "moved"]

Matrix = NDArray[np.float64]
How = Literal["first file", "given", "map conversion", "site placement", "shared coordinates"]

_SURE: dict[How, float] = {
    "first file": 1.0,
    "given": 1.0,
    "map conversion": 0.95,
    "site placement": 0.8,
    "shared coordinates": 0.7,
}
_SAME_PLACE_DEG = 1e-4  # 11 m: exporters round latitude and longitude differently
_SITE_MOVED_M = 1.0
_STOREY_SLACK_M = 0.05
_AROUND_M = 10.0  # cables, drains and canopies reach out of a building
_INSIDE_RATIO = 0.5
_UNSURE = 0.3
_EXTENT_MIN_M = 1.0  # a file whose elements all stand at its origin says nothing of its bounds


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """`matrix` (row by row) takes points of the part to the model; `inside_ratio` is null where nothing tells it."""

    part: str
    how: How
    confidence: float
    matrix: list[float]
    offset_m: list[float]
    rotate_deg: float
    storeys_raised_m: float = 0.0  # heights were moved so that storeys of one name meet
    inside_ratio: float | None = None  # of the part's placed elements, within the bounds of the files before it
    warnings: list[str] = []


def align(first: Part, part: Part, known: Sequence[Row], rows: Sequence[Row]) -> Alignment:
    """Alignment of a part whose rows are in its own coordinates; `known` are the model's rows so far.

    Raises InputError when the files name two different maps: a guess would place the part anywhere.
    """
    warnings: list[str] = []
    how, matrix = _stated(first, part, warnings)
    raised = 0.0
    if how not in ("given", "map conversion"):
        raised = _raise(known, rows, matrix, warnings)
        matrix = matrix.copy()
        matrix[2, 3] += raised
    ratio = _inside_ratio(known, rows, matrix)
    sure = _SURE[how]
    if ratio is not None and ratio < _INSIDE_RATIO:
        sure = min(sure, _UNSURE)
        warnings.append(
            f"only {ratio:.0%} of its elements lie within {_AROUND_M:g} m of the model; is it of this site?"
        )
    return Alignment(
        part=part.name,
        how=how,
        confidence=sure,
        matrix=matrix.ravel().tolist(),
        offset_m=matrix[:3, 3].tolist(),
        rotate_deg=math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])),
        storeys_raised_m=raised,
        inside_ratio=ratio,
        warnings=warnings,
    )


def moved(row: Row, matrix: Matrix) -> Row:
    """A row with its place, levels and outline in coordinates of the model."""
    if np.array_equal(matrix, np.eye(4)):
        return row
    up = float(matrix[2, 3])
    changed = {name: None if row[name] is None else row[name] + up for name in ("elevation_m", "z_min_m", "z_max_m")}
    if row["x_m"] is not None:
        at = matrix @ (row["x_m"], row["y_m"], row["z_m"], 1.0)
        changed |= dict(zip(("x_m", "y_m", "z_m"), at[:3].tolist(), strict=True))
    if row["footprint_m"] is not None:
        outline = np.array(row["footprint_m"]).reshape(-1, 2) @ matrix[:2, :2].T + matrix[:2, 3]
        changed["footprint_m"] = outline.ravel().tolist()
    return row | changed


def _stated(first: Part, part: Part, warnings: list[str]) -> tuple[How, Matrix]:
    if part.place is not None:
        return "given", _given(part.place)
    ours, theirs = _to_map(first.georeference), _to_map(part.georeference)
    if ours is not None and theirs is not None:
        _check_one_map(first, part)
        return "map conversion", np.linalg.inv(ours) @ theirs
    if (ours is None) != (theirs is None):
        warnings.append(f"only {part.name if ours is None else first.name} says where it lies on the map")
    shift = _between_sites(first.georeference, part.georeference)
    if shift is not None:
        matrix = np.eye(4)
        matrix[:3, 3] = shift
        return "site placement", matrix
    return "shared coordinates", np.eye(4)


def _given(place: PartPlace) -> Matrix:
    turn, matrix = math.radians(place.rotate_deg), np.eye(4)
    matrix[:2, :2] = ((math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn)))
    matrix[:3, 3] = place.offset_m
    return matrix


def _to_map(stated: Georeference) -> Matrix | None:
    """Model coordinates to those of the map, turned and moved; a scale that differs from 1 by the map's own is left."""
    if stated.eastings_m is None or stated.northings_m is None or stated.crs is None:
        return None
    matrix = np.eye(4)
    if stated.already_in_map_coordinates:
        return matrix
    along = (stated.x_axis_abscissa, stated.x_axis_ordinate)
    cosine, sine = (1.0, 0.0) if along[0] is None or along[1] is None else (along[0], along[1])
    length = math.hypot(cosine, sine) or 1.0
    matrix[:2, :2] = np.array(((cosine, -sine), (sine, cosine))) / length
    matrix[:3, 3] = (stated.eastings_m, stated.northings_m, stated.height_m or 0.0)
    return matrix


def _check_one_map(first: Part, part: Part) -> None:
    names = [plain(one.georeference.crs.name) if one.georeference.crs else "" for one in (first, part)]
    if names[0] != names[1]:
        problem = f"it lies in the map {names[1]!r}, {first.name} in {names[0]!r}"
        fix = "export both in one map, or give offset_m and rotate_deg of this file"
        raise InputError(problem, file=part.name, field="crs", fix=fix)


def _between_sites(ours: Georeference, theirs: Georeference) -> tuple[float, float, float] | None:
    """How far a part's IfcSite must move to stand on ours, when both give one place on Earth and differ in the file."""
    a, b = ours.site, theirs.site
    if a is None or b is None or None in (a.latitude_deg, a.longitude_deg, b.latitude_deg, b.longitude_deg):
        return None
    apart = max(abs(a.latitude_deg - b.latitude_deg), abs(a.longitude_deg - b.longitude_deg))  # type: ignore[operator]
    shift = (a.x_m - b.x_m, a.y_m - b.y_m, a.z_m - b.z_m)
    return shift if apart <= _SAME_PLACE_DEG and max(map(abs, shift)) > _SITE_MOVED_M else None


def _raise(known: Sequence[Row], rows: Sequence[Row], matrix: Matrix, warnings: list[str]) -> float:
    """By how much storeys of one name lie apart, where two or more agree on it."""
    ours, theirs = _levels(known), _levels(rows)
    apart = [ours[name] - (theirs[name] + float(matrix[2, 3])) for name in ours.keys() & theirs.keys()]
    if not apart:
        return 0.0
    middle = float(np.median(apart))
    if max(abs(one - middle) for one in apart) > _STOREY_SLACK_M:
        warnings.append("its storeys lie at other heights than those of the same name")
        return 0.0
    return middle if len(apart) > 1 and abs(middle) > _STOREY_SLACK_M else 0.0


def _levels(rows: Sequence[Row]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        if row["type"] == "IfcBuildingStorey" and row["elevation_m"] is not None and row["name"]:
            found.setdefault(plain(row["name"]), row["elevation_m"])
    return found if len(set(found.values())) == len(found) else {}  # storeys that all lie at one height say nothing


def _inside_ratio(known: Sequence[Row], rows: Sequence[Row], matrix: Matrix) -> float | None:
    around, inside = _points(known), _points(rows)
    if len(around) < 2 or not len(inside):
        return None
    low, high = around.min(0), around.max(0)
    if float((high - low)[:2].max()) < _EXTENT_MIN_M or float(np.ptp(inside[:, :2])) < _EXTENT_MIN_M:
        return None
    placed = inside @ matrix[:3, :3].T + matrix[:3, 3]
    return float(((placed >= low - _AROUND_M) & (placed <= high + _AROUND_M)).all(1).mean())


def _points(rows: Sequence[Row]) -> Matrix:
    at = [
        (row["x_m"], row["y_m"], row["z_m"])
        for row in rows
        if row["x_m"] is not None and (row["category"] == "element" or row["type"] == "IfcSpace")
    ]
    return np.array(at, dtype=np.float64).reshape(-1, 3)
