"""The section `config`: a TOML text for gateways. What is in it, the agent judges; here it is hashed and masked."""

import hashlib
import tomllib
from typing import Any, Final

from wire.errors import InputError
from wire.limits import CONFIG_BYTES_MAX
from wire.masking import masked
from wire.toml_text import document_text

__all__ = ["SECTION", "config_body", "shown"]

SECTION: Final = "config"


def config_body(text: str, trial_s: float = 120.0, *, strict: bool = False) -> dict[str, Any]:
    """What is wanted, without its revision; InputError when it is too large or no TOML."""
    if len(text.encode()) > CONFIG_BYTES_MAX:
        raise InputError(f"has more than {CONFIG_BYTES_MAX} bytes", field="text", fix="split the gateway")
    _read(text)
    body = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text, "trial_s": trial_s}
    return body | ({"strict": True} if strict else {})


def shown(text: str) -> str:
    """The text for people: written evenly, its secrets masked."""
    return document_text(masked(_read(text)))


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"is not TOML: {error}", field="text", fix="mend the syntax at that place") from error
