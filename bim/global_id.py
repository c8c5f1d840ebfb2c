"""GlobalIds of IFC without its library: 128 bits in 22 characters of a base of their own (ISO 16739-1, 8.2.4)."""

import re
import uuid

__all__ = ["compressed", "derived", "is_global_id"]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"
_GLOBAL_ID = re.compile(r"[0-3][0-9A-Za-z_$]{21}\Z")
_NAMESPACE = uuid.UUID("0e6a1b0e-6d1c-5a7e-8f0b-4a1d4c0f9b61")


def compressed(value: uuid.UUID) -> str:
    """The 22 characters of a UUID."""
    number = value.int
    return "".join(_DIGITS[number >> (6 * place) & 63] for place in range(21, -1, -1))


def derived(*words: str) -> str:
    """A GlobalId that depends on these words only."""
    return compressed(uuid.uuid5(_NAMESPACE, "\n".join(words)))


def is_global_id(text: str) -> bool:
    """Whether a text is a well-formed GlobalId."""
    return _GLOBAL_ID.match(text) is not None
