"""What `aid4 edge init` writes: the commented sample, with the names and the sources that are known."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.config_sample import SAMPLE
from edge.probing import SourceTable
from edge.toml_edit import set_values
from wire.errors import ConfigError, InputError
from wire.names import check_name
from wire.toml_text import table_text

__all__ = ["first_config", "source_names", "with_sources"]


def first_config(
    *, site: str = "", node: str = "", broker: str = "", sources: tuple[str, ...] = (), found: bool = False
) -> str:
    """The text of a configuration. A source is an inline table of TOML without its braces: `kind = "modbus", …`; with
    one or more of them, or where others were `found`, the sample's own source is left out."""
    text = SAMPLE
    given = {name: check_name(name, value) for name, value in (("site", site), ("node", node)) if value}
    if given:
        text = set_values(text, "", dict(given))
    if broker:
        text = set_values(text, "broker", {"url": broker})
    if sources or found:
        text = text[: text.index("[[source]]")] + "\n".join(_source(one) for one in sources)
    return text


def source_names(text: str, file: Path) -> set[str]:
    """Names of the sources that a configuration has."""
    try:
        listed = tomllib.loads(text).get("source", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}", file=str(file), fix="mend the syntax at that place") from error
    return {str(one.get("name", "")) for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()


def with_sources(text: str, added: Sequence[SourceTable]) -> tuple[str, int]:
    """The text with these sources at its end, and how many are new: one of a kind and address that stands there already
    is left out. Everything else stays as people wrote it; ConfigError where that cannot be done."""
    before = tomllib.loads(text)
    there = before.get("source", [])
    known = [_address(one) for one in there if isinstance(one, dict)] if isinstance(there, list) else []
    fresh = [one for one in added if _address(one.table) not in known]
    if not fresh:
        return text, 0
    parts = [(f"# {one.note}\n" if one.note else "") + table_text("[[source]]", one.table) for one in fresh]
    made = "\n".join([text.rstrip("\n") + "\n", *parts])
    try:
        good = tomllib.loads(made) == before | {"source": [*there, *(dict(one.table) for one in fresh)]}
    except (tomllib.TOMLDecodeError, TypeError):
        good = False
    if not good:
        raise ConfigError("cannot be added to safely", field="source", fix="write the list as [[source]] tables")
    return made, len(fresh)


def _address(table: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two tables lead to the same devices."""
    told = table.get("devices", []) if table.get("kind") == "bacnet" else []
    which = sorted(str(one.get("address")) for one in told)
    return table.get("kind"), table.get("url"), table.get("profile"), str(table.get("topic", "")), *which


def _source(table: str) -> str:
    """One `[[source]]`, as the person wrote its values."""
    try:
        parsed: dict[str, Any] = tomllib.loads(f"source = {{ {table} }}")["source"]
    except tomllib.TOMLDecodeError as error:
        fix = """write --source 'kind = "modbus", name = "meter", url = "tcp://10.0.0.7:502"'"""
        raise InputError(f"{table[:80]!r} is no table: {error}", field="--source", fix=fix) from error
    return table_text("[[source]]", parsed)
