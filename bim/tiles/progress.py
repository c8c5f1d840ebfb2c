"""How far a build is: written by the child, looked at by whoever waits for it."""

import time
from pathlib import Path
from typing import Literal

import msgspec

__all__ = ["PROGRESS_FILE", "Progress", "Step", "read_progress"]

PROGRESS_FILE = "progress"
_EVERY_S = 0.2  # a bar moves that often


class Step(msgspec.Struct, frozen=True):
    """What is being done, and how much of it."""

    stage: Literal["open", "meshes", "tiles"]
    done: int
    total: int

    @property
    def share(self) -> float:
        """How much of the whole build is done, 0 to 1: meshes are about half of it."""
        done = self.done / self.total if self.total else 1.0
        return {"open": 0.0, "meshes": done / 2, "tiles": 0.5 + done / 2}[self.stage]


class Progress:
    """Writes the file, not too often; `part` of `parts` files is worked on."""

    def __init__(self, folder: Path, parts: int = 1) -> None:
        self._path = folder / PROGRESS_FILE
        self._told = 0.0
        self.part, self._parts = 0, parts

    def meshes(self, done: int, total: int) -> None:
        """So many elements of this file have their mesh; files count alike, however large."""
        self._tell("meshes", self.part * total + done, self._parts * total)

    def tiles(self, done: int, total: int) -> None:
        """So many elements are packed."""
        self._tell("tiles", done, total)

    def _tell(self, stage: Literal["meshes", "tiles"], done: int, total: int) -> None:
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
