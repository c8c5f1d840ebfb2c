"""A fingerprint of an element's shape that does not depend on its GlobalId, its place or instance numbers.

Two elements have one fingerprint exactly when their representations say the same, numbers to the last digit: the
same element in two revisions of one authoring tool, or two copies of one thing. Runs in the child process only.
"""

import hashlib
import re
from typing import Any

from bim.damage import READ_ERRORS

__all__ = ["ShapeHashes"]

_REFERENCE = re.compile(r"#(\d+)")
_DIGEST_BYTES = 8
_INSTANCES_MAX = 3_000_000  # about half a minute; what comes after has no fingerprint


class ShapeHashes:
    """Fingerprints of the products of one open file; each instance is looked at once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[int, str] = {}
        self._open: set[int] = set()

    def of(self, product: Any) -> str:
        """16 hex digits; "" for a product without a shape or with one that cannot be read."""
        try:
            shape = getattr(product, "Representation", None)
            if shape is None or len(self._known) > _INSTANCES_MAX:
                return ""
            return self._hash(shape)
        except READ_ERRORS:
            return ""

    def _hash(self, top: Any) -> str:
        """Hash of an instance from its text, with the hash of what it refers to in place of each reference."""
        waiting: list[tuple[Any, str | None]] = [(top, None)]
        while waiting:
            one, text = waiting.pop()
            step = one.id()
            if text is not None:  # everything below it is known
                self._known[step] = _digest(_REFERENCE.sub(lambda found: self._part(int(found[1])), text))
                self._open.discard(step)
            elif step not in self._known and step not in self._open:
                self._open.add(step)
                # a context is the same for the whole file, and full of names
                text = one.is_a() if one.is_a("IfcRepresentationContext") else str(one).partition("=")[2]
                waiting.append((one, text))
                waiting += [(self._model.by_id(int(number)), None) for number in _REFERENCE.findall(text)]
        return self._known[top.id()]

    def _part(self, step: int) -> str:
        return self._known.get(step, "a ring")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).hexdigest()
