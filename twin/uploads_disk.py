"""Uploads on the disk: received into a part file, kept under their upload's name, set aside when they break a reader.

Nothing of a sender's name reaches the file system but a known ending. `files` holds what rows of `uploads` name,
`work` what children write, `quarantine` the newest broken files for people to look at, `scans` what scans left.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

from twin.uploads_kinds import suffix_of
from wire.errors import InputError

__all__ = ["FILE_BYTES_MAX", "DroneFolders"]

GIB = 1 << 30
FILE_BYTES_MAX = 8 * GIB  # a day of dataflash at 400 Hz, a billion points of LAZ
FREE_BYTES_MIN = 1 * GIB  # what the database needs to go on
QUARANTINE_FILES_MAX = 50  # broken files that wait for somebody to look
QUARANTINE_BYTES_MAX = 4 * GIB
_NAME = re.compile(r"u[0-9a-f]{16}(\.[a-z0-9]{1,10})?\Z")


class DroneFolders:
    """The folder `drones` of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "drones"
        self.files, self.work = self.root / "files", self.root / "work"
        self.quarantine, self.scans = self.root / "quarantine", self.root / "scans"

    def prepare(self) -> None:
        """Make the folders; what a child of a former twin was writing is removed."""
        shutil.rmtree(self.work, ignore_errors=True)
        for folder in (self.files, self.work, self.quarantine, self.scans):
            folder.mkdir(parents=True, exist_ok=True)

    def part(self, upload: str) -> Path:
        """Where an upload grows."""
        return self.files / f"{upload}.part"

    def path(self, file: str) -> Path | None:
        """A file that a row names; None when it is gone or no such name."""
        path = self.files / file
        return path if _NAME.match(file) and path.is_file() else None

    def check_room(self, more_bytes: int) -> None:
        """InputError when so much more would leave the database no room."""
        free = shutil.disk_usage(self.root).free
        if free - more_bytes < FREE_BYTES_MIN:
            problem = f"the disk of the twin has {free // (1 << 20)} MiB left"
            raise InputError(problem, field="body", fix="delete uploads that are done with, or give it a larger disk")

    def finish(self, upload: str, name: str) -> tuple[str, int, str]:
        """A whole part file gets its name, durably; (file, bytes, SHA-256)."""
        part = self.part(upload)
        with part.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
            os.fsync(data.fileno())
        file = f"{upload}{suffix_of(name)}"
        part.replace(self.files / file)
        _sync(self.files)
        return file, (self.files / file).stat().st_size, digest

    def drop(self, file: str) -> None:
        """Remove a kept file or a part."""
        if file:
            (self.files / Path(file).name).unlink(missing_ok=True)

    def set_aside(self, file: str) -> None:
        """Move a broken file out of the way of everybody; the oldest of those make room."""
        path = self.path(file)
        if path is None:
            return
        path.replace(self.quarantine / file)
        held = sorted(self.quarantine.iterdir(), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        room = QUARANTINE_BYTES_MAX
        for place, one in enumerate(held):
            room -= one.stat().st_size
            if place >= QUARANTINE_FILES_MAX or (room < 0 and place):
                one.unlink(missing_ok=True)

    def remove_strays(self, files: set[str], scans: set[str]) -> None:
        """What no row names: left by a twin that died between the disk and the database."""
        for path in self.files.iterdir():
            if path.name not in files:
                path.unlink(missing_ok=True)
        for path in self.scans.iterdir():
            if path.name not in scans:
                shutil.rmtree(path, ignore_errors=True)

    def kept(self) -> list[Path]:
        """Every file that a backup carries, relative to the data directory."""
        folders = (folder for folder in (self.files, self.scans) if folder.is_dir())
        found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        return [path.relative_to(self.root.parent) for path in found if path.suffix != ".part"]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
