"""What the text of a STEP file says about itself, found without an IFC library.

The library opens a cut or damaged file without an error and returns what it could read; these counts are
what its result is checked against, so that no model is ever silently incomplete.
"""

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["StepError", "StepText", "look_at", "where_it_breaks"]

Buffer = bytes | mmap.mmap

_HEAD_BYTES = 1 << 16  # descriptions and author lists stay below 8 KB
_TAIL_BYTES = 1 << 12
_SCHEMA = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'")
_INSTANCE = re.compile(rb"#\d+\s*=")
_QUOTED_OR_COMMENT = re.compile(rb"'[^']*'|/\*.*?\*/", re.DOTALL)
_BROKEN = re.compile(rb"'[^']*\Z|/\*", re.DOTALL)
_BLANK = b" "


class StepError(Exception):
    """Why this is no whole STEP file."""

    def __init__(self, reason: Literal["not_ifc", "truncated"], problem: str) -> None:
        self.reason, self.problem = reason, problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class StepText:
    """Schema as the header names it; instances that the text defines, strings and comments not yet excluded."""

    schema: str
    instances: int


def look_at(path: Path) -> StepText:
    """Header, end marker and number of instances of one file; raises StepError."""
    size = path.stat().st_size
    if size == 0:
        raise StepError("not_ifc", "the file is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head, tail = data[:_HEAD_BYTES], data[max(0, size - _TAIL_BYTES) :]
        schema = _schema_of(head)
        if b"END-ISO-10303-21" not in tail:
            raise StepError("truncated", "the file ends before END-ISO-10303-21")
        if data.find(b"DATA") < 0:
            raise StepError("truncated", "the file has no DATA section")
        return StepText(schema, sum(1 for _ in _INSTANCE.finditer(data)))


def where_it_breaks(path: Path) -> tuple[int, int | None]:
    """Instances outside strings and comments, and the line of the first one that is never closed."""
    data = path.read_bytes()
    bare = _QUOTED_OR_COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n") or _BLANK, data)
    broken = _BROKEN.search(bare)
    whole = bare if broken is None else bare[: broken.start()]
    line = None if broken is None else bare.count(b"\n", 0, broken.start()) + 1
    return len(_INSTANCE.findall(whole)), line


def _schema_of(head: bytes) -> str:
    if b"ISO-10303-21" not in head[:256]:
        raise StepError("not_ifc", f"it does not begin with ISO-10303-21 but with {head[:16]!r}")
    found = _SCHEMA.search(head)
    if found is None:
        raise StepError("not_ifc", "its header has no FILE_SCHEMA")
    return found[1].decode("ascii", "replace").strip().upper()
