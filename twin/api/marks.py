"""Marks on photos: POST, GET and DELETE /photos/{id}/marks; a box on a photo becomes a place on an element."""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from twin.api.operation import Call, NoQuery, Operation
from twin.core import Twin
from twin.errors import ConflictError
from twin.photos_look import anchored
from twin.photos_marks import PhotoMark
from twin.tiles import Ready

__all__ = ["OPERATIONS"]

_Pixel = Annotated[float, Meta(ge=0, le=65_535)]


class MarkBody(msgspec.Struct, forbid_unknown_fields=True):
    """A box in pixels of the photo (u0, v0, u1, v1; a click has u0 = u1), and what it is."""

    box_px: tuple[_Pixel, _Pixel, _Pixel, _Pixel]
    kind: Annotated[str, Meta(min_length=1, max_length=64)] = "defect"
    note: Annotated[str, Meta(max_length=4_000)] = ""


class MarksPage(msgspec.Struct):
    """Marks on one photo."""

    items: list[PhotoMark]


class MarkRemoved(msgspec.Struct):
    """What is known no longer."""

    removed: str


async def make_mark(call: Call[NoQuery, MarkBody]) -> PhotoMark:
    """Mark something on a photo."""
    return await asyncio.to_thread(_make, call.twin, call.path["id"], call.body, call.by)


async def list_marks(call: Call[NoQuery, None]) -> MarksPage:
    """What is marked on a photo."""
    photo = await asyncio.to_thread(call.twin.drones.flights.photo, call.path["id"])
    return MarksPage(await asyncio.to_thread(call.twin.drones.marks.of_photo, photo.id))


async def remove_mark(call: Call[NoQuery, None]) -> MarkRemoved:
    """Take a mark back."""
    await asyncio.to_thread(call.twin.drones.marks.remove, call.path["id"], call.path["mark"])
    return MarkRemoved(call.path["mark"])


def _make(twin: Twin, photo: str, body: MarkBody, by: str) -> PhotoMark:
    row = twin.drones.flights.photo(photo)
    if not row.pose:
        fix = "give its site a georeference, and send the photo as it came from the drone"
        raise ConflictError("where this photo was taken in the model is not known", field="id", fix=fix)
    current = twin.tiles.current
    folder = twin.drones.tile_folder(current.key) if isinstance(current, Ready) else None
    if folder is None:
        raise ConflictError("the model has no geometry yet", field="model", fix="wait for GET /api/v1/tiles")
    found = anchored(row.pose, folder, body.box_px)
    return twin.drones.marks.put(row.id, body.box_px, found, kind=body.kind, note=body.note, by=by)


OPERATIONS = [
    Operation(
        "POST",
        "/photos/{id}/marks",
        make_mark,
        "mark something on a photo",
        body=MarkBody,
        answer=PhotoMark,
        status=201,
    ),
    Operation("GET", "/photos/{id}/marks", list_marks, "what is marked on a photo", answer=MarksPage),
    Operation("DELETE", "/photos/{id}/marks/{mark}", remove_mark, "take a mark back", answer=MarkRemoved),
]
