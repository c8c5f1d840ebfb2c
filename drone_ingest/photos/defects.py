"""Defects: what people or a detector marked on photos, anchored to an element and a place on it, over flights.

A mark on a later photo belongs to the defect of the same kind on the same element that is nearest, within reach of
both their sizes; a defect keeps every mark ever made of it. Pure: a book goes in, a new book comes out; nothing of the
history is overwritten.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from drone_ingest.photos.pick import Picker
from drone_ingest.photos.pose import CameraPose
from wire.errors import InputError

__all__ = [
    "Anchor",
    "Book",
    "Defect",
    "Mark",
    "Step",
    "anchor",
    "mark",
    "read_book",
    "set_state",
    "seen_again",
    "write_book",
]

_NEAR_M = 0.3  # two clicks on one crack
_REACH_M = 2.0  # beyond that it is another, however large both are
_BYTES_MAX = 256 << 20
_Name = Annotated[str, Meta(max_length=200)]
_Metres = Annotated[float, Meta(ge=-1e7, le=1e7)]
_Place = tuple[_Metres, _Metres, _Metres]
State = Literal["open", "watched", "mended", "rejected"]


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a mark lies: on which element, where in model metres, how large about."""

    element: _Name
    point_m: _Place
    normal: _Place
    size_m: Annotated[float, Meta(ge=0, le=1e4)]
    distance_m: Annotated[float, Meta(ge=0, le=1e5)]


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One box on one photo: u0, v0, u1, v1 in pixels. `at` is when the photo was taken, ISO 8601."""

    photo: _Name
    flight: _Name = ""
    at: _Name = ""
    box_px: tuple[float, float, float, float]
    anchor: Anchor
    by: _Name = ""
    score: Annotated[float, Meta(ge=0, le=1)] | None = None  # of a detector
    note: Annotated[str, Meta(max_length=4_000)] = ""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of state, by whom and when."""

    state: State
    at: _Name
    by: _Name = ""
    note: Annotated[str, Meta(max_length=4_000)] = ""


class Defect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One defect with all its marks, oldest first, and every state it was in."""

    id: _Name
    kind: _Name
    element: _Name
    point_m: _Place  # of its newest mark
    size_m: float
    marks: Annotated[list[Mark], Meta(min_length=1, max_length=100_000)]
    steps: Annotated[list[Step], Meta(min_length=1, max_length=10_000)]

    @property
    def state(self) -> State:
        """The newest."""
        return self.steps[-1].state

    @property
    def growth_m(self) -> float:
        """How much larger its newest mark is than its first."""
        return self.marks[-1].anchor.size_m - self.marks[0].anchor.size_m


class Book(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All defects of a model."""

    version: Literal[1] = 1
    defects: Annotated[list[Defect], Meta(max_length=1_000_000)] = []

    def of(self, element: str) -> list[Defect]:
        """Those of one element."""
        return [one for one in self.defects if one.element == element]


def anchor(pose: CameraPose, box_px: tuple[float, float, float, float], picker: Picker) -> Anchor:
    """Where a box on a photo lies: what its middle meets, and how large the box is there.

    Raises InputError when the box is outside the photo or its middle meets nothing of the model.
    """
    u0, v0, u1, v1 = box_px
    inside = 0 <= u0 <= u1 <= pose.lens.width_px and 0 <= v0 <= v1 <= pose.lens.height_px
    if not all(map(math.isfinite, box_px)) or not inside:
        problem = f"the box {box_px} is not within {pose.lens.width_px} x {pose.lens.height_px} pixels"
        raise InputError(problem, file=pose.photo, field="box_px", fix="give u0, v0, u1, v1 with u0 < u1 and v0 < v1")
    origins, directions = pose.rays(np.array([[(u0 + u1) / 2, (v0 + v1) / 2]]))
    found = picker.pick(origins[0], directions[0])
    if found is None:
        fix = "mark what belongs to the model; or give the photo a better pose"
        raise InputError("nothing of the model is there", file=pose.photo, field="box_px", fix=fix)
    ahead = found.distance_m * float(directions[0] @ np.array(pose.axes[2]))
    size = math.hypot(u1 - u0, v1 - v0) / pose.lens.focal_px * ahead
    return Anchor(
        element=found.global_id, point_m=found.point_m, normal=found.normal, size_m=size, distance_m=found.distance_m
    )


