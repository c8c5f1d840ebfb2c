"""Whether an agent does as well with a new configuration as before: the twin is heard, and who spoke speaks. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from edge.sources import SourceHealth

__all__ = ["Seen", "speaking", "verdict"]

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
    """Why it does not hold; empty when it does. A source that is wanted no more is not waited for."""
    if now.heard <= before.heard:
        return f"the twin was not heard for {seconds:.0f} s"
    silent = [name for name in watched if name in sources and now.received.get(name, 0) <= before.received.get(name, 0)]
    if not silent:
        return ""
    told = "; ".join(f"{name}: {sources[name].why or 'no value'}" for name in silent[:_SAID_MAX])
    return f"no value for {seconds:.0f} s from what spoke before: {told}"
