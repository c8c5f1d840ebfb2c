"""What is wrong with a file, told with its place; whatever lies before it was kept."""

from collections import Counter

import msgspec

__all__ = ["GAVE_UP", "Damage", "Notes"]

GAVE_UP = "it is damaged in so many places that the search for whole messages was given up"

_TEXT_CHARS = 300
_DAMAGES = 50  # shown one by one; the rest are counted


class Damage(msgspec.Struct, frozen=True):
    """One place where a file is broken: byte offset or line number, and how many bytes or lines were passed over."""

    at: int
    unit: str  # "byte" | "line"
    problem: str
    lost: int = 0


class Notes:
    """Warnings and damages of one file, bounded: repeated ones are counted instead of listed."""

    def __init__(self, warnings_max: int = 100) -> None:
        self._warnings: Counter[str] = Counter()
        self._max = warnings_max
        self._unlisted = 0
        self.damages: list[Damage] = []
        self.damages_more = 0

    def warn(self, text: str) -> None:
        """Something a person should know although it was read."""
        text = text[:_TEXT_CHARS]
        if text in self._warnings or len(self._warnings) < self._max:
            self._warnings[text] += 1
        else:
            self._unlisted += 1

    def damage(self, at: int, unit: str, problem: str, lost: int = 0) -> None:
        """A broken place; reading goes on behind it where that is possible."""
        if len(self.damages) < _DAMAGES:
            self.damages.append(Damage(int(at), unit, problem[:_TEXT_CHARS], int(lost)))
        else:
            self.damages_more += 1

    def take(self, other: "Notes") -> None:
        """Add what another reader noted."""
        for text, count in other._warnings.items():
            self.warn(text)
            self._warnings[text] += count - 1 if text in self._warnings else 0
        for one in other.damages:
            self.damage(one.at, one.unit, one.problem, one.lost)
        self.damages_more += other.damages_more

    @property
    def warnings(self) -> list[str]:
        """The warnings in the order they came, those of repeated ones with their count, then the damages."""
        said = [text if count == 1 else f"{text} ({count} times)" for text, count in self._warnings.items()]
        said += [f"{one.problem} at {one.unit} {one.at}" + _lost(one) for one in self.damages]
        if self.damages_more:
            said.append(f"{self.damages_more} more damaged places")
        if self._unlisted:
            said.append(f"{self._unlisted} more warnings")
        return said


def _lost(one: Damage) -> str:
    return f" ({one.lost} {one.unit}{'s' if one.lost != 1 else ''} passed over)" if one.lost else ""
