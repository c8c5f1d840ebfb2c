"""What `aid4 edge init` writes: the commented sample, with the names and the sources that are known."""

import json
import tomllib
from typing import Any

from edge.config_sample import SAMPLE
from edge.toml_edit import set_values
from wire.errors import InputError
from wire.names import check_name

__all__ = ["first_config"]


def first_config(*, site: str = "", node: str = "", broker: str = "", sources: tuple[str, ...] = ()) -> str:
    """The text of a configuration. A source is an inline table of TOML without its braces: `kind = "modbus", …`; with
    one or more of them the sample's own source is left out."""
    text = SAMPLE
    given = {name: check_name(name, value) for name, value in (("site", site), ("node", node)) if value}
    if given:
        text = set_values(text, "", dict(given))
    if broker:
        text = set_values(text, "broker", {"url": broker})
    if sources:
        text = text[: text.index("[[source]]")] + "\n".join(_source(one) for one in sources)
    return text


def _source(table: str) -> str:
    """One `[[source]]`, as the person wrote its values."""
    try:
        parsed: dict[str, Any] = tomllib.loads(f"source = {{ {table} }}")["source"]
    except tomllib.TOMLDecodeError as error:
        fix = """write --source 'kind = "modbus", name = "meter", url = "tcp://10.0.0.7:502"'"""
        raise InputError(f"{table[:80]!r} is no table: {error}", field="--source", fix=fix) from error
    return "[[source]]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in parsed.items())


def _toml(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if bare else json.dumps(name)
