"""From the channels of an episode to findings that diagnosis understands: points and relations, each with its way."""

from collections.abc import Callable, Iterable
from typing import Protocol

from inference.diagnosis import Symptom
from inference.runtime.episodes import Channel

__all__ = ["DIRECTIONS", "FACTS_AS", "direction_of", "symptoms_of"]

DIRECTIONS = {1: "high", -1: "low", 0: ""}
FACTS_AS = {
    "stuck": "stuck",
    "frozen": "stuck",
    "spikes": "spike",
    "clock": "clock",
    "replay": "replay",
    "noisy": "noisy",
    "calm": "calm",
}


class _Seen(Protocol):
    @property
    def point_class(self) -> str: ...

    @property
    def brick(self) -> str: ...

    @property
    def element(self) -> str | None: ...


def direction_of(channel: Channel) -> str:
    """The word of diagnosis for where a channel left normal."""
    return FACTS_AS.get(channel.fact) or DIRECTIONS[channel.direction]


def symptoms_of(channels: Iterable[Channel], view: Callable[[str], _Seen | None]) -> list[Symptom]:
    """One finding a channel; a relation is a point of the machine of its first channel, named like the relation."""
    found = []
    for one in channels:
        seen = view(one.key)
        beside = seen or (view(one.of[0]) if one.of else None)
        found.append(
            Symptom(
                point=one.key, point_class=seen.point_class if seen else "", brick=seen.brick if seen else "",
                element=(beside.element or "") if beside else "", direction=direction_of(one), share=one.share,
                of=tuple(one.of), sudden=one.sudden,
            )
        )  # fmt: skip
    return found
