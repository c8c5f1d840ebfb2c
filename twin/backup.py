"""Backup while everything goes on, and restore with verification.

A backup is a folder: the database as of one transaction, the cold files that this database lists, the files of drones
and the repository of models with its own key (hard links where the disk allows it), and `backup.json` with sizes and
SHA-256, written last. Without it a folder is no backup.
"""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import msgspec

from twin.cold import ColdFile, manifest
from twin.database import FILE, build
from twin.uploads_disk import DroneFolders
from wire.errors import InputError, UserError

if TYPE_CHECKING:
    from twin.store import Store

__all__ = ["Summary", "backup", "restore", "verify"]

LIST = "backup.json"
FORMAT = 1
_KEY = "online.pem"


class _Entry(msgspec.Struct, frozen=True):
    file: str
    bytes: int
    sha256: str


class Summary(msgspec.Struct, frozen=True):
    """What a backup holds, and what `backup.json` says."""

    format: int
    site: str
    made_us: int
    readings: int
    files: list[_Entry]


def backup(store: "Store", target: Path) -> Summary:
    """Copy the store into a new or empty folder. Ingest goes on; rows committed meanwhile are not part of it."""
    target = Path(target)
    if target.exists() and any(target.iterdir()):
        raise InputError("the folder is not empty", file=str(target), fix="name a new folder")
    target.mkdir(parents=True, exist_ok=True)
    files = _copy_database(store, target / FILE)
    entries = [_entry(target, FILE)]
    for file in files:
        _link(store.data_dir / file.file, target / file.file)
        entries.append(_Entry(file.file, file.bytes, file.sha256))
    # they never change; one that is deleted meanwhile is left out
    for path in [*DroneFolders(store.data_dir).kept(), *_of_models(store.data_dir)]:
        with contextlib.suppress(FileNotFoundError):
            _link(store.data_dir / path, target / path)
            entries.append(_entry(target, str(path)))
    with duckdb.connect(str(target / FILE), read_only=True) as connection:
        row = connection.execute("SELECT count(*) FROM readings_warm").fetchone()
    readings = (row[0] if row else 0) + sum(file.row_count for file in files if file.kind == "readings")
    summary = Summary(FORMAT, store.site, store.clock.wall_us(), readings, entries)
    (target / LIST).write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    for path in (target / LIST, target):
        _sync(path)
    return summary


def verify(source: Path) -> Summary:
    """Check every byte of a backup; InputError names the file that is wrong."""
    source = Path(source)
    try:
        summary = msgspec.json.decode((source / LIST).read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"no complete backup ({error})", file=str(source), fix="name another folder") from error
    if summary.format > FORMAT:
        problem = f"backup format {summary.format} is newer than this program's {FORMAT}"
        raise InputError(problem, file=str(source / LIST), field="format", fix="restore it with a newer aid4")
    for entry in summary.files:
        path = source / entry.file
        if not path.resolve().is_relative_to(source.resolve()):
            raise InputError("leads out of the backup", file=str(path), fix="do not use this backup")
        if not path.is_file() or path.stat().st_size != entry.bytes or _digest(path) != entry.sha256:
            raise InputError("is missing or was changed", file=str(path), fix="use another backup")
    return summary


def restore(source: Path, data_dir: Path) -> Summary:
    """Verify a backup and lay it into a new or empty data directory, under its names only when it is complete."""
    source, data_dir = Path(source), Path(data_dir)
    if data_dir.exists() and any(data_dir.iterdir()):
        fix = "move the old data directory away first"
        raise UserError("the data directory is not empty", file=str(data_dir), fix=fix)
    summary = verify(source)
    half = data_dir.with_name(data_dir.name + ".restoring")
    shutil.rmtree(half, ignore_errors=True)
    for entry in summary.files:
        (half / entry.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / entry.file, half / entry.file)
        if entry.file.endswith(_KEY):
            (half / entry.file).chmod(0o600)
        _sync(half / entry.file)
    if data_dir.exists():
        data_dir.rmdir()
    half.rename(data_dir)
    _sync(data_dir.parent)
    return summary


def _copy_database(store: "Store", target: Path) -> list[ColdFile]:
    """Every table as of one transaction, into a new database; returns the cold files that it lists."""
    build(target)
    with store.cursor() as cursor:
        name = str(target).replace("'", "''")
        cursor.execute(f"ATTACH '{name}' AS copy")
        try:
            cursor.execute("BEGIN")
            tables = cursor.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'copy' ORDER BY 1"
            ).fetchall()
            for (table,) in tables:
                cursor.execute(f'DELETE FROM copy."{table}"')  # noqa: S608
                cursor.execute(f'INSERT INTO copy."{table}" BY NAME SELECT * FROM main."{table}"')  # noqa: S608
            files = manifest(cursor)
            cursor.execute("COMMIT")
        finally:
            cursor.execute("DETACH copy")
    return files


def _of_models(data_dir: Path) -> list[Path]:
    """The repository of models: what is published, and the key that keeps it fresh. Files there are replaced whole."""
    folder = data_dir / "models"
    found = [folder / _KEY, *(folder / "metadata").glob("*.json"), *(folder / "targets").rglob("*.aid4model")]
    return [path.relative_to(data_dir) for path in found if path.is_file()]


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)
        _sync(target)


def _entry(folder: Path, name: str) -> _Entry:
    return _Entry(name, (folder / name).stat().st_size, _digest(folder / name))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
