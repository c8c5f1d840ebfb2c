"""Change single values of a TOML file and leave everything else as people wrote it: comments, order, blank lines."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from wire.errors import ConfigError

__all__ = ["set_values"]

_HEADER = re.compile(r"^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(#.*)?$")


def set_values(text: str, table: str, values: Mapping[str, str | None]) -> str:
    """The text with these strings in `[table]` (`""` is the top), a None taken out; ConfigError when the file is
    written in a way in which that cannot be done safely."""
    before, lines = tomllib.loads(text), text.splitlines()
    start, end = _section(lines, table)
    if start is None:
        lines += [
            "",
            f"[{table}]",
            *(f"{name} = {_quoted(value)}" for name, value in values.items() if value is not None),
        ]
    else:
        lines[start:end] = _edited(lines[start:end], values)
    made = "\n".join(lines) + "\n"
    wanted = _apply(before, table, values)
    try:
        good = tomllib.loads(made) == wanted
    except tomllib.TOMLDecodeError:
        good = False
    if not good:
        told = ", ".join(f"{name} = {_quoted(value)}" for name, value in values.items() if value is not None)
        fix = f"write by hand: {told}"
        raise ConfigError("is written in a way that cannot be changed safely", field=table or "top", fix=fix)
    return made


def _section(lines: list[str], table: str) -> tuple[int | None, int]:
    """The lines of a table, without its header."""
    start = None if table else 0
    for at, line in enumerate(lines):
        if header := _HEADER.match(line):
            if start is not None:
                return start, at
            if header[1] == table and not line.lstrip().startswith("[["):
                start = at + 1
    return start, len(lines)


def _edited(lines: list[str], values: Mapping[str, str | None]) -> list[str]:
    made, left = [], dict(values)
    for line in lines:
        name = line.partition("=")[0].strip() if "=" in line else ""
        if name not in values:
            made.append(line)
        elif name in left:
            value = left.pop(name)
            if value is not None:
                made.append(f"{name} = {_quoted(value)}{_comment(line)}")
    at = len(made)
    while at and not made[at - 1].strip():
        at -= 1
    made[at:at] = [f"{name} = {_quoted(value)}" for name, value in left.items() if value is not None]
    return made


def _comment(line: str) -> str:
    """The comment behind a value, with the space before it."""
    found = re.match(r"""[^=]*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)(\s+#.*)$""", line)
    return found[2] if found else ""


def _apply(table: dict[str, Any], name: str, values: Mapping[str, str | None]) -> dict[str, Any]:
    part = dict(table.get(name, {})) if name else dict(table)
    for key, value in values.items():
        if value is None:
            part.pop(key, None)
        else:
            part[key] = value
    return table | {name: part} if name else part


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
