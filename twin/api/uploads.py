"""POST /uploads and what becomes of them: files from drones and scanners, their groups, their progress, their end.

A model, a schedule or a list of links for `POST /changes` comes the same way; it is told by its ending (.ifc, .ifczip,
.xer, .xml, and .csv without kind, group, at or a column of latitudes) and answered with its digest.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from twin.api.changes import MODEL_SUFFIXES, keep_model_file
from twin.api.errors import ProblemError
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Time, json_response, micros
from twin.uploads_groups import Row, Upload, UploadState, Wishes
from twin.uploads_intake import BusyError, Sent, TooLargeFileError
from twin.uploads_kinds import UploadKind, suffix_of
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS"]

_HEAD_BYTES = 4_096
_PLACES = re.compile(rb"(?i)\b(lat|latitude|lat_deg|gps_lat)\b|latitude")  # in the head of a table of positions
_Name = Annotated[str, Meta(max_length=200)]


class WishesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """When the files were taken and how a cloud is judged; `shift` is x,y,z in metres (prior `given`)."""

    at: Time | None = None
    register: bool = True
    sigma_m: Annotated[float, Meta(gt=0, le=1)] | None = None
    prior: Literal["given", "rtk", "gcp", "site"] | None = None
    shift: Annotated[str, Meta(max_length=100)] = ""
    yaw_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0


class UploadQuery(WishesQuery, forbid_unknown_fields=True):
    """The file's own name; `kind` where its ending does not say what it is for; `group` of files that belong together.

    `resume` and `offset` go on with an upload that broke off.
    """

    name: _Name = ""
    kind: UploadKind | None = None
    group: Annotated[str, Meta(max_length=64)] = ""
    device: Annotated[str, Meta(max_length=64)] = ""
    resume: Annotated[str, Meta(max_length=64)] = ""
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class UploadsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Filters; all that are given must hold."""

    state: UploadState | None = None
    group: Annotated[str, Meta(max_length=64)] = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class UploadsPage(msgspec.Struct):
    """Uploads, the newest first; `counts` are those since the start of the twin."""

    items: list[Upload]
    total: int
    next: int | None
    counts: dict[str, int]


class Committed(msgspec.Struct):
    """The files of a group whose work begins."""

    group: str
    items: list[Upload]


class Removed(msgspec.Struct):
    """What was undone."""

    removed: list[str]


async def upload(call: Call[UploadQuery, None]) -> Response:
    """Stream a file to disk; its work begins at once, or with the commit of its group."""
    query, drones = call.query, call.twin.drones
    chunks: AsyncIterator[bytes] = call.request.stream()
    if not query.resume and _is_model_file(query):
        head = await anext(chunks, b"")
        chunks = _after(head, chunks)
        if suffix_of(query.name) != ".csv" or not _PLACES.search(head[:_HEAD_BYTES]):
            return json_response(await keep_model_file(call.twin, query.name, chunks), 201)
    if not query.name and not query.resume:
        raise ProblemError("a file has a name", field="name", fix="send name=FILE with its ending")
    length = call.request.headers.get("content-length", "")
    wishes = _wishes(query)
    try:
        if query.resume:
            row = await drones.intake.resume(query.resume, query.offset, chunks, wishes)
        else:
            announced = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
            sent = Sent(
                query.name, query.kind, query.group, query.device, query.at, wishes, call.by, announced
            )  # fmt: skip
            row = await drones.intake.take(sent, chunks)
    except BusyError as busy:
        raise ProblemError(busy.problem, field=busy.field, fix=busy.fix, status=429) from busy
    except TooLargeFileError as large:
        raise ProblemError(large.problem, field=large.field, fix=large.fix, status=413) from large
    drones.work.wake()
    return json_response(_shown(call, row), 202)


async def list_uploads(call: Call[UploadsQuery, None]) -> UploadsPage:
    """Uploads, the newest first."""
    query, drones = call.query, call.twin.drones
    rows, total = await asyncio.to_thread(drones.uploads.newest, query.state, query.group, query.limit, query.offset)
    end = query.offset + query.limit
    shown = [_shown(call, row) for row in rows]
    return UploadsPage(shown, total, end if end < total else None, dict(drones.uploads.counts))


async def show_upload(call: Call[NoQuery, None]) -> Upload:
    """One upload."""
    return _shown(call, await asyncio.to_thread(call.twin.drones.uploads.row, call.path["id"]))


async def commit(call: Call[WishesQuery, None]) -> Committed:
    """All files of a group are here: begin, or begin again with what came since (control points, a station table)."""
    drones, group = call.twin.drones, call.path["group"]
    taken_us = micros(call.query.at) if call.query.at else None
    rows = await asyncio.to_thread(drones.uploads.commit, group, _wishes(call.query), taken_us=taken_us)
    drones.work.wake()
    return Committed(group, [_shown(call, row) for row in rows])


async def remove(call: Call[NoQuery, None]) -> Removed:
    """Cancel an upload that waits or is worked on, undo one that is done: with all files of its group."""
    return Removed(await call.twin.drones.remove(call.path["id"]))


def _is_model_file(query: UploadQuery) -> bool:
    suffix = suffix_of(query.name)
    for_drones = bool(query.kind or query.group or query.at)
    return suffix in MODEL_SUFFIXES and not (for_drones and suffix in (".csv", ".xml"))


async def _after(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


def _wishes(query: WishesQuery) -> Wishes:
    shift = None
    if query.shift:
        try:
            x, y, z = (float(part) for part in query.shift.split(","))
        except ValueError:
            raise ProblemError("it is no x,y,z", field="shift", fix="give three numbers, in metres") from None
        if not all(abs(one) < 1e7 for one in (x, y, z)):
            raise ProblemError("it lies outside the Earth", field="shift", fix="give metres")
        shift = (x, y, z)
    return Wishes(query.register, query.sigma_m, query.prior, shift, query.yaw_deg)


def _shown(call: Call[Any, Any], row: Row) -> Upload:
    drones = call.twin.drones
    progress = 1.0 if row.state in ("done", "refused", "failed") else drones.work.progress.get(row.id, 0.0)
    shown = row.shown(1.0 if row.state == "receiving" and row.sha256 else progress)
    return msgspec.structs.replace(shown, bytes=drones.intake.size(row)) if row.state == "receiving" else shown


OPERATIONS = [
    Operation(
        "POST", "/uploads", upload, "send a file of a drone or scanner, or a model, schedule, list of links",
        UploadQuery, answer=Upload, status=202,
    ),
    Operation("GET", "/uploads", list_uploads, "uploads, newest first", UploadsQuery, answer=UploadsPage),
    Operation("GET", "/uploads/{id}", show_upload, "one upload", answer=Upload),
    Operation("DELETE", "/uploads/{id}", remove, "cancel or undo an upload and its group", answer=Removed),
    Operation(
        "POST", "/uploads/{group}/commit", commit, "begin work on a group", WishesQuery, answer=Committed, status=202
    ),
]  # fmt: skip
