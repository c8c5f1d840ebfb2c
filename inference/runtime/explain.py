"""What an episode rests on: the points of its asset and the relations between them that weigh most, with direction."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.runtime.episodes import CHANNELS_MAX, Channel, Episode
from inference.runtime.facts import Facts
from inference.runtime.online import OnlineGroup
from inference.runtime.relations.watch import Relations
from inference.runtime.settings import Stream
from inference.windows import Floats

__all__ = ["FACT_SCORE", "RELATION_UNITS", "calm_of", "channels_of"]

FACT_SCORE = 6.0  # decades that a plain fact counts as: above any budget
RELATION_UNITS = 1 << 30  # units from here on are relations, by place
_SHARE_MIN, _RELATION_MIN = 0.01, 1.0
_LEAD_SHARE = 0.5
_CALM_MOST, _CALM_MAX = 0.5, 16  # decades; relations told


def channels_of(
    episode: Episode,
    streams: Sequence[Stream],
    scores: Floats,
    facts: Facts,
    relations: Relations,
    group_of: Callable[[int], tuple[OnlineGroup, int]],
) -> list[Channel]:
    """The foremost channels of an episode, by the squares of their scores; `scores` by slot, −log10 p.

    What leads it counts half of what it came to, at least, also in a moment in which it is calm."""
    asset, since_us, least = episode.asset, episode.since_us, _LEAD_SHARE * episode.score
    flags: NDArray[np.bool_] = facts.flags()
    found: list[Channel] = []
    for slot in (at for at, one in enumerate(streams) if one.asset == asset):
        score = max(float(scores[slot]), FACT_SCORE) if flags[slot] else float(scores[slot])
        score = max(score, least) if slot == episode.lead else score
        one, (group, at) = streams[slot], group_of(slot)
        fact = facts.name(slot) or ("noisy" if group.noisy(at) else "")
        way, sudden = group.direction(at), group.sudden(at, since_us)
        found.append(Channel(point=one.id, key=one.key, share=0, score=score, direction=way, fact=fact, sudden=sudden))
    for at, place in enumerate(relations.places):
        score = max(float(relations.score[at]), least if at + RELATION_UNITS == episode.lead else 0.0)
        if place.asset == asset and score >= _RELATION_MIN:
            of = [streams[slot] for slot in place.own]
            found.append(
                Channel(
                    point=of[0].id, key=place.key, share=0.0, score=score,
                    direction=relations.direction(at), sudden=relations.sudden(at, since_us),
                    of=[one.key for one in of],
                )
            )  # fmt: skip
    whole = max(sum(one.score**2 for one in found), 1e-12)
    found.sort(key=lambda one: -one.score)
    shared = [msgspec.structs.replace(one, share=round(one.score**2 / whole, 4)) for one in found[:CHANNELS_MAX]]
    told = [one for one in shared if one.share >= _SHARE_MIN]
    return [msgspec.structs.replace(one, score=round(one.score, 3)) for one in told]


def calm_of(asset: str, streams: Sequence[Stream], relations: Relations) -> list[Channel]:
    """The relations of an asset that hold now as ever: what a cause would have moved, and has not."""
    found = []
    for at in np.flatnonzero(relations.spoke & (relations.score < _CALM_MOST)).tolist():
        place = relations.places[at]
        if place.asset == asset:
            of = [streams[slot] for slot in place.own]
            keys = [one.key for one in of]
            found.append(Channel(point=of[0].id, key=place.key, share=0.0, score=0.0, fact="calm", of=keys))
    return found[:_CALM_MAX]
