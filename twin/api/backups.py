"""POST /backups: a consistent copy beside the data, while everything goes on."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from twin.api.operation import Call, NoQuery, Operation
from wire.names import check_name

__all__ = ["OPERATIONS"]


class BackupBody(msgspec.Struct, forbid_unknown_fields=True):
    """Its name within the data directory's folder `backups`; the time by default."""

    name: Annotated[str, Meta(max_length=64)] = ""


class BackupMade(msgspec.Struct):
    """Where it lies and how much it holds."""

    name: str
    path: str
    readings: int
    bytes: int


async def make_backup(call: Call[NoQuery, BackupBody]) -> BackupMade:
    """Copy the store; ingest goes on."""
    store = call.twin.store
    name = check_name("name", call.body.name or datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f"))
    folder = store.data_dir / "backups" / name
    made = await asyncio.to_thread(store.backup, folder)
    return BackupMade(
        name, str(await asyncio.to_thread(folder.resolve)), made.readings, sum(entry.bytes for entry in made.files)
    )


OPERATIONS = [
    Operation("POST", "/backups", make_backup, "back the twin up", body=BackupBody, answer=BackupMade, status=201),
]
