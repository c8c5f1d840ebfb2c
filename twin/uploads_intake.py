"""Taking a file in: bounded in size, number and rate, streamed to the disk, resumed where it broke off.

Resumed: `resume=ID&offset=N` goes on behind the N bytes that GET /uploads/ID shows. Sent again whole: a file with the
same bytes and name is the upload that is there already, so a sender that is not sure may simply send once more.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple

import duckdb

from twin.errors import ConflictError
from twin.flights import Flights
from twin.scans import Scans
from twin.store import Store
from twin.uploads_disk import FILE_BYTES_MAX, DroneFolders
from twin.uploads_groups import Row, Uploads, Wishes
from twin.uploads_kinds import UploadKind, kind_of_upload, plain_name
from wire.errors import InputError

__all__ = ["BusyError", "Intake", "Sent", "TooLargeFileError"]

AT_ONCE_MAX = 8  # streams; each holds a chunk in memory
A_MINUTE_MAX = 1_200  # a flight of a thousand photos sent one by one
WAITING_MAX = 20_000  # that are not done yet
_ROOM_STEP_BYTES = 64 << 20  # between two looks at the free space


class BusyError(InputError):
    """Too many at once; come back in a while."""


class TooLargeFileError(InputError):
    """More bytes than any file may have."""


class Sent(NamedTuple):
    """What comes with a file."""

    name: str
    kind: UploadKind | None
    group: str
    device: str
    taken: datetime | None
    wishes: Wishes
    by: str
    length: int | None = None  # as its sender announces it


class Intake:
    """One per twin; methods run in the loop's thread, the disk in others."""

    def __init__(self, store: Store, uploads: Uploads, folders: DroneFolders, flights: Flights, scans: Scans) -> None:
        self._store, self._uploads, self._folders = store, uploads, folders
        self._flights, self._scans = flights, scans
        self.ready = asyncio.Event()  # the folder is in order
        self._streaming: set[str] = set()
        self._begun_s: deque[float] = deque()

    async def take(self, sent: Sent, chunks: AsyncIterator[bytes]) -> Row:
        """Stream a new file; the row it became, or the one that has these very bytes."""
        name = plain_name(sent.name)
        kind = kind_of_upload(name, sent.kind, grouped=bool(sent.group))
        await self._check(sent.length)
        taken_us = None if sent.taken is None else round(sent.taken.timestamp() * 1e6)
        row = await asyncio.to_thread(
            self._uploads.begin, name, kind, sent.group, device=sent.device, taken_us=taken_us, by=sent.by
        )
        return await self._stream(row, chunks, 0, sent.wishes)

    async def resume(self, upload: str, offset: int, chunks: AsyncIterator[bytes], wishes: Wishes) -> Row:
        """Go on with a file that broke off; ConflictError says from which byte."""
        row = await asyncio.to_thread(self._uploads.row, upload)
        part = self._folders.part(row.id)
        if row.state != "receiving" or row.sha256 or row.id in self._streaming:
            raise ConflictError(f"upload {row.id} is not broken off", field="resume", fix="send the file anew")
        size = self.size(row)
        if offset != size:
            raise ConflictError(f"{size} bytes of it are here", field="offset", fix=f"send offset={size}")
        self._streaming.add(row.id)  # at once: nobody else may go on with it meanwhile
        try:
            await self._check(None)
            await asyncio.to_thread(part.touch)
            return await self._stream(row, chunks, offset, wishes)
        finally:
            self._streaming.discard(row.id)

    def size(self, row: Row) -> int:
        """How many bytes of it are here."""
        if row.sha256:
            return row.bytes
        part = self._folders.part(row.id)
        return part.stat().st_size if part.exists() else 0

    async def remove(self, row: Row) -> list[str]:
        """Forget an upload and everything that came of its group; its worker must have stopped. Ids of its files."""
        if row.id in self._streaming:
            raise ConflictError("it is still coming", field="id", fix="end the request that sends it")
        return await asyncio.to_thread(self._undo, row)

    def _undo(self, row: Row) -> list[str]:
        now_us = self._store.clock.wall_us()
        rows = self._uploads.of_group(row.group)

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            self._flights.undo(connection, row.group, now_us)
            self._scans.undo(connection, row.group, now_us)
            self._uploads.remove(connection, [one.id for one in rows])

        self._store.writer.run(work)
        for one in rows:
            self._folders.drop(one.file)
        return [one.id for one in rows]

    async def _check(self, length: int | None) -> None:
        await self.ready.wait()
        now_s = self._store.clock.monotonic_s()
        while self._begun_s and now_s - self._begun_s[0] > 60.0:
            self._begun_s.popleft()
        if len(self._streaming) >= AT_ONCE_MAX or len(self._begun_s) >= A_MINUTE_MAX:
            raise BusyError("too many files at once", field="body", fix="send a few at a time")
        if await asyncio.to_thread(self._uploads.open_count) >= WAITING_MAX:
            raise BusyError(f"{WAITING_MAX} files wait already", field="body", fix="commit or delete those")
        if length is not None and length > FILE_BYTES_MAX:
            raise _too_large()
        await asyncio.to_thread(self._folders.check_room, length or 0)
        self._begun_s.append(now_s)

    async def _stream(self, row: Row, chunks: AsyncIterator[bytes], size: int, wishes: Wishes) -> Row:
        self._streaming.add(row.id)
        part = self._folders.part(row.id)
        try:
            looked = size
            with await asyncio.to_thread(part.open, "ab") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > FILE_BYTES_MAX:
                        raise _too_large()
                    if size - looked > _ROOM_STEP_BYTES:
                        looked = size
                        await asyncio.to_thread(self._folders.check_room, 0)
                    await asyncio.to_thread(file.write, chunk)
            return await asyncio.to_thread(self._finish, row, wishes, size)
        except InputError:
            await asyncio.to_thread(self._drop, row)
            raise
        finally:
            self._streaming.discard(row.id)

    def _finish(self, row: Row, wishes: Wishes, size: int) -> Row:
        if not size:
            raise InputError("it is empty", file=row.name, field="body", fix="send the file's bytes")
        file, size, sha256 = self._folders.finish(row.id, row.name)
        there = self._uploads.same(sha256, row.name)
        alone = row.group == row.id
        if there is not None and (there.group == row.group or (alone and there.group == there.id)):
            self._folders.drop(file)
            self._drop(row)
            return there
        self._uploads.received(row.id, file, size, sha256, alone=alone, wishes=wishes)
        return self._uploads.row(row.id)

    def _drop(self, row: Row) -> None:
        self._folders.drop(row.file)
        self._store.writer.run(
            lambda connection: connection.execute("DELETE FROM uploads WHERE id = ?", [row.id]).fetchall()
        )


def _too_large() -> TooLargeFileError:
    return TooLargeFileError(f"a file has at most {FILE_BYTES_MAX >> 30} GiB", field="body", fix="split it")
