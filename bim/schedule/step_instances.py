"""Instances of chosen classes of a STEP file (IFC), read from its text without an IFC library.

A schedule's few hundred instances in a model of a million are found in one sweep; of every other instance only its
GlobalId is kept, so that a link can name its element.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from bim.schedule.errors import ScheduleError

__all__ = ["Instances", "Ref", "read_instances"]

# possessive: an open quote must not make the search try every way to cut what stands before it
_STATEMENT = re.compile(rb"#(\d{1,18})\s*+=\s*+([A-Za-z0-9_]++)\s*+(\((?:[^';]++|'[^']*+')*+);")
_QUOTED_OR_COMMENT = re.compile(rb"'[^']*'|/\*.*?\*/", re.DOTALL)
_GLOBAL_ID = re.compile(rb"\(\s*'([0-9A-Za-z_$]{22})'")
_TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|#(\d{1,18})|\.(\w+)\.|([A-Z_a-z][A-Z_a-z0-9]*)|([-+]?[\d.]+(?:[Ee][-+]?\d+)?)|([(),$*]))"
)
_X2, _X4, _X, _S = (
    re.compile(p) for p in (r"\\X2\\([0-9A-F]*)\\X0\\", r"\\X4\\([0-9A-F]*)\\X0\\", r"\\X\\([0-9A-F]{2})", r"\\S\\(.)")
)
_DEPTH_MAX = 32


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an instance."""

    number: int


@dataclass(slots=True)
class Instances:
    """Chosen instances by number, with class in upper case and attributes; GlobalIds of all rooted ones."""

    schema: str
    of: dict[int, tuple[str, list[Any]]] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    global_ids: dict[int, str] = field(default_factory=dict)

    def of_class(self, name: str) -> list[tuple[int, list[Any]]]:
        """Number and attributes of every instance of a class, in the order of the file."""
        return [(number, values) for number, (kind, values) in self.of.items() if kind == name]

    def values(self, ref: Any, name: str) -> list[Any] | None:
        """Attributes of what a reference points at, when it is of that class."""
        found = self.of.get(ref.number) if isinstance(ref, Ref) else None
        return found[1] if found is not None and found[0] == name else None


def read_instances(data: bytes, classes: dict[str, int]) -> Instances:
    """`classes`: class in upper case → least number of attributes. Raises ScheduleError."""
    schema = re.search(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'", data[:65_536])
    if schema is None:
        raise ScheduleError("format", "its header has no FILE_SCHEMA", line=1, fix="export the model again")
    if b"END-ISO-10303-21" not in data[-4096:]:
        raise ScheduleError("truncated", "the file ends before END-ISO-10303-21", fix="export the model again")
    if b"/*" in data:
        data = _QUOTED_OR_COMMENT.sub(_without_comment, data)
    found = Instances(schema[1].decode("ascii", "replace").strip().upper())
    line, at = 1, 0
    for statement in _STATEMENT.finditer(data):
        number, kind = int(statement[1]), statement[2].decode("ascii").upper()
        root = _GLOBAL_ID.match(statement[3])
        if root is not None:
            found.global_ids[number] = root[1].decode("ascii")
        if kind in classes:
            line, at = line + data.count(b"\n", at, statement.start()), statement.start()
            found.of[number] = kind, _attributes(statement[3], kind, classes[kind], line)
            found.lines[number] = line
    _refuse_lost(data, classes, found)
    return found


def _refuse_lost(data: bytes, classes: dict[str, int], found: Instances) -> None:
    """Statements that begin and cannot be read to their end would make the schedule silently incomplete."""
    begun = re.compile(
        rb"#(\d{1,18})\s*+=\s*+(?:" + b"|".join(name.encode() for name in classes) + rb")\s*+\(", re.IGNORECASE
    )
    for start in begun.finditer(data):
        if int(start[1]) not in found.of:
            line = data.count(b"\n", 0, start.start()) + 1
            raise ScheduleError(
                "malformed",
                "the instance has no end",
                line=line,
                field=f"#{int(start[1])}",
                fix="export the model again",
            )


def _without_comment(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b"'") else b" " + b"\n" * found[0].count(b"\n")


def _attributes(body: bytes, kind: str, least: int, line: int) -> list[Any]:
    try:
        text = body.decode("utf-8") if not body.isascii() else body.decode("ascii")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    try:
        values, _ = _list(text, 1, 0)
    except ValueError as error:
        raise ScheduleError("malformed", str(error), line=line, field=kind, fix="export the model again") from error
    if len(values) < least:
        problem = f"it has {len(values)} attributes and needs {least}"
        raise ScheduleError("malformed", problem, line=line, field=kind, fix="export the model again")
    return values


def _list(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    """Values up to the closing bracket; `at` stands behind the opening one."""
    if depth > _DEPTH_MAX:
        raise ValueError(f"lists nest deeper than {_DEPTH_MAX}")
    values: list[Any] = []
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{text[at : at + 20]!r} cannot be read")
        at = token.end()
        quoted, ref, enum, name, number, mark = token.groups()
        if quoted is not None:
            values.append(_text(quoted[1:-1]))
        elif ref is not None:
            values.append(Ref(int(ref)))
        elif enum is not None:
            values.append(enum.upper())
        elif number is not None:
            values.append(float(number))
        elif mark == ")":
            return values, at
        elif mark == "(":
            inner, at = _list(text, at, depth + 1)
            values.append(inner)
        elif mark in ("$", "*"):
            values.append(None)
        elif name is not None:  # a typed value: IFCDURATION('P1D')
            opening = _TOKEN.match(text, at)
            if opening is None or opening[6] != "(":
                raise ValueError(f"{name[:40]!r} stands alone")
            inner, at = _list(text, opening.end(), depth + 1)
            values.append(inner[0] if inner else None)


def _text(raw: str) -> str:
    """A STEP text with its escapes resolved."""
    text = raw.replace("''", "'")
    if "\\" not in text:
        return text
    text = _X2.sub(lambda m: bytes.fromhex(m[1][: len(m[1]) // 4 * 4]).decode("utf-16-be", "replace"), text)
    text = _X4.sub(lambda m: bytes.fromhex(m[1][: len(m[1]) // 8 * 8]).decode("utf-32-be", "replace"), text)
    text = _X.sub(lambda m: chr(int(m[1], 16)), text)
    return _S.sub(lambda m: chr((ord(m[1]) + 128) & 0xFF), text).replace("\\\\", "\\")
