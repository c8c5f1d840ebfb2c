"""Rules that find a device's element or space by its name. Pure; each is a row of RULES."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bim.model_index import Element, ModelIndex

__all__ = ["RULES", "Match", "distinct"]

_WORD_CHARS_MIN = 3  # "1" of device ahu-1 is no room number


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule found: all that fit equally well, and how sure one of them alone would be."""

    kind: str
    elements: list[Element]
    confidence: float


def distinct(found: list[Element]) -> list[Element]:
    """Each element once, in order."""
    return list({one.id: one for one in found}.values())


def _element_named_like_device(device: str, model: ModelIndex) -> Match:
    """Elements whose name (or tag) is that of the device."""
    called = [one for name in _spellings(device) for one in model.elements_called(name)]
    return Match("element", distinct(called), 0.8)


def _element_tagged_like_device(device: str, model: ModelIndex) -> Match:
    """Elements whose tag is that of the device; decides where several have its name."""
    called = [one for one in model.elements_called(device) if one.tag.casefold() == device.casefold()]
    return Match("element", distinct(called), 0.8)


def _space_named_like_device(device: str, model: ModelIndex) -> Match:
    """Spaces whose number or name stands in the device's name as whole words; the longest ones."""
    words = tuple(re.findall(r"[^\W_]+", device.casefold()))
    fits = [(len(" ".join(part)), one) for part, one in model.space_words if _within(part, words)]
    longest = max((length for length, _ in fits), default=0)
    spaces = distinct([one for length, one in fits if length == longest])
    return Match("space", spaces, 0.8 if longest == len(" ".join(words)) else 0.6)


RULES: dict[str, Callable[[str, ModelIndex], Match]] = {
    "element_named_like_device": _element_named_like_device,
    "element_tagged_like_device": _element_tagged_like_device,
    "space_named_like_device": _space_named_like_device,
}


def _within(part: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if len(" ".join(part)) < _WORD_CHARS_MIN and part != words:
        return False
    return any(words[start : start + len(part)] == part for start in range(len(words) - len(part) + 1))


def _spellings(device: str) -> list[str]:
    return list(dict.fromkeys([device, device.replace("-", " ").replace("_", " ")]))
