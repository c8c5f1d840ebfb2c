"""How far a build is: written by the child, looked at by whoever waits for it."""

import time
from pathlib import Path

import msgspec

__all__ = ["PROGRESS_FILE", "Progress", "Step", "read_progress"]

PROGRESS_FILE = "progress"
_EVERY_S = 0.2  # a bar moves that often


class Step(msgspec.Struct, frozen=True):
    """What is being done, and how much of it."""

    stage: str  # open | meshes | tiles
    done: int
    total: int


class Progress:
    """Writes the file, not too often."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROGRESS_FILE
        self._told = 0.0

    def meshes(self, done: int, total: int) -> None:
        """So many elements have their mesh."""
        self._tell("meshes", done, total)

    def tiles(self, done: int, total: int) -> None:
        """So many elements are packed."""
        self._tell("tiles", done, total)

    def _tell(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told < _EVERY_S and done < total:
            return
        self._told = now
        part = self._path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(Step(stage, done, total)))
        part.replace(self._path)


def read_progress(folder: Path) -> Step:
    """The newest step of a build in this folder; nothing done when there is none."""
    try:
        return msgspec.json.decode((folder / PROGRESS_FILE).read_bytes(), type=Step)
    except (OSError, msgspec.DecodeError):
        return Step("open", 0, 1)
