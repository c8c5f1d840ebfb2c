"""A number that one process counts up and another one reads: eight bytes of a mapped file."""

import mmap
from pathlib import Path

__all__ = ["shared_counter"]


def shared_counter(path: Path) -> mmap.mmap:
    """Eight bytes that two processes see; made when they are not there."""
    if not path.exists():
        path.write_bytes(bytes(8))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 8)
