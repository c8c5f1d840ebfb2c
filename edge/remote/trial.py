"""Whether an agent does as well with something new as before: the twin is heard, and who spoke speaks. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from edge.sources import SourceHealth

__all__ = ["Seen", "fallen_silent", "speaking", "told_of", "verdict"]

_NAMES_MAX: Final = 1_000
_SAID_MAX: Final = 5  # sources in one sentence


class Seen(msgspec.Struct, frozen=True):
    """What is counted at the beginning and at the end of a trial."""

    heard: int  # messages of the twin
    received: dict[str, int]  # readings by source

    @classmethod
    def of(cls, heard: int, sources: Mapping[str, SourceHealth]) -> "Seen":
        """Now."""
        return cls(heard, {name: health.received for name, health in sources.items()})


def speaking(sources: Mapping[str, SourceHealth], within_s: float, now_us: int) -> list[str]:
    """The sources that yielded a value within so long: after a change they have to do so again, in the same time."""
    since_us = now_us - within_s * 1e6
    found = [name for name, one in sources.items() if one.received and (one.last_us or 0) >= since_us]
    return [name for name in found if sources[name].state not in {"failed", "ended"}][:_NAMES_MAX]


def verdict(before: Seen, now: Seen, watched: list[str], sources: Mapping[str, SourceHealth], seconds: float) -> str:
    """Why it does not hold; empty when it does."""
    if now.heard <= before.heard:
        return f"the twin was not heard for {seconds:.0f} s"
    return fallen_silent(before, now, watched, sources, seconds)


def fallen_silent(
    before: Seen, now: Seen, watched: list[str], sources: Mapping[str, SourceHealth], seconds: float
) -> str:
    """Who spoke before and no longer does; empty when all do. A source that is wanted no more is not waited for."""
    silent = [name for name in watched if name in sources and now.received.get(name, 0) <= before.received.get(name, 0)]
    if not silent:
        return ""
    return f"no value for {seconds:.0f} s from what spoke before: {told_of(silent, sources)}"


def told_of(silent: list[str], sources: Mapping[str, SourceHealth]) -> str:
    """These sources, each with its own word."""
    said = [f"{name}: {sources[name].why or 'no value'}" for name in silent[:_SAID_MAX]]
    return "; ".join(said) + (f"; {len(silent) - _SAID_MAX} more" if len(silent) > _SAID_MAX else "")
