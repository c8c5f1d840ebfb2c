"""The peer that a source is tried against: started, changed, cut off and brought back by the checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import msgspec

from edge.sources import Source, SourceContext, load_kind
from wire.clock import SystemClock

__all__ = ["ABILITIES", "Ability", "Bench"]

Ability = Literal["leaves", "freezes", "garbles", "loses", "polled", "floods"]
ABILITIES: tuple[Ability, ...] = get_args(Ability)


class Bench(ABC):
    """One peer on loopback that holds one number, 1 at first; further points of it may say what they like.

    `can` names what the peer can be made to do, and with it the checks that apply: `leaves` (it can be cut off and come
    back at the same address), `freezes` (stays connected and says nothing), `garbles` (answers what nobody can read),
    `loses` (tells that readings were lost before they reached the source), `polled` (the source asks; `polls` counts),
    `floods` (says more than anyone can take). A recording can none of it.
    `key` is the point that holds the number, for a peer with several; `stale_within_s` is the time after which the
    source must have told a lost link: its poll, its timeout and its keepalive together.
    """

    can: ClassVar[frozenset[Ability]] = frozenset()
    key: ClassVar[str] = ""
    period_s: ClassVar[float] = 1.0  # between two polls, where the source polls
    stale_within_s: ClassVar[float] = 2.0
    writable: ClassVar[bool] = False  # the point takes commands, so a write to it is no error

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def table(self) -> dict[str, Any]:
        """The `[[source]]` table, without its name; asked before the first start too."""

    @abstractmethod
    async def start(self) -> None:
        """Go on the net, at the same address each time, holding the number of the last `change`."""

    @abstractmethod
    async def stop(self) -> None:
        """Go off the net as a pulled cable or a killed process does; also when it is off already."""

    @abstractmethod
    async def change(self, value: int) -> None:
        """Hold another number from now on; also while off the net."""

    async def freeze(self) -> None:
        """Say nothing more until `thaw`, without closing what is open."""
        raise self._cannot("freezes")

    async def thaw(self) -> None:
        """Go on as before `freeze`."""
        raise self._cannot("freezes")

    async def garble(self) -> None:
        """Answer what is no legal answer until `mend`."""
        raise self._cannot("garbles")

    async def mend(self) -> None:
        """Speak properly again."""
        raise self._cannot("garbles")

    async def lose(self) -> int:
        """Let readings be lost in a way that the source can notice; the least number that it must count."""
        raise self._cannot("loses")

    def polls(self) -> int:
        """How often the source has asked since the first start."""
        raise self._cannot("polled")

    async def flood(self) -> None:
        """Say far more than a source that is not read may keep."""
        raise self._cannot("floods")

    def source(self) -> Source:
        """The source, as an agent makes it from the table."""
        table = {"name": "source", **self.table()}
        kind = load_kind(table["kind"])
        return kind.create(msgspec.convert(table, kind.config), SourceContext(SystemClock(), self.folder))

    def _cannot(self, ability: Ability) -> AssertionError:
        return AssertionError(f"{type(self).__name__} says that it {ability}, and does not show how")
