"""POST /changes, GET /changes, activate, revert; and files of POST /uploads that changes name."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from twin.api.errors import ProblemError, TooLargeError
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation
from twin.changes import Change, ChangeKindName
from twin.core import Twin
from wire.limits import PAGE_ITEMS_DEFAULT, UPLOAD_BYTES_MAX, UPLOADS_KEPT_MAX

__all__ = ["MODEL_SUFFIXES", "OPERATIONS", "ModelUpload", "keep_model_file"]

MODEL_SUFFIXES = (".ifc", ".ifczip", ".xer", ".xml", ".csv")


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; `body` depends on the kind."""

    kind: ChangeKindName
    body: dict[str, Any]
    note: Annotated[str, Meta(max_length=1_000)] = ""


class ChangesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Pages of changes, newest first."""

    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class ChangesPage(msgspec.Struct):
    """One page of changes."""

    items: list[Change]
    total: int
    next: int | None


class ModelUpload(msgspec.Struct):
    """A file that was taken in; `id` is its SHA-256."""

    id: str
    name: str
    bytes: int


async def propose(call: Call[NoQuery, ChangeBody]) -> Change:
    """Check a change and show what it would do."""
    body = call.body
    return await call.twin.changes.propose(body.kind, body.body, note=body.note, by=call.by)


async def list_changes(call: Call[ChangesQuery, None]) -> ChangesPage:
    """The changes, newest first."""
    query = call.query
    items, total = await asyncio.to_thread(call.twin.changes.newest, query.limit, query.offset)
    end = query.offset + query.limit
    return ChangesPage(items, total, end if end < total else None)


async def show_change(call: Call[NoQuery, None]) -> Change:
    """One change."""
    return await asyncio.to_thread(call.twin.changes.get, _id(call))


async def activate(call: Call[NoQuery, None]) -> Change:
    """Make it so."""
    return await call.twin.changes.activate(_id(call), by=call.by)


async def revert(call: Call[NoQuery, None]) -> Change:
    """Undo it."""
    return await call.twin.changes.revert(_id(call), by=call.by)


async def keep_model_file(twin: Twin, given: str, chunks: AsyncIterator[bytes]) -> ModelUpload:
    """Stream a file to disk under its digest; nothing of its name reaches the file system but the ending."""
    name = PurePosixPath(given.replace("\\", "/")).name
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in MODEL_SUFFIXES:
        fix = f"send a file ending in one of {', '.join(MODEL_SUFFIXES)}"
        raise ProblemError(f"{name[:80]!r} is no model, schedule or list of links", field="name", fix=fix)
    folder = twin.uploads
    folder.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as part:
        path = Path(part.name)
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > UPLOAD_BYTES_MAX:
                    raise TooLargeError(f"a file has at most {UPLOAD_BYTES_MAX} bytes", field="body", fix="split it")
                digest.update(chunk)
                await asyncio.to_thread(part.write, chunk)
            part.flush()
            await asyncio.to_thread(path.replace, folder / f"{digest.hexdigest()}{suffix}")
        except BaseException:
            part.close()
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
    await asyncio.to_thread(_forget_oldest, folder)
    names = twin.upload_names
    names[digest.hexdigest()] = name
    while len(names) > UPLOADS_KEPT_MAX:
        del names[next(iter(names))]
    return ModelUpload(digest.hexdigest(), name, size)


def _forget_oldest(folder: Path) -> None:
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    for path in files[: max(0, len(files) - UPLOADS_KEPT_MAX)]:
        path.unlink(missing_ok=True)


def _id(call: Call[Any, Any]) -> int:
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ProblemError(f"{text[:40]!r} is no id of a change", field="id", fix="GET /api/v1/changes lists them")
    return int(text)


OPERATIONS = [
    Operation("POST", "/changes", propose, "check a change", body=ChangeBody, answer=Change, status=201),
    Operation("GET", "/changes", list_changes, "changes, newest first", ChangesQuery, answer=ChangesPage),
    Operation("GET", "/changes/{id}", show_change, "one change", answer=Change),
    Operation("POST", "/changes/{id}/activate", activate, "make a change true", answer=Change),
    Operation("POST", "/changes/{id}/revert", revert, "undo a change", answer=Change),
]
