"""Names of sites, nodes, devices and metrics: `[a-z0-9_-]`, 1 to 64 characters, safe on every broker."""

import re
import unicodedata

from wire.errors import UserError
from wire.limits import NAME_CHARS_MAX

__all__ = ["check_name", "is_name", "slug"]

_LEGAL = re.compile(rf"[a-z0-9_-]{{1,{NAME_CHARS_MAX}}}\Z")


def is_name(name: str) -> bool:
    """Whether `name` may stand in a topic."""
    return _LEGAL.match(name) is not None


def check_name(kind: str, name: str) -> str:
    """Return `name`, or raise a UserError that proposes a legal one. `kind` says what it names."""
    if is_name(name):
        return name
    raise UserError(
        f"{name[:80]!r} is not a legal {kind} name: use a-z, 0-9, _ and -, at most {NAME_CHARS_MAX}",
        field=kind,
        fix=f"write {slug(name)!r}",
    )


def slug(text: str) -> str:
    """The nearest legal name: accents dropped, camel case parted, the rest joined by `_`."""
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", text)
    text = re.sub(r"[^a-z0-9-]+", "_", text.lower()).strip("_-")
    return text[:NAME_CHARS_MAX].rstrip("_-") or "unnamed"
