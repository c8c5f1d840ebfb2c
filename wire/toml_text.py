"""TOML written by a program: `tomllib` reads the same values back. One value a line, so that a diff reads well."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["document_text", "table_text", "value_text"]


def document_text(document: Mapping[str, Any]) -> str:
    """A whole document: single values first, then `[table]` and `[[table]]` by their order."""
    plain = {name: value for name, value in document.items() if not _is_table(value) and not _is_tables(value)}
    parts = [table_text("", plain)] if plain else []
    for name, value in document.items():
        if _is_table(value):
            parts.append(table_text(f"[{_key(name)}]", value))
        elif _is_tables(value):
            parts += [table_text(f"[[{_key(name)}]]", one) for one in value]
    return "\n".join(parts)


def table_text(header: str, table: Mapping[str, Any]) -> str:
    """A table under its header; a list of tables inside it has each on a line of its own."""
    lines = [f"{header}\n"] if header else []
    for name, value in table.items():
        if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            lines.append(f"{_key(name)} = [\n" + "".join(f"    {value_text(one)},\n" for one in value) + "]\n")
        else:
            lines.append(f"{_key(name)} = {value_text(value)}\n")
    return "".join(lines)


def value_text(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {value_text(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(value_text(inner) for inner in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if bare else value_text(name)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)
