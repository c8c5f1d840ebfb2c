"""Reading what may be damaged: what the IFC library raises, and text that every encoder takes."""

from typing import Any

__all__ = ["READ_ERRORS", "text"]

# a wrong kind, a wrong count, no text, a number that is none
READ_ERRORS = (AttributeError, RuntimeError, TypeError, ValueError, IndexError, KeyError, ArithmeticError)

_CHARS_MAX = 8192  # one value; documents belong elsewhere


def text(value: Any) -> str:
    """Any attribute as text: None is "", lone surrogates are replaced, its length is bounded."""
    if value is None:
        return ""
    plain = value if isinstance(value, str) else str(value)
    return plain.encode("utf-8", "replace").decode("utf-8")[:_CHARS_MAX]