def mark(book: Book, kind: str, made: Mark, defect: str | None = None) -> tuple[Book, str]:
    """The book with one more mark, and the id of its defect: the one named, else the nearest of its kind, else a new
    one. A mended defect that is marked again is open again. The same mark again changes nothing."""
    known = {one.id: one for one in book.defects}
    if defect is not None and defect not in known:
        raise InputError(f"there is no defect {defect[:80]!r}", field="defect", fix="leave it out for a new one")
    found = known[defect] if defect is not None else _nearest(book, kind, made.anchor)
    if found is None:
        fresh = _new(f"{made.anchor.element}-{len(book.of(made.anchor.element)) + 1}", kind, made)
        return Book(defects=[*book.defects, fresh]), fresh.id
    if made in found.marks:
        return book, found.id
    marks = sorted([*found.marks, made], key=lambda one: one.at)
    steps = found.steps
    if found.state == "mended" and made.at > found.steps[-1].at:
        steps = [*steps, Step(state="open", at=made.at, by=made.by, note=f"marked again on {made.photo}")]
    newest = marks[-1].anchor
    grown = msgspec.structs.replace(
        found, marks=marks, steps=steps, point_m=newest.point_m, size_m=newest.size_m, element=newest.element
    )
    return _with(book, grown), grown.id


def set_state(book: Book, defect: str, state: State, at: str, by: str = "", note: str = "") -> Book:
    """The book with one defect in another state; InputError when there is no such defect."""
    for one in book.defects:
        if one.id == defect:
            steps = [*one.steps, Step(state=state, at=at, by=by, note=note)]
            return _with(book, msgspec.structs.replace(one, steps=steps))
    raise InputError(f"there is no defect {defect[:80]!r}", field="defect", fix="choose one of the book")


def seen_again(book: Book, pose: CameraPose, picker: Picker, margin_m: float = 0.1) -> dict[str, tuple[float, float]]:
    """Which defects a photo shows without a mark of it yet, and at which pixel: what to look at after a new flight."""
    waiting = [one for one in book.defects if all(mark.photo != pose.photo for mark in one.marks)]
    if not waiting:
        return {}
    points = np.array([one.point_m for one in waiting])
    pixels, inside = pose.pixels(points)
    shown = {}
    eye = np.array(pose.eye_m)
    for row in np.flatnonzero(inside).tolist():
        met = picker.pick(eye, points[row] - eye)
        if met is not None and met.distance_m >= float(np.linalg.norm(points[row] - eye)) - margin_m:
            shown[waiting[row].id] = (float(pixels[row, 0]), float(pixels[row, 1]))
    return shown


def write_book(book: Book, path: Path) -> None:
    """Write it as JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(book)))
    part.replace(path)


def read_book(path: Path) -> Book:
    """A book of defects; raises InputError with the field."""
    fix = "give the defects.json that aid4 drone photos wrote"
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is larger than any book of defects", file=str(path), fix=fix)
        book = msgspec.json.decode(path.read_bytes(), type=Book)
    except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:  # broken UTF-8 is a ValueError
        problem, _, at = str(error).partition(" - at ")
        field = at.strip("`").removeprefix("$.")
        raise InputError(f"it is no book of defects: {problem}", file=str(path), field=field, fix=fix) from error
    if len({one.id for one in book.defects}) != len(book.defects):
        raise InputError("an id is there twice", file=str(path), field="defects", fix=fix)
    return book


def _nearest(book: Book, kind: str, where: Anchor) -> Defect | None:
    best: tuple[float, Defect] | None = None
    for one in book.of(where.element):
        away = math.dist(one.point_m, where.point_m)
        reach = min(max(_NEAR_M, (one.size_m + where.size_m) / 2), _REACH_M)
        if one.kind == kind and one.state != "rejected" and away <= reach and (best is None or away < best[0]):
            best = (away, one)
    return best[1] if best is not None else None


def _new(id: str, kind: str, made: Mark) -> Defect:  # noqa: A002 - the field's name
    first = Step(state="open", at=made.at, by=made.by)
    where = made.anchor
    return Defect(
        id=id, kind=kind, element=where.element, point_m=where.point_m, size_m=where.size_m, marks=[made], steps=[first]
    )


def _with(book: Book, changed: Defect) -> Book:
    return Book(defects=[changed if one.id == changed.id else one for one in book.defects])
